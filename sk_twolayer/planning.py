"""From hyper-parameters and validated rows to what training is given: rows, a state, a plan.

"auto" is replaced by numbers, labels become targets, the weights of rows and of classes become
one, rows are held out; and the state is drawn, or taken up from the last call.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_random_state

from sk_twolayer.automatic import Settings, auto_init, computing_dtype, resolve_settings
from sk_twolayer.batches import Data, most_epochs
from sk_twolayer.lazy import keep_columns
from sk_twolayer.missed_updates import MissedUpdates
from sk_twolayer.optimizers import LAZY_SOLVERS
from sk_twolayer.parameters import initialize
from sk_twolayer.resuming import is_under_way, take_up_fit, what_is_left
from sk_twolayer.row_statistics import column_scales
from sk_twolayer.state import TrainingState
from sk_twolayer.streams import chunk_features, take_up_state
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
    targets : LabelTargets or NumericTargets
        What y is to the network.
    settings : Settings
        What "auto" stands for.
    """

    data: Data
    validation: Data | None
    plan: Plan
    state: TrainingState
    features: np.ndarray | None
    dtype: np.dtype
    columns: dict
    targets: object
    settings: Settings

    def most_epochs(self):
        """Return how many epochs there can be."""
        plan, n_rows = self.plan, len(self.data.rows)
        batch_size = n_rows if plan.solver == "lbfgs" else plan.batch_size  # one update each epoch
        limits = plan.max_iter, plan.max_updates
        return most_epochs(n_rows, batch_size, plan.replacement, *limits)


def plan_call(estimator, fitted, X, y, sample_weight, targets, validation, one_pass):
    """Decide all there is to decide before the first update.

    Parameters
    ----------
    estimator : estimator
        Or its draft: knows the hyper-parameters, and the columns of X. Not written to.
    fitted : dict or None
        The fitted attributes to go on from; None trains from new initial weights.
    X, y, sample_weight : ndarray or sparse CSR
        Validated rows.
    targets : LabelTargets or NumericTargets
        What y is to the network.
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
    refuse_lasting_mean(estimator)
    earlier = fitted and fitted["_training_state"]
    dtype = fitted["intercepts_"][0].dtype if fitted else computing_dtype(X)
    # A line search stumbles over the rounding of float32.
    training_dtype = np.dtype(np.float64) if estimator.solver == "lbfgs" else dtype
    rng = draw_generator(estimator.random_state, earlier)
    weights, class_counts = targets.weigh(
        y, sample_weight, estimator, earlier, one_pass, training_dtype
    )
    data = Data(X, targets.encode(y, training_dtype, predicted_in=dtype), weights)
    split_seed = earlier and earlier.split_seed
    if validation is not None:
        X_val, y_val, sample_weight_val = validation
        y_val = targets.encode(y_val, training_dtype, predicted_in=dtype)
        validation = Data(X_val, y_val, sample_weight_val)
    elif estimator.early_stopping:
        split_seed = rng.randint(2**31) if split_seed is None else split_seed
        kept, held_out = hold_out_rows(
            data.rows, targets.strata(y), estimator.validation_fraction, split_seed
        )
        data, validation = replace(data, rows=kept), replace(data, rows=held_out)

    solver, shape = estimator.solver, (X.shape[1], estimator.hidden_size, targets.n_outputs)
    resumes = bool(fitted) and not one_pass and is_under_way(fitted, shape, solver)
    earlier = earlier and replace(earlier, under_way=resumes)
    settings = resolve_settings(estimator, data, targets, validation is not None, earlier, one_pass)
    penalty = 0.0 if solver == "adamw" else settings.alpha
    # Updates on sparse rows touch few rows of W1, and the others may wait.
    lazy, features = solver in LAZY_SOLVERS and issparse(X), None
    if resumes:
        state = take_up_fit(fitted, class_counts, validation is not None, lazy)
    elif fitted:
        if lazy and one_pass:
            features = chunk_features(fitted, solver, penalty, X)
        state = take_up_state(
            fitted, shape, solver, estimator.epsilon, training_dtype, lazy, features
        )
    else:
        state = draw_state(estimator, shape, training_dtype, data, rng)
    if lazy and state.missed is None:
        state.missed = MissedUpdates(shape[0])
    state.initial_rate, state.base_rate = settings.learning_rate, settings.base_rate
    state.first_layer, state.asked_rate = settings.first_layer, settings.asked_rate
    state.class_counts, state.split_seed = class_counts, split_seed
    state.generator, state.position = rng.get_state(), settings.position
    plan = make_plan(
        estimator, settings, shape, targets.output, penalty, one_pass, lazy, features is not None
    )
    if resumes:
        plan = what_is_left(plan, state.n_epochs, len(data.rows))
    if features is not None:
        position = np.empty(X.shape[1], np.int32)
        data = replace(data, X=keep_columns(data.X, features, position))
    names = ("n_features_in_", "feature_names_in_")
    columns = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    return Call(data, validation, plan, state, features, dtype, columns, targets, settings)


def refuse_lasting_mean(estimator):
    """Refuse "adamw" with a mean of the gradient that outlives that of its square."""
    beta_1, beta_2 = estimator.beta_1, estimator.beta_2
    if estimator.solver == "adamw" and beta_1**2 >= beta_2:
        raise ValueError(
            f"beta_1={beta_1} with beta_2={beta_2}: solver='adamw' needs beta_1 < sqrt(beta_2) = "
            f"{beta_2**0.5:.6g}. Else the steps of a weight whose gradient has become zero would "
            f"grow. Try a smaller beta_1, or a larger beta_2."
        )


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


def draw_state(estimator, shape, dtype, data, rng):
    """Return a state with new initial weights."""
    # Before there are parameters and moments, on top of whose memory that of this would come.
    scales = column_scales(data)[:, np.newaxis] if estimator.init == "auto" else 1.0
    state = TrainingState.start(shape, estimator.solver, dtype, estimator.epsilon)
    init = auto_init(estimator.activation) if estimator.init == "auto" else estimator.init
    W1, *rest = state.unpack(state.parameters)
    initialize(W1, *rest, init, rng)
    W1 /= scales
    return state


def make_plan(estimator, settings, shape, output, penalty, one_pass, lazy, some_features):
    """Return how to train."""
    solver = estimator.solver
    # Floats of Python's, as arrays in float32 are multiplied by one of NumPy's in float64.
    adam = {name: float(getattr(estimator, name)) for name in ("beta_1", "beta_2", "epsilon")}
    optimizer_settings = {
        "sgd": {"momentum": float(estimator.momentum), "nesterov": estimator.nesterov},
        "adam": adam,
        "adamw": adam
        | {
            "hidden_size": shape[1],
            "n_outputs": shape[2],
            "decay": settings.alpha,
            "first_layer": settings.first_layer,
        },
        "lbfgs": {},
    }
    limits = {}
    if not one_pass:
        exponential = estimator.learning_rate_schedule == "exponential"
        limits = {
            "max_iter": settings.max_iter,
            "max_updates": settings.max_updates,
            "schedule": settings.schedule,
            "learning_rate_decay": float(estimator.learning_rate_decay) if exponential else 1.0,
            "tol": estimator.tol,
            "n_iter_no_change": settings.n_iter_no_change,
        }
    return Plan(
        solver,
        optimizer_settings[solver],
        {"alpha": penalty, "activation": estimator.activation, "output": output},
        settings.batch_size,
        replacement=estimator.replacement,
        dropout=settings.dropout,
        rows_may_wait=one_pass and lazy,
        some_features=some_features,
        **limits,
    )
