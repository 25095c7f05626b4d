"""What "auto" stands for, and the dtype to compute in: numbers that benchmarks chose."""

from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np
from scipy.sparse import issparse

from sk_twolayer.batches import updates_per_epoch
from sk_twolayer.row_statistics import (
    has_rare_features,
    mean_absolute_sum,
    mean_squared_length,
    relative_deviation,
)
from sk_twolayer.schedules import Schedule


def computing_dtype(X):
    """Return float32 where it holds every value of X exactly by its dtype, else float64."""
    narrow = X.dtype == np.float32 or (X.dtype.kind in "iub" and X.dtype.itemsize <= 2)
    return np.dtype(np.float32 if narrow else np.float64)


def auto_init(activation):
    """Return the initialization of the weights: the one made for the activation."""
    return "he" if activation == "relu" else "glorot"


def auto_batch_size(solver, data, one_pass, rare):
    """Return the rows of a batch.

    A twentieth of them, but from 64 to 100, for "adamw"; a tenth, but from 32 to 200, for "adam"
    and "sgd". Where features are rare, "adamw" takes a tenth as well, from 64 to 200. It is a
    fiftieth, within the same bounds, where that costs little: the updates on sparse rows cost what
    the rows cost, in whatever batches, as long as a batch leaves out many features. In
    `partial_fit` it is a fiftieth for "adamw", from 32 to 200, as each row is seen once. For
    "lbfgs", all batches make one gradient, and their size only bounds the memory.
    """
    X, n_rows = data.X, len(data.rows)
    if solver == "lbfgs":
        return min(1000, n_rows)
    if solver == "adamw" and not (one_pass or rare):
        return min(max(n_rows // 20, 64), 100)
    least = 64 if solver == "adamw" and not one_pass else 32
    smaller = min(max(n_rows // 50, least), 200)
    if solver == "sgd" and issparse(X) and smaller * X.nnz < X.shape[0] * X.shape[1]:
        return smaller
    if solver == "adamw" and (one_pass or issparse(X)):
        return smaller
    return min(max(n_rows // 10, least), 200)


def auto_max_iter(solver, output, n_updates, rare):
    """Return the epochs to plan, for a number of updates in each.

    20, or as many as make 400 updates, or 300 for a regressor; for "adamw" on rare features, which
    are soon known by heart, 6, or as many as make 140.
    """
    if solver == "lbfgs":
        return 200
    if rare:
        return max(6, ceil(140 / n_updates))
    return max(20, ceil((300 if output == "identity" else 400) / n_updates))


def auto_dropout(solver, output, one_pass, rare):
    """Return the share of the hidden units that is dropped.

    A half where "adamw" trains on rare features, many of which tell a class by chance alone; not in
    `partial_fit`, where every row is new. Elsewhere the decay of "adamw" does as much in less time;
    "adam" and "sgd" drop a tenth. "lbfgs" has none, and neither has a regressor: its predictions
    are sums over all units, to which those that are dropped are an error.
    """
    if solver == "lbfgs" or output == "identity":
        return 0.0
    if solver == "adamw":
        return 0.5 if rare and not one_pass else 0.0
    return 0.1


def auto_alpha(solver, targets, data, one_pass, rare):
    """Return the strength of the penalty, or of the decay.

    1e-3; for "adamw" 2,000 over the rows and over the classes, but at most 5 over the classes, or 1
    if that is more; for a regressor 400 over the rows, at most 1.5. It is less where weights have
    to be large. Where rows are more than 7 times the square of the features, they alone keep the
    network from fitting noise, and decay from curves that a few features allow: as many times less
    as rows are more. And a feature that varies little around a mean far from 0 tells classes apart
    through large weights alone: less by the mean `relative_deviation`; not where features are rare,
    whose means are close to 0, and not for a regressor, whose R2 it hardly changed.

    There is no decay in `partial_fit`: a stream knows no number of rows, and decay at every update
    would let it forget what occurs seldom.
    """
    if solver != "adamw":
        return 1e-3
    if one_pass:
        return 0.0
    n_rows, n_features = len(data.rows), data.X.shape[1]
    few_features = min(1.0, 7 * n_features**2 / n_rows)
    if targets.output == "identity":
        return min(400 / n_rows, 1.5) * few_features
    n_classes = 2 if targets.output == "logistic" else targets.n_outputs
    decay = min(2000 / (n_classes * n_rows), max(5 / n_classes, 1.0)) * few_features
    return decay if rare else decay * relative_deviation(data)


def auto_learning_rates(solver, data, batch_size, one_pass, rare, adamw_rate=0.03):
    """Return the learning rate that "auto" stands for, and its factor for W1.

    A step of "adam" or "adamw" moves each weight by about the rate, so that the input of a hidden
    unit moves by about the rate times the sum of the absolute values in a row. So the rate of W1
    is at most 1 over the mean of that sum: it is steady for standardised columns, raw ones and
    counts alike. "adamw" has a rate of its own for W1, 0.03 or that bound, and 0.03 for the rest
    (0.06, if `adamw_rate` says so, for a regressor); "adam" has one for all, 0.02 or that bound.
    In `partial_fit` they are a third of that, as it knows no end for which to let the rate fall.

    A feature that occurs in few batches moves by several times the rate for each of them, as its
    running mean goes on after it, and no other gradient takes any of that back. So where features
    are rare, the rate of W1 is 0.006 at most for "adamw", in `partial_fit` as well.

    The gradient of "sgd" grows with the square of the inputs, so that long rows need small
    steps: its rate is 0.1, but at most 30 over the mean squared length of the rows. Where rows
    are about as short as TF-IDF makes them, it is ``sqrt(batch_size) / 32`` over that mean, or
    over 1: as the noise of a batch falls with the root of its size, larger batches allow larger
    steps.
    """
    if solver == "lbfgs":
        return None, 1.0
    if solver == "sgd":
        mean_length = max(mean_squared_length(data), 1)
        short = sqrt(batch_size) / 32
        return float(min(max(0.1, short / mean_length), 30 / mean_length)), 1.0
    bound, share = 1 / max(float(mean_absolute_sum(data)), 1e-300), 1 / 3 if one_pass else 1.0
    if solver == "adam":
        return share * min(0.02, bound), 1.0
    most_of_rare = 0.006 / (share * adamw_rate)
    return share * adamw_rate, min(1.0, bound / adamw_rate, most_of_rare if rare else 1.0)


def squared_loss_rate(data, hidden_size, n_outputs):
    """Return the learning rate of "sgd" for the squared loss, whose curvature has no bound.

    A step of Nesterov's momentum of 0.9 is stable below 1.4 over the largest second derivative.
    With the initial weights of "auto" these add up, for a row, to at most about `hidden_size` in
    W2 and twice its squared length times `n_outputs` in W1. The rate is 1 over the mean of that,
    and 0.1 at most.
    """
    mean_length = min(mean_squared_length(data), 1e300)
    return float(min(0.1, 1 / (hidden_size + 2 * n_outputs * mean_length)))


@dataclass(frozen=True)
class Settings:
    """The numbers that hyper-parameters stand for, given the rows.

    Attributes
    ----------
    batch_size, max_iter : int
    max_updates, n_iter_no_change : int or None
    alpha, dropout : float
    learning_rate, base_rate : float or None
        The initial step size, and the one to go on with.
    first_layer : float
        Their factor for W1.
    schedule : Schedule
    position : int
        Updates of its plan that have been made.
    asked_rate : float or str
        What the rates followed from.
    """

    batch_size: int
    max_iter: int
    max_updates: int | None
    n_iter_no_change: int | None
    alpha: float
    dropout: float
    learning_rate: float | None
    base_rate: float | None
    first_layer: float
    schedule: Schedule
    position: int
    asked_rate: float | str

    @property
    def learning_rate_W1(self):
        """The initial step size of W1."""
        return self.learning_rate and self.learning_rate * self.first_layer


def resolve_settings(estimator, data, targets, validates, earlier, one_pass):
    """Replace "auto" by numbers.

    Parameters
    ----------
    estimator : estimator
        Whose hyper-parameters are read.
    data : Data
        The rows to train on.
    targets : LabelTargets or NumericTargets
        What y is to the network.
    validates : bool
        Whether there are rows to validate with.
    earlier : TrainingState or None
        What is gone on from.
    one_pass : bool
        Whether this is `partial_fit`.

    Returns
    -------
    settings : Settings
    """
    solver, n_rows = estimator.solver, len(data.rows)
    batch_size, alpha, dropout = estimator.batch_size, estimator.alpha, estimator.dropout
    rare = solver == "adamw" and has_rare_features(data)
    if batch_size == "auto" or solver == "lbfgs":
        batch_size = auto_batch_size(solver, data, one_pass, rare)
    if not estimator.replacement:
        batch_size = min(batch_size, n_rows)
    if alpha == "auto":
        alpha = auto_alpha(solver, targets, data, one_pass, rare)
    if dropout == "auto":
        dropout = auto_dropout(solver, targets.output, one_pass, rare)

    n_updates = (
        1 if solver == "lbfgs" else updates_per_epoch(n_rows, batch_size, estimator.replacement)
    )
    max_iter, max_updates = estimator.max_iter, estimator.max_updates
    if max_iter == "auto":
        max_iter = auto_max_iter(solver, targets.output, n_updates, rare)
    planned = min(max_iter * n_updates, max_updates or inf)
    kind, position = estimator.learning_rate_schedule, 0
    if earlier and earlier.solver == solver:
        position = earlier.position
        if kind == "cosine" and not one_pass:
            begun = position - earlier.n_epochs * n_updates if earlier.under_way else position
            if begun >= planned:  # the plan has been carried out, and the next one begins
                position = 0
            elif begun:
                max_updates = planned - begun
    schedule = Schedule(kind, planned, estimator.warmup_fraction)

    n_iter_no_change = estimator.n_iter_no_change
    if n_iter_no_change == "auto":
        # A plan that lets the rate fall is best carried out: the last epochs gain most.
        n_iter_no_change = None if kind == "cosine" and solver != "lbfgs" else 10
    if solver == "lbfgs" and not validates:
        # L-BFGS has a criterion of its own, and may creep along a valley for a while.
        n_iter_no_change = None
    asked_rate = estimator.learning_rate
    if asked_rate == "auto" and one_pass and solver in ("adam", "adamw"):
        asked_rate = "auto, for a stream"  # another one than that of a plan
    rates = resolve_rates(estimator, asked_rate, data, targets, batch_size, earlier, one_pass, rare)
    return Settings(
        batch_size,
        max_iter,
        max_updates,
        n_iter_no_change,
        float(alpha),
        dropout,
        *rates,
        schedule,
        position,
        asked_rate,
    )


def resolve_rates(estimator, asked, data, targets, batch_size, earlier, one_pass, rare):
    """Return the initial step size, the one to go on with, and their factor for W1."""
    solver = estimator.solver
    if earlier and earlier.solver == solver and earlier.asked_rate == asked and solver != "lbfgs":
        # One that has decayed goes on, unless the user has chosen another one.
        return earlier.initial_rate, earlier.base_rate, earlier.first_layer
    if solver != "lbfgs" and not isinstance(asked, str):
        return float(asked), float(asked), 1.0
    if solver == "sgd" and targets.output == "identity":
        rate = squared_loss_rate(data, estimator.hidden_size, targets.n_outputs)
        return rate, rate, 1.0
    adamw_rate = 0.06 if targets.output == "identity" else 0.03
    rates = auto_learning_rates(solver, data, batch_size, one_pass, rare, adamw_rate)
    return rates[0], *rates
