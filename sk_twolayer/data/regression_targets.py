"""Targets of a regressor, standardised for training and brought back for predictions.

A network whose weights start small predicts numbers about 0, and its learning rates are made for
errors of about 1. So each target is brought to mean 0 and variance 1 before the training. For the
absolute error and the pinball loss, the median or quantile takes the place of the mean, and a
distance from it that outliers do not change takes the place of the deviation. For the Poisson loss
a target is divided by its mean: the network predicts its logarithm, which is about 0. Mean and
scale belong to the network: a warm start and later chunks of a stream keep them. The first chunks
of a stream measure them anew, as long as its samples are few.
"""

from functools import partial

import numpy as np
from scipy.sparse import issparse
from scipy.special import xlogy
from sklearn.utils.validation import column_or_1d

from sk_twolayer.data.misfits import find_misfit
from sk_twolayer.data.validation import refuse_overflow
from sk_twolayer.data.weights import cast_weights


def check_numbers(y):
    """Return y as a float64 vector, or as a matrix if there are several targets."""
    y = y.toarray() if issparse(y) else np.asarray(y)
    try:
        if y.dtype.kind not in "fiubO":
            raise TypeError(y.dtype)
        with np.errstate(over="ignore"):
            y = y.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"y must hold real numbers, and holds {find_misfit(y)[0] or y.dtype}. Convert strings "
            f"of digits with y.astype(float), and dates by dividing by a unit; for labels there is "
            f"TwoLayerClassifier."
        ) from error
    if not np.isfinite(y).all():
        raise ValueError(
            "y contains NaN, infinity or a value too large for float64, which the network could "
            "never predict. Leave such samples out."
        )
    return column_or_1d(y, warn=True) if y.ndim == 1 or y.shape[1] == 1 else y


# Each function returns, for the columns of y, the constant prediction of least loss, a scale, and
# the mean loss of the constant in units of the scale, or nan where the scale is 0.


def measure_squares(y, weights):
    """Return the weighted mean and standard deviation, and half the variance of 1."""
    mean = np.average(y, axis=0, weights=weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))
    return mean, deviation, np.full_like(mean, 0.5)


def measure_pinball(y, weights, quantile, factor=1.0):
    """Return a weighted quantile, the mean distance of the nearest 90 % from it, and its loss.

    If 90 % are equal to the quantile, all distances count.
    """
    weights = np.ones(len(y)) if weights is None else weights
    quantile_of = partial(np.quantile, axis=0, weights=weights, method="inverted_cdf")
    center = quantile_of(y, quantile)
    distances = np.abs(y - center)
    most = (1 + 1e-9) * quantile_of(distances, 0.9)  # equal distances differ by rounding
    near = weights[:, np.newaxis] * (distances <= most)
    distance = (near * distances).sum(axis=0) / near.sum(axis=0)
    distance = np.where(distance > 0, distance, np.average(distances, 0, weights))
    losses = factor * np.where(y > center, quantile, 1 - quantile) * distances
    with np.errstate(invalid="ignore"):
        return center, distance, np.average(losses, 0, weights) / distance


def measure_deviance(y, weights):
    """Return the weighted mean, twice, and half the mean Poisson deviance from a mean of 1."""
    mean = np.average(y, axis=0, weights=weights)
    ratios = y / mean
    return mean, mean, np.average(xlogy(ratios, ratios), axis=0, weights=weights)


MEASURES = {
    "squared_error": measure_squares,
    "absolute_error": partial(measure_pinball, quantile=0.5, factor=2.0),
    "quantile": measure_pinball,
    "poisson": measure_deviance,
}


def refuse_negative(y):
    """Raise a ValueError if the Poisson loss has no meaning for y."""
    if y.min() < 0:
        raise ValueError(
            f"loss='poisson' requires non-negative y and sum(y) > 0, and y holds {y.min():g}. It "
            f"is the loss of counts and rates, whose logarithm the network predicts. Choose "
            f"another loss for targets of both signs."
        )


def describe(loss):
    """Return the hyper-parameters that chose a loss."""
    name, quantile = loss
    return f"loss={name!r}" + ("" if quantile is None else f" and quantile={quantile:g}")


class RegressionTargets:
    """Continuous targets, each with the mean and scale that standardise it.

    Parameters
    ----------
    mean : ndarray of shape (n_targets,)
        The constant prediction of least loss: the mean, or the median or quantile.
    scale : ndarray of shape (n_targets,)
        A target is trained on as ``(y - mean) / scale``, or for "poisson" as ``y / scale``.
    loss : tuple of str and float or None, default=("squared_error", None)
        The name of the loss, and the quantile for "quantile".
    least : ndarray of shape (n_targets,), default=None
        Mean loss of the constant prediction, on the scale of the training. Not used for
        "squared_error", where it is 0.5.
    largest : ndarray of shape (n_targets,), default=None
        The largest value of each target, on the scale of the training. Only for "poisson".

    Attributes
    ----------
    output : {"identity", "exp"}
        Turns the scores of the network into standardised predictions.
    n_outputs : int
        One for each target.
    score_name : {"R2", "D2"}
        Of the network's own score: the share of the loss of the constant that is explained.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data import RegressionTargets
    >>> targets = RegressionTargets.measure(np.array([10.0, 30.0]))
    >>> targets.mean, targets.scale
    (array([20.]), array([10.]))
    >>> targets.decode(np.array([[-1.0], [1.0]]))
    array([10., 30.])
    """

    check_form = staticmethod(check_numbers)

    def __init__(self, mean, scale, loss=("squared_error", None), least=None, largest=None):
        self.mean, self.scale, self.n_outputs = mean, scale, len(mean)
        self.loss, self.least, self.largest = loss, least, largest
        self.output = "exp" if loss[0] == "poisson" else "identity"
        self.score_name = "R2" if loss[0] == "squared_error" else "D2"

    @classmethod
    def of(cls, estimator):
        """Return the targets that an estimator was fitted on."""
        return cls(estimator.y_mean_, estimator.y_scale_, *estimator._fitted_loss)

    @property
    def network_output(self):
        """The output layer of the network: its name, and the parameters of its loss."""
        name, quantile = self.loss
        return {
            "squared_error": "identity",
            "absolute_error": (name, {"least": self.least}),
            "quantile": (name, {"quantile": quantile, "least": self.least}),
            "poisson": ("exp", {"least": self.least, "largest": self.largest}),
        }[name]

    @classmethod
    def measure(cls, y, sample_weight=None, loss=("squared_error", None)):
        """Return targets with the weighted mean and standard deviation of y, or as the loss asks.

        The scale of a constant target is its absolute value, or 1. So a stream whose first chunk
        says nothing about the scale has one of about the right size. scikit-learn's StandardScaler
        squares the entries as they are, and overflows where this does not.

        Raises
        ------
        ValueError
            If the range of a target is more than float64 holds, or if y is negative or all zero for
            "poisson".
        """
        name, quantile = loss
        if name == "poisson":
            refuse_negative(y)
        Y = y.reshape(len(y), -1)
        if sample_weight is not None:
            counts = sample_weight > 0
            Y, sample_weight = Y[counts], cast_weights(sample_weight[counts], np.float64)
        first = Y[0]
        origin = np.zeros_like(first) if name == "poisson" else first
        with np.errstate(over="ignore"):
            around = Y - origin  # exactly zero where a target is constant
        unit = np.abs(around).max(axis=0)
        if not np.isfinite(unit).all():
            raise ValueError(
                f"y holds values from {Y.min():g} to {Y.max():g}, whose difference is more than "
                f"float64 holds. Divide y, for example by its largest absolute value."
            )
        if name == "poisson" and not unit.all():
            raise ValueError(
                "loss='poisson' requires non-negative y and sum(y) > 0, and y is zero in all "
                "samples of a weight above zero. Leave such a target out; the first chunk of a "
                "stream must hold a positive value."
            )
        unit = np.where(unit > 0, unit, 1)
        shares = around / unit
        options = {} if quantile is None else {"quantile": quantile}
        center, scale, least = MEASURES[name](shares, sample_weight, **options)
        mean, scale = origin + unit * center, unit * scale
        constant = np.where(first == 0, 1, np.abs(first))
        scale = np.where(scale > 0, scale, constant)  # it may vanish
        least = np.where(least > 0, least, 1)
        return cls(mean, scale, loss, least, Y.max(axis=0) / scale if name == "poisson" else None)

    @classmethod
    def resolve(cls, known, y, sample_weight, loss=("squared_error", None)):
        """Return the targets of y; `known` are the targets of a network that is trained further."""
        if known is None:
            return cls.measure(y, sample_weight, loss)
        if known.loss != loss:
            raise ValueError(
                f"{describe(loss)}, but the network to continue from was trained with "
                f"{describe(known.loss)}, and its scores are in units of that loss. Set it back, "
                f"or fit anew with warm_start=False."
            )
        known.check(y)
        return known

    def measured_again(self, y, sample_weight):
        """Return the targets of more samples, for the same loss."""
        return self.measure(y, sample_weight, self.loss)

    def attributes(self):
        """Return the fitted attributes of an estimator that describe its targets."""
        loss = self.loss, self.least, self.largest
        return {"y_mean_": self.mean, "y_scale_": self.scale, "_fitted_loss": loss}

    def check(self, y):
        """Refuse another number of targets, and values that the loss does not allow."""
        if self.loss[0] == "poisson":
            refuse_negative(y)
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if n_targets != self.n_outputs:
            raise ValueError(
                f"y has {n_targets} targets, but the network is trained on {self.n_outputs}. Each "
                f"is an output of the network, whose outputs cannot change: pass as many, or fit "
                f"a new estimator."
            )

    def strata(self, y):
        """Return None: held-out samples are drawn from all alike."""

    def weigh(self, y, sample_weight, class_weight, counted, dtype):
        """Return the weights of the samples, or None; and None for class counts."""
        return None if sample_weight is None else cast_weights(sample_weight, dtype), None

    def encode(self, y, dtype, predicted_in=None):
        """Standardise y, in an array of shape (n_samples, n_targets).

        Values must also fit into the dtype of the predictions, if it is another one.
        """
        refuse_overflow(y, predicted_in or dtype, "y")  # no prediction could reach it
        with np.errstate(over="ignore"):  # on the way to a divergence, which is an error
            origin = 0 if self.output == "exp" else self.mean
            return ((y.reshape(len(y), -1) - origin) / self.scale).astype(dtype)

    def decode(self, scores):
        """Turn scores into predictions; a vector if there is one target.

        They have the dtype of the scores, or float64 if float32 would round a target around its
        mean by more than a tenth of its scale. Exponentials are never zero.
        """
        with np.errstate(over="ignore"):
            if self.output == "exp":
                smallest = np.finfo(scores.dtype).tiny
                y = np.maximum(np.exp(scores + np.log(self.scale)), smallest)
            else:
                y = scores * self.scale + self.mean
            if not (np.spacing(np.abs(self.mean).astype(scores.dtype)) > self.scale / 10).any():
                y = y.astype(scores.dtype)
        if not np.isfinite(y).all():
            row = np.argmin(np.isfinite(y).all(axis=1))
            raise ValueError(
                f"The prediction of sample {row} of X overflows {scores.dtype}, which the network "
                f"computes in: {self.formula(scores[row])}. Divide y by a unit before `fit`, or "
                f"scale X as the training samples were."
            )
        return y.ravel() if self.n_outputs == 1 else y

    def formula(self, scores):
        """Return how the prediction of a sample follows from its scores."""
        if self.output == "exp":
            return f"it is the exponential of {scores} times y_scale_, {self.scale}"
        return f"it is {scores} times y_scale_, {self.scale}, plus y_mean_"
