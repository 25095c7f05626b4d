"""A fit that goes on from the middle of another one, as if nothing had come between.

A checkpoint is an estimator whose training state is that of a fit under way: at the start of an
epoch, which the fit was going to train. Besides the moments and the random numbers to come, that
is what counts the epochs, the best parameters so far, and the rows of W1 that wait, as they are.
So the fit that goes on makes the updates that the first would have made, to the last bit. The
weights that a checkpoint predicts with are those that the first would have kept, had it stopped.
"""

from dataclasses import replace

import numpy as np
from sklearn.base import clone

from sk_twolayer.batches import updates_per_epoch
from sk_twolayer.lazy import gather_up_to_date
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.state import History
from sk_twolayer.streams import catch_up_all

WEIGHTS = ("coefs_", "intercepts_")


def make_checkpoint(estimator, state, attributes):
    """Return an estimator that a fit with `warm_start` goes on with from here.

    It shares its arrays with the training, and is to be written to a file at once.

    Parameters
    ----------
    estimator : estimator
        In training.
    state : TrainingState
        Of the training, at the start of an epoch.
    attributes : dict
        Those to publish if the training stopped now.

    Returns
    -------
    checkpoint : estimator
        Without callbacks, and without the weights, which are those of the state.
    """
    checkpoint = clone(estimator).set_callbacks().set_params(warm_start=True)
    if isinstance(checkpoint.random_state, np.random.RandomState):
        checkpoint.random_state.set_state(state.generator)
    attributes = {name: value for name, value in attributes.items() if name not in WEIGHTS}
    # A view, as that which an estimator is pickled with cannot be written to any more.
    parameters = state.parameters.view()
    state = replace(state, parameters=parameters, history=History(), under_way=True)
    vars(checkpoint).update(attributes, _training_state=state)
    return checkpoint


def kept_weights(state):
    """Return copies of the weights and biases that a fit under way would keep if it stopped."""
    kept = state.parameters if state.best_parameters is None else state.best_parameters
    W1, W2, b1, b2 = state.unpack(kept.copy())
    if state.best_parameters is None and state.missed is not None:
        features = np.arange(state.shape[0])
        W1 = gather_up_to_date(state.rows, state.missed, OPTIMIZERS[state.solver], features)
    return {"coefs_": [W1, W2], "intercepts_": [b1, b2]}


def is_under_way(fitted, shape, solver):
    """Return whether a fit goes on with the one that attributes of an estimator stem from.

    It does not where the solver or the shape is another one, or weights were set by hand since.
    """
    state = fitted["_training_state"]
    if state is None or not state.under_way or (state.solver, state.shape) != (solver, shape):
        return False
    kept = kept_weights(state)
    return all(
        np.array_equal(mine, own)
        for name in WEIGHTS
        for mine, own in zip(fitted[name], kept[name], strict=True)
    )


def what_is_left(plan, n_epochs, n_rows):
    """Return a plan without so many epochs over rows; none are left if there were less."""
    max_iter, max_updates = plan.max_iter - n_epochs, plan.max_updates
    if max_updates is not None:
        max_updates -= n_epochs * updates_per_epoch(n_rows, plan.batch_size, plan.replacement)
    if max_iter <= 0 or (max_updates is not None and max_updates <= 0):
        max_iter = max_updates = 0
    return replace(plan, max_iter=max_iter, max_updates=max_updates)


def take_up_fit(fitted, class_counts, validates, rows_may_wait):
    """Return a copy of the state of a fit that is under way, and goes on.

    Parameters
    ----------
    fitted : dict
        The attributes of an estimator.
    class_counts : ndarray of shape (n_classes,) or None
        Weight of each class in the rows to go on with.
    validates : bool
        Whether there are rows to validate with.
    rows_may_wait : bool
        Whether rows that wait may go on waiting.

    Returns
    -------
    state : TrainingState

    Raises
    ------
    ValueError
        If these are not the rows that the fit began with.
    """
    state = fitted["_training_state"].copy()
    advice = "Pass the rows that it began with, or set warm_start=False to fit anew."
    if class_counts is not None and not np.array_equal(class_counts, state.class_counts):
        raise ValueError(
            f"y has classes of weight {class_counts}, but the fit that the checkpoint is of began "
            f"with {state.class_counts}. {advice}"
        )
    if validates != (state.best_parameters is not None):
        had, has = ("no rows", "some") if validates else ("rows", "none")
        raise ValueError(
            f"The fit that the checkpoint is of had {had} to validate with, and this one has "
            f"{has}. {advice}"
        )
    if state.missed is not None and not rows_may_wait:
        catch_up_all(state)
        state.missed = None
    state.history = History.of(fitted)
    return state
