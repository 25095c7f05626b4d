"""Warm starts: training continues from an earlier call, or resumes an interrupted fit.

A checkpoint is an estimator whose training state is from the middle of a fit, at the start of an
epoch. Besides the moments and the state of the random numbers, the state holds the count of epochs,
the best parameters so far, and pending updates. So the resumed fit makes the same updates as the
interrupted fit would have made, to the last bit. The checkpoint predicts with the weights that the
fit would have kept if it had stopped.
"""

from dataclasses import replace

import numpy as np
from sklearn.base import clone

from sk_twolayer.network import unpack
from sk_twolayer.optimizers import OPTIMIZERS, change_betas
from sk_twolayer.sparse import STREAM_LOCK, apply_all_pending, is_stream, lazy_network, read_rows
from sk_twolayer.training.state import History, TrainingState

WEIGHTS = ("coefs_", "intercepts_")


def make_checkpoint(estimator, plan, attributes):
    """Return an estimator from which a fit with `warm_start` resumes here.

    It shares its arrays with the training, and must be written to a file at once.

    Parameters
    ----------
    estimator : estimator
        In training.
    plan : Plan
        Of the training, at the start of an epoch.
    attributes : dict
        The attributes to publish if the training stopped now.

    Returns
    -------
    checkpoint : estimator
        Without callbacks, and without weights, which its state holds.
    """
    state = plan.state
    checkpoint = clone(estimator).set_callbacks().set_params(warm_start=True)
    if isinstance(checkpoint.random_state, np.random.RandomState):
        checkpoint.random_state.set_state(state.generator)
    attributes = {name: value for name, value in attributes.items() if name not in WEIGHTS}
    # A view: pickling an estimator makes its parameters read-only.
    parameters = state.parameters.view()
    state = replace(state, parameters=parameters, history=History(), under_way=True)
    state.fingerprint = fingerprint(plan.data)
    vars(checkpoint).update(attributes, _training_state=state)
    return checkpoint


def kept_weights(state):
    """Return copies of the weights and biases that a fit would keep if it stopped in this state."""
    kept = state.parameters if state.best_parameters is None else state.best_parameters
    W1, W2, b1, b2 = unpack(kept.copy(), *state.shape)
    if state.best_parameters is None and state.pending is not None:
        features = np.arange(state.shape[0])
        W1 = read_rows(state.rows, state.pending, OPTIMIZERS[state.solver], features)
    return {"coefs_": [W1, W2], "intercepts_": [b1, b2]}


def resumes(fitted, shape, solver):
    """Return True if this fit resumes the interrupted fit stored in `fitted`.

    It does not if the solver or the shape differs, or if weights were set by hand.
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


def remaining_limits(plan):
    """Return the epochs and updates that a resumed fit has left; no epoch if it was complete."""
    n_epochs, max_updates = plan.state.n_epochs, plan.max_updates
    max_iter = plan.max_iter - n_epochs
    if max_updates is not None:
        max_updates -= n_epochs * plan.updates_per_epoch()
    if max_iter <= 0 or (max_updates is not None and max_updates <= 0):
        return 0, 0
    return max_iter, max_updates


def fingerprint(data):
    """Return numbers that identify samples: how many, their weight, and some of X and y."""
    chosen = data.indices[np.linspace(0, len(data.indices) - 1, 100).astype(int)]
    weights = data.sample_weight
    weight = len(data.indices) if weights is None else weights[data.indices].sum()
    with np.errstate(over="ignore", invalid="ignore"):
        of_X = data.X[chosen].astype(float) @ np.cos(np.arange(data.X.shape[1]))
    return np.concatenate([[len(data.indices), weight], of_X, data.y[chosen].ravel()], dtype=float)


def resume_fit(fitted, data, class_counts, validates, keeps_pending):
    """Return a copy of the state of an interrupted fit.

    Parameters
    ----------
    fitted : dict
        The attributes of an estimator.
    data : Data
        The training samples of this call.
    class_counts : ndarray of shape (n_classes,) or None
        Weight of each class in the samples of this call.
    validates : bool
        Whether there are validation samples.
    keeps_pending : bool
        Whether updates may stay pending.

    Returns
    -------
    state : TrainingState

    Raises
    ------
    ValueError
        If the fit began with other samples.
    """
    state = fitted["_training_state"].copy()
    advice = "Pass the samples that it began with, or set warm_start=False to fit anew."
    if class_counts is not None and not np.array_equal(class_counts, state.class_counts):
        raise ValueError(
            f"y has classes of weight {class_counts}, but the fit of the checkpoint began with "
            f"{state.class_counts}. {advice}"
        )
    if validates != (state.best_parameters is not None):
        had, has = ("no", "some") if validates else ("some", "none")
        raise ValueError(
            f"The fit of the checkpoint had {had} validation samples, and this one has {has}. "
            f"{advice}"
        )
    if not np.allclose(fingerprint(data), state.fingerprint, rtol=1e-5, equal_nan=True):
        raise ValueError(
            f"The fit of the checkpoint began with other samples: their number, weights, X or y "
            f"differ. {advice}"
        )
    if not keeps_pending:
        apply_pending(state)
    state.history, state.n_updates = History.of(fitted), fitted["n_updates_"]
    state.fingerprint = None
    return state


def continue_training(fitted, shape, solver, start, dtype, keeps_pending, features=None):
    """Return a copy of the state in the attributes of an estimator.

    Parameters
    ----------
    fitted : dict
        The attributes.
    shape : tuple of three int
        Of the network in the hyper-parameters, which must be the shape in the attributes.
    solver : str
        If it is the earlier solver, its moments continue; otherwise moments start anew.
    start : tuple of two float
        The hyper-parameters beta_2 and epsilon, from which moments start anew.
    dtype : dtype
        Of the copy.
    keeps_pending : bool
        Whether updates may stay pending.
    features : ndarray of intp, default=None
        The features whose rows of W1 are copied; None copies all.

    Returns
    -------
    state : TrainingState
    """
    b1, b2 = fitted["intercepts_"]
    if shape[1] != len(b1):
        raise ValueError(
            f"hidden_size={shape[1]}, but the network to continue from has {len(b1)} hidden "
            f"units. Set it back, or fit anew with warm_start=False."
        )
    earlier = fitted["_training_state"]
    same_solver = earlier is not None and earlier.solver == solver
    stream = is_stream(fitted)
    state = None
    if stream or same_solver:
        with STREAM_LOCK:
            many = stream and earlier.pending.n_updates >= lazy_network.MOST_PENDING
            if many and earlier.parameters.flags.writeable:  # bounds the table of maps
                apply_all_pending(earlier.rows, earlier.pending, OPTIMIZERS[earlier.solver])
                earlier.pending.reset()
            state = earlier.copy(features)
        if not (stream and same_solver and keeps_pending):
            apply_pending(state)
    if not stream:
        arrays = [*fitted["coefs_"], b1, b2]
        parameters = np.concatenate([array.ravel() for array in arrays], dtype=dtype)
    else:
        parameters = state.parameters.astype(dtype, copy=False)
    if not same_solver:
        state = TrainingState(shape, parameters, solver)
        if solver != "lbfgs":
            state.moments = OPTIMIZERS[solver].start_moments(parameters, *start)
    state.parameters, state.best_parameters, state.under_way = parameters, None, False
    *_, own_b1, own_b2 = unpack(state.parameters, *state.shape)
    own_b1[:], own_b2[:] = b1, b2
    state.history, state.n_updates = History.of(fitted), fitted["n_updates_"]
    return state


def set_betas(state, betas):
    """Set the decay rates of the moments, which depend on them in Adam and AdamW."""
    if state.solver in ("adam", "adamw") and state.betas not in (None, betas):
        apply_pending(state)
        change_betas(*state.moments, state.betas, betas)
    state.betas = betas


def apply_pending(state):
    """Apply the pending updates of a state to all rows of W1, in place."""
    if state.pending is not None:
        apply_all_pending(state.rows, state.pending, OPTIMIZERS[state.solver])
        state.pending = None
