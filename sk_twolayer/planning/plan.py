"""The plan of a call: everything that is decided before the first update.

"auto" becomes a number, labels become targets, weights of samples and classes become one, samples
are held out, and the state is drawn or continued.
"""

from dataclasses import dataclass, field
from math import ceil, inf

import numpy as np
from sklearn.utils import check_random_state

from sk_twolayer.data import (
    ClassTargets,
    Data,
    RegressionTargets,
    computing_dtype,
    hold_out,
    updates_per_epoch,
)
from sk_twolayer.optimizers import Schedule
from sk_twolayer.planning.auto import AutoRules
from sk_twolayer.planning.starting_state import add_state, set_learning_rate
from sk_twolayer.planning.stream_start import StreamStart
from sk_twolayer.planning.warm_start import remaining_limits
from sk_twolayer.training.state import TrainingState


@dataclass
class Plan:
    """A call of `fit` or `partial_fit`: the data, the state and every number.

    Attributes
    ----------
    solver : {"adamw", "adam", "sgd", "lbfgs"}
    data, validation : Data
        The training samples, and the validation samples or None.
    state : TrainingState
        Moved by the training.
    network_settings : dict
        Keyword arguments of the network: `alpha`, `activation`, `output`.
    optimizer_settings : dict
        Keyword arguments of the optimizer.
    batch_size : int
        Samples in a batch.
    replacement : bool, default=False
        Draw every batch with replacement instead of shuffling the samples.
    dropout : float, default=0.0
        Probability that a sample drops a hidden unit.
    max_iter : int, default=1
        Most epochs.
    max_updates : int, default=None
        Most updates, even inside an epoch.
    schedule : Schedule, default=Schedule()
        Factor of the learning rate at each update.
    learning_rate_decay : float, default=1.0
        Factor of the learning rate after each epoch.
    tol, n_iter_no_change : float, int or None
        Stop after so many epochs in a row without an improvement of `tol`; None never stops.
    one_pass : bool, default=False
        Whether this is `partial_fit`.
    resumed : bool, default=False
        Whether this resumes an interrupted fit.
    keeps_pending : bool, default=False
        Whether updates may be pending at the end, as between chunks of a stream.
    features : ndarray or None
        The features whose rows of W1 the state holds, for a chunk of a stream; None for all.
    targets : ClassTargets or RegressionTargets
        The targets of the network.
    dtype : dtype
        Of the parameters to publish.
    attributes : dict
        Fitted attributes that are known before the training.
    """

    solver: str
    data: Data | None = None
    validation: Data | None = None
    state: TrainingState | None = None
    network_settings: dict = field(default_factory=dict)
    optimizer_settings: dict = field(default_factory=dict)
    batch_size: int = 1
    replacement: bool = False
    dropout: float = 0.0
    max_iter: int = 1
    max_updates: int | None = None
    schedule: Schedule = field(default_factory=Schedule)
    learning_rate_decay: float = 1.0
    tol: float = 0.0
    n_iter_no_change: int | None = None
    one_pass: bool = False
    resumed: bool = False
    keeps_pending: bool = False
    features: np.ndarray | None = None
    targets: ClassTargets | RegressionTargets | None = None
    dtype: np.dtype | None = None
    attributes: dict = field(default_factory=dict)

    @property
    def training_dtype(self):
        """The dtype of the training: a line search fails on the rounding of float32."""
        return np.dtype(np.float64) if self.solver == "lbfgs" else self.dtype

    def most_epochs(self):
        """Return the most epochs that the limits on epochs and updates allow."""
        if self.max_updates is None:
            return self.max_iter
        return min(self.max_iter, ceil(self.max_updates / self.updates_per_epoch()))

    def updates_per_epoch(self):
        """Return the number of updates in an epoch: one iteration for "lbfgs"."""
        if self.solver == "lbfgs":
            return 1
        return updates_per_epoch(len(self.data.indices), self.batch_size, self.replacement)


def make_plan(estimator, fitted, samples, targets, validation, one_pass):
    """Decide everything before the first update.

    Parameters
    ----------
    estimator : estimator
        Or its draft: knows the hyper-parameters and the columns of X. Not written to.
    fitted : dict or None
        The fitted attributes to continue from; None trains from new initial weights.
    samples : tuple of X, y and sample_weight
        Validated.
    targets : ClassTargets or RegressionTargets
        The targets of the network.
    validation : tuple of X_val, y_val and sample_weight_val, or None
        Validated.
    one_pass : bool
        True in `partial_fit`.

    Returns
    -------
    plan : Plan

    Raises
    ------
    ValueError
        If the hyper-parameters do not suit each other, the samples or the network to continue.
    """
    refuse_combinations(estimator)
    earlier = fitted and fitted["_training_state"]
    dtype = fitted["intercepts_"][0].dtype if fitted else computing_dtype(samples[0])
    rng = draw_generator(estimator.random_state, earlier)
    start = None
    regresses = isinstance(targets, RegressionTargets)
    if one_pass and (regresses or "auto" in (estimator.init, estimator.learning_rate)):
        start = StreamStart.of(fitted)
    if start and regresses:
        targets = start.add_targets(targets, *samples[1:])
    plan = Plan(estimator.solver, targets=targets, dtype=dtype, one_pass=one_pass)
    class_counts, split_seed = add_data(plan, estimator, samples, validation, earlier, rng)
    rules = AutoRules(estimator, plan.data, targets, one_pass, start and start.totals)
    add_numbers(plan, estimator, rules)
    add_state(plan, estimator, fitted, class_counts, rules, rng, start)
    plan.state.class_counts, plan.state.split_seed = class_counts, split_seed
    plan.state.generator = rng.get_state()
    set_learning_rate(plan.state, estimator, rules, plan.batch_size, start)
    over = start is None or start.is_over(rules.summary)
    plan.state.stream_start = None if over else start.as_dict(rules.summary.totals)
    add_optimizer_settings(plan, estimator)
    if not one_pass:
        add_limits(plan, estimator)
    return plan


def refuse_combinations(estimator):
    """Refuse hyper-parameters that exclude each other."""
    if estimator.solver == "lbfgs" and estimator.dropout not in ("auto", 0):
        raise ValueError(
            f"dropout={estimator.dropout} makes the loss a random number, which the line search "
            f"of solver='lbfgs' cannot follow. Use 'adamw', 'adam' or 'sgd', or dropout=0."
        )
    beta_1, beta_2 = estimator.beta_1, estimator.beta_2
    if estimator.solver == "adamw" and beta_1**2 >= beta_2:
        raise ValueError(
            f"beta_1={beta_1} with beta_2={beta_2}: solver='adamw' needs beta_1 < sqrt(beta_2) = "
            f"{beta_2**0.5:.6g}. Otherwise the steps of a weight whose gradient has become zero "
            f"would grow. Try a smaller beta_1, or a larger beta_2."
        )


def draw_generator(random_state, earlier):
    """Return a generator of the call's own, in the state of the user's or of the last call's."""
    rng = np.random.RandomState()
    if isinstance(random_state, np.random.RandomState):
        rng.set_state(random_state.get_state())
    elif earlier and earlier.generator is not None:
        rng.set_state(earlier.generator)
    elif random_state is None:  # NumPy's global generator seeds it, as threads may share that
        rng.seed(check_random_state(None).randint(2**32, size=8, dtype=np.uint32))
    else:
        rng.seed(random_state)
    return rng


def add_data(plan, estimator, samples, validation, earlier, rng):
    """Encode and weigh the samples, and hold some out if asked to.

    Returns
    -------
    class_counts : ndarray of shape (n_classes,) or None
        Weight of each class in these samples, and in earlier chunks of a stream.
    split_seed : int or None
        Seed of the split into training and validation samples.
    """
    X, y, sample_weight = samples
    targets, dtype = plan.targets, plan.training_dtype
    counted = None
    if plan.one_pass:
        counted = 0 if earlier is None or earlier.class_counts is None else earlier.class_counts
    class_weight = getattr(estimator, "class_weight", None)  # a regressor has none
    weights, class_counts = targets.weigh(y, sample_weight, class_weight, counted, dtype)
    plan.data = Data(X, targets.encode(y, dtype, predicted_in=plan.dtype), weights)
    split_seed = earlier and earlier.split_seed
    if validation is not None:
        X, y, weights = validation
        plan.validation = Data(X, targets.encode(y, dtype, predicted_in=plan.dtype), weights)
    elif estimator.early_stopping:
        split_seed = rng.randint(2**31) if split_seed is None else split_seed
        fraction = estimator.validation_fraction
        plan.data, plan.validation = hold_out(plan.data, targets.strata(y), fraction, split_seed)
    return class_counts, split_seed


def add_numbers(plan, estimator, rules):
    """Put numbers in place of "auto", and into the attributes that publish them."""
    solver, batch_size, max_iter = plan.solver, estimator.batch_size, estimator.max_iter
    plan.replacement = estimator.replacement
    if batch_size == "auto" or solver == "lbfgs":
        batch_size = rules.batch_size()
    plan.batch_size = batch_size if plan.replacement else min(batch_size, len(plan.data.indices))
    plan.dropout = rules.dropout() if estimator.dropout == "auto" else estimator.dropout
    alpha = float(rules.alpha() if estimator.alpha == "auto" else estimator.alpha)
    plan.network_settings = {
        "alpha": 0.0 if solver == "adamw" else alpha,  # it decays weights outside of the loss
        "activation": estimator.activation,
        "output": plan.targets.network_output,
    }
    plan.attributes = {
        "alpha_": alpha,
        "batch_size_": plan.batch_size,
        "dropout_": plan.dropout,
        "max_iter_": rules.max_iter(plan.updates_per_epoch()) if max_iter == "auto" else max_iter,
    }
    for name in ("n_features_in_", "feature_names_in_"):
        if name in vars(estimator):
            plan.attributes[name] = vars(estimator)[name]


def add_optimizer_settings(plan, estimator):
    """Add the keyword arguments of the optimizer.

    They are Python's floats: a product of a float32 array with NumPy's float64 is a float64 array.
    """
    if plan.solver == "sgd":
        momentum = float(estimator.momentum)
        plan.optimizer_settings = {"momentum": momentum, "nesterov": estimator.nesterov}
    elif plan.solver != "lbfgs":
        plan.optimizer_settings = {
            "beta_1": float(estimator.beta_1),
            "beta_2": float(estimator.beta_2),
            "epsilon": float(estimator.epsilon),
        }
    if plan.solver == "adamw":
        plan.optimizer_settings |= {
            "hidden_size": estimator.hidden_size,
            "n_outputs": plan.targets.n_outputs,
            "decay": plan.attributes["alpha_"],
            "first_layer": plan.state.first_layer,
        }


def add_limits(plan, estimator):
    """Add the limits and the schedule of a fit; a warm start may be within a schedule."""
    state, kind = plan.state, estimator.learning_rate_schedule
    plan.max_iter, plan.max_updates = plan.attributes["max_iter_"], estimator.max_updates
    n_updates = plan.updates_per_epoch()
    planned = min(plan.max_iter * n_updates, plan.max_updates or inf)
    plan.schedule = Schedule(kind, planned, estimator.warmup_fraction)
    if kind == "cosine":
        begun = state.position - (state.n_epochs * n_updates if plan.resumed else 0)
        if begun >= planned:  # the schedule has been completed, and the next one begins
            state.position = 0
        elif begun:
            plan.max_updates = planned - begun
    if kind == "exponential":
        plan.learning_rate_decay = float(estimator.learning_rate_decay)
    plan.tol, plan.n_iter_no_change = estimator.tol, estimator.n_iter_no_change
    if plan.n_iter_no_change == "auto":
        # A schedule that lets the rate fall to zero should be completed.
        plan.n_iter_no_change = None if kind == "cosine" and plan.solver != "lbfgs" else 10
    if plan.solver == "lbfgs" and plan.validation is None:
        plan.n_iter_no_change = None  # L-BFGS has a criterion of its own, and may pause for a while
    if plan.resumed:
        plan.max_iter, plan.max_updates = remaining_limits(plan)
