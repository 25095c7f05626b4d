"""Targets of a regressor, standardised for training and brought back for predictions.

A network whose weights start small predicts numbers about 0, and its learning rates are made for
errors of about 1. So each target is brought to mean 0 and variance 1 before the training. For the
absolute error and the pinball loss, the median or quantile takes the place of the mean, and an
average distance from it the place of the deviation, on which outliers have less influence. For the
Poisson loss a target is divided by its mean, whose score is the logarithm of 1. Mean and scale
belong to the network: a warm start and later chunks of a stream keep them.
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


def mean_and_deviation(y, weights):
    """Return the weighted mean and standard deviation of each column."""
    mean = np.average(y, axis=0, weights=weights)
    return mean, np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weights))


def quantile_and_distance(y, weights, quantile):
    """Return a weighted quantile of each column, and an average distance from it.

    The distance is half the difference of two means: of the values above the quantile, and of the
    values below. It is the mean pinball loss of the quantile over ``2 quantile (1 - quantile)``.
    """
    weights = np.ones(len(y)) if weights is None else weights
    center = np.quantile(y, quantile, axis=0, weights=weights, method="inverted_cdf")
    errors = y - center
    loss = np.average(np.maximum(quantile * errors, (quantile - 1) * errors), 0, weights)
    return center, loss / (2 * quantile * (1 - quantile))


def mean_and_deviance(y, weights):
    """Return the weighted mean of each column, and half its mean Poisson deviance from the mean."""
    mean = np.average(y, axis=0, weights=weights)
    ratios = y / np.where(mean > 0, mean, 1)
    return mean, mean * np.average(xlogy(ratios, ratios), axis=0, weights=weights)


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


MEASURES = {
    "squared_error": mean_and_deviation,
    "absolute_error": partial(quantile_and_distance, quantile=0.5),
    "quantile": quantile_and_distance,
    "poisson": mean_and_deviance,
}


class RegressionTargets:
    """Continuous targets, each with the mean and scale that standardise it.

    Parameters
    ----------
    mean : ndarray of shape (n_targets,)
        The constant prediction of least loss: the mean, or the median or quantile.
    scale : ndarray of shape (n_targets,)
        A target is trained on as ``(y - mean) / scale``, or for "poisson" as ``y / mean``. Then the
        scale is half the mean deviance of y from the mean.
    loss : tuple of str and float or None, default=("squared_error", None)
        The name of the loss, and the quantile for "quantile".

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

    def __init__(self, mean, scale, loss=("squared_error", None)):
        self.mean, self.scale, self.loss, self.n_outputs = mean, scale, loss, len(mean)
        self.output = "exp" if loss[0] == "poisson" else "identity"
        self.score_name = "R2" if loss[0] == "squared_error" else "D2"

    @classmethod
    def of(cls, estimator):
        """Return the targets that an estimator was fitted on."""
        return cls(estimator.y_mean_, estimator.y_scale_, estimator._fitted_loss)

    @property
    def network_output(self):
        """The output layer of the network: the name of its loss, and a parameter of the loss."""
        name, quantile = self.loss
        if name == "poisson":
            return "exp", self.scale / self.mean
        if name == "quantile":
            return name, quantile
        return "identity" if name == "squared_error" else name

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
        center, spread = MEASURES[name](shares, sample_weight, *([quantile] if quantile else []))
        constant = np.where(first == 0, 1, np.abs(first))
        # The spread may vanish; and rounding may give the deviance of a constant one.
        varies = (shares.min(axis=0) < shares.max(axis=0)) & (unit * spread > 0)
        return cls(origin + unit * center, np.where(varies, unit * spread, constant), loss)

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

    def attributes(self):
        """Return the fitted attributes of an estimator that describe its targets."""
        return {"y_mean_": self.mean, "y_scale_": self.scale, "_fitted_loss": self.loss}

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
            Y = y.reshape(len(y), -1)
            if self.output == "exp":
                return (Y / self.mean).astype(dtype)
            return ((Y - self.mean) / self.scale).astype(dtype)

    def decode(self, scores):
        """Turn scores into predictions; a vector if there is one target.

        They have the dtype of the scores, or float64 if float32 would round a target around its
        mean by more than a tenth of its scale. Exponentials are never zero.
        """
        with np.errstate(over="ignore"):
            if self.output == "exp":
                smallest = np.finfo(scores.dtype).tiny
                y = np.maximum(np.exp(scores + np.log(self.mean)), smallest)
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
            return f"it is the exponential of {scores} times y_mean_, {self.mean}"
        return f"it is {scores} times y_scale_, {self.scale}, plus y_mean_"
