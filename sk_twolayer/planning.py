"""From hyper-parameters and validated rows to what training is given: rows, a state, a plan.

"auto" is replaced by numbers, labels become targets, the weights of rows and of classes become
one, rows are held out; and the state is drawn, or taken up from the last call.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from sk_twolayer.automatic import (
    auto_batch_size,
    auto_init,
    auto_learning_rate,
    computing_dtype,
)
from sk_twolayer.batches import Data, most_epochs
from sk_twolayer.lazy import keep_columns
from sk_twolayer.missed_updates import MissedUpdates
from sk_twolayer.optimizers import OPTIMIZERS
from sk_twolayer.parameters import initialize, unpack
from sk_twolayer.state import TrainingState
from sk_twolayer.streams import chunk_features, take_up_state
from sk_twolayer.targets import count_classes, encode, refuse_single_class, weigh_rows
from sk_twolayer.training import Plan
from sk_twolayer.validation import hold_out_rows


@dataclass
class Call:
    """What one call of `fit` or `partial_fit` trains, and on what.

    Attributes
    ----------
    data, validation : Data
        Rows to train on, and to validate with (or None).
    plan : Plan
        How.
    state : TrainingState
        The call's own, to be moved.
    features : ndarray or None
        Those whose rows the state holds, where a chunk of a stream is trained; None for all.
    dtype : dtype
        Of the parameters to publish.
    columns : dict
        What the estimator is to know of the columns of X.
    """

    data: Data
    validation: Data | None
    plan: Plan
    state: TrainingState
    features: np.ndarray | None
    dtype: np.dtype
    columns: dict

    def most_epochs(self):
        """Return how many epochs there can be."""
        plan, n_rows = self.plan, len(self.data.rows)
        batch_size = n_rows if plan.solver == "lbfgs" else plan.batch_size  # one update each epoch
        limits = plan.max_iter, plan.max_updates
        return most_epochs(n_rows, batch_size, plan.replacement, *limits)


def plan_call(estimator, fitted, X, y, sample_weight, classes, validation, one_pass):
    """Decide all there is to decide before the first update.

    Parameters
    ----------
    estimator : TwoLayerClassifier
        Or its draft: knows the hyper-parameters, and the columns of X. Not written to.
    fitted : dict or None
        The fitted attributes to go on from; None trains from new initial weights.
    X, y, sample_weight : ndarray or sparse CSR
        Validated rows.
    classes : ndarray of shape (n_classes,)
        The labels.
    validation : tuple or None
        Validated X_val, y_val, sample_weight_val.
    one_pass : bool
        Whether this is `partial_fit`.

    Returns
    -------
    call : Call

    Raises
    ------
    ValueError
        If the hyper-parameters do not suit the rows or the network to go on with.
    """
    earlier = fitted and fitted["_training_state"]
    dtype = fitted["intercepts_"][0].dtype if fitted else computing_dtype(X)
    # A line search stumbles over the rounding of float32.
    training_dtype = np.dtype(np.float64) if estimator.solver == "lbfgs" else dtype
    rng = draw_generator(estimator.random_state, earlier)
    data, class_counts = make_data(
        estimator, X, y, sample_weight, classes, training_dtype, earlier, one_pass
    )
    split_seed = earlier and earlier.split_seed
    if validation is not None:
        X_val, y_val, sample_weight_val = validation
        validation = Data(X_val, encode(y_val, classes, training_dtype), sample_weight_val)
    elif estimator.early_stopping:
        split_seed = rng.randint(2**31) if split_seed is None else split_seed
        kept, held_out = hold_out_rows(data.rows, y, estimator.validation_fraction, split_seed)
        data, validation = replace(data, rows=kept), replace(data, rows=held_out)

    output, n_outputs = "softmax", len(classes)
    if data.y.ndim == 2:
        output, n_outputs = "logistic", data.y.shape[1]
    # Updates on sparse rows touch few rows of W1, and the others may wait.
    lazy = estimator.solver == "sgd" and issparse(X)
    shape = (X.shape[1], estimator.hidden_size, n_outputs)
    features = None
    if fitted:
        features = chunk_features(fitted, estimator.solver, X) if lazy and one_pass else None
        state = take_up_state(fitted, shape, estimator.solver, training_dtype, lazy, features)
    else:
        state = draw_state(estimator, shape, training_dtype, rng)
    if lazy and state.missed is None:
        state.missed = MissedUpdates(shape[0])
    plan = make_plan(
        estimator, data, output, one_pass=one_pass, lazy=lazy, some_features=features is not None
    )
    state.initial_rate, state.rate = resolve_rates(estimator, data, plan.batch_size, earlier)
    state.asked_rate, state.class_counts = estimator.learning_rate, class_counts
    state.split_seed, state.generator = split_seed, rng.get_state()
    if features is not None:
        position = np.empty(X.shape[1], np.int32)
        data = replace(data, X=keep_columns(data.X, features, position))
    names = ("n_features_in_", "feature_names_in_")
    columns = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    return Call(data, validation, plan, state, features, dtype, columns)


def draw_generator(random_state, earlier):
    """Return a generator of the call's own, as the one of the user or of the last call stands."""
    rng = np.random.RandomState()
    if isinstance(random_state, np.random.RandomState):
        rng.set_state(random_state.get_state())
    elif earlier and earlier.generator is not None:
        rng.set_state(earlier.generator)
    elif random_state is None:  # NumPy's global one seeds it, as threads may share that
        rng.seed(check_random_state(None).randint(2**32, size=8, dtype=np.uint32))
    else:
        rng.seed(random_state)
    return rng


def make_data(estimator, X, y, sample_weight, classes, dtype, earlier, one_pass):
    """Return the rows to train on, and the weight of each class in them and in earlier chunks."""
    class_counts = None
    if y.ndim == 1:
        class_counts = count_classes(y, classes, sample_weight)
        if one_pass and earlier and earlier.class_counts is not None:
            class_counts = class_counts + earlier.class_counts
    class_weight = estimator.class_weight
    weights = weigh_rows(
        y, classes, sample_weight, class_weight, class_counts, all_named=one_pass, dtype=dtype
    )
    if not one_pass:
        refuse_single_class(y, classes, weights)
    return Data(X, encode(y, classes, dtype), weights), class_counts


def draw_state(estimator, shape, dtype, rng):
    """Return a state with new initial weights."""
    solver, init = estimator.solver, estimator.init
    n_moments = OPTIMIZERS[solver].n_moments if solver in OPTIMIZERS else 0
    state = TrainingState.zeros(shape, solver, n_moments, dtype)
    if init == "auto":
        init = auto_init(estimator.activation)
    initialize(*unpack(state.parameters, *shape), init, rng)
    return state


def make_plan(estimator, data, output, *, one_pass, lazy, some_features):
    """Return how to train, with numbers in place of "auto"."""
    solver, batch_size = estimator.solver, estimator.batch_size
    if batch_size == "auto" or solver == "lbfgs":
        batch_size = auto_batch_size(solver, data)
    if not estimator.replacement:
        batch_size = min(batch_size, len(data.rows))
    optimizer_settings = {
        "sgd": {"momentum": estimator.momentum, "nesterov": estimator.nesterov},
        "adam": {
            "beta_1": estimator.beta_1,
            "beta_2": estimator.beta_2,
            "epsilon": estimator.epsilon,
        },
        "lbfgs": {},
    }
    limits = {}
    if not one_pass:
        limits = {
            "max_iter": estimator.max_iter,
            "max_updates": estimator.max_updates,
            "learning_rate_decay": estimator.learning_rate_decay,
            "tol": estimator.tol,
            # L-BFGS has a criterion of its own, and may creep along a valley for a while.
            "n_iter_no_change": estimator.n_iter_no_change,
        }
    return Plan(
        solver,
        optimizer_settings[solver],
        {"alpha": estimator.alpha, "activation": estimator.activation, "output": output},
        batch_size,
        replacement=estimator.replacement,
        dropout=estimator.dropout,
        rows_may_wait=one_pass and lazy,
        some_features=some_features,
        **limits,
    )


def resolve_rates(estimator, data, batch_size, earlier):
    """Return the initial step size, and the one to go on with."""
    solver, asked = estimator.solver, estimator.learning_rate
    if solver == "lbfgs":
        return None, None
    if earlier and earlier.solver == solver and earlier.asked_rate == asked:
        # One that has decayed goes on, unless the user has chosen another one.
        return earlier.initial_rate, earlier.rate
    rate = auto_learning_rate(solver, data, batch_size) if asked == "auto" else asked
    return rate, rate
