"""Targets of a regressor, standardised for training and brought back for predictions.

A network whose weights start small predicts numbers about 0, and its learning rates are made for
errors of about 1. So each target is brought to mean 0 and variance 1 before the training. Mean and
scale belong to the network: a warm start and later chunks of a stream keep them.
"""

import numpy as np
from scipy.sparse import issparse
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


class RegressionTargets:
    """Continuous targets, each with the mean and scale that standardise it.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_targets,)
        A target is trained on as ``(y - mean) / scale``.

    Attributes
    ----------
    output : "identity"
        The scores of the network are its predictions.
    n_outputs : int
        One for each target.

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

    output = "identity"
    check_form = staticmethod(check_numbers)

    def __init__(self, mean, scale):
        self.mean, self.scale, self.n_outputs = mean, scale, len(mean)

    @classmethod
    def of(cls, estimator):
        """Return the targets that an estimator was fitted on."""
        return cls(estimator.y_mean_, estimator.y_scale_)

    @classmethod
    def measure(cls, y, sample_weight=None):
        """Return targets with the weighted mean and standard deviation of y.

        The scale of a constant target is its absolute value, or 1. So a stream whose first chunk
        says nothing about the scale has one of about the right size. scikit-learn's StandardScaler
        squares the entries as they are, and overflows where this does not.

        Raises
        ------
        ValueError
            If the range of a target is more than float64 holds.
        """
        Y = y.reshape(len(y), -1)
        if sample_weight is not None:
            counts = sample_weight > 0
            Y, sample_weight = Y[counts], cast_weights(sample_weight[counts], np.float64)
        first = Y[0]
        with np.errstate(over="ignore"):
            around_first = Y - first  # exactly zero where a target is constant
        unit = np.abs(around_first).max(axis=0)
        if not np.isfinite(unit).all():
            raise ValueError(
                f"y holds values from {Y.min():g} to {Y.max():g}, whose difference is more than "
                f"float64 holds. Divide y, for example by its largest absolute value."
            )
        unit = np.where(unit > 0, unit, 1)
        shares = around_first / unit
        mean = np.average(shares, axis=0, weights=sample_weight)
        deviation = np.sqrt(np.average((shares - mean) ** 2, axis=0, weights=sample_weight))
        constant = np.where(first == 0, 1, np.abs(first))
        scale = np.where(unit * deviation > 0, unit * deviation, constant)  # it may vanish
        return cls(first + unit * mean, scale)

    @classmethod
    def resolve(cls, known, y, sample_weight):
        """Return the targets of y; `known` are the targets of a network that is trained further."""
        if known is None:
            return cls.measure(y, sample_weight)
        known.check(y)
        return known

    def attributes(self):
        """Return the fitted attributes of an estimator that describe its targets."""
        return {"y_mean_": self.mean, "y_scale_": self.scale}

    def check(self, y):
        """Refuse another number of targets."""
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
            return ((y.reshape(len(y), -1) - self.mean) / self.scale).astype(dtype)

    def decode(self, scores):
        """Turn scores into predictions; a vector if there is one target.

        They have the dtype of the scores, or float64 if float32 would round a target around its
        mean by more than a tenth of its scale.
        """
        with np.errstate(over="ignore"):
            y = scores * self.scale + self.mean
            if not (np.spacing(np.abs(self.mean).astype(scores.dtype)) > self.scale / 10).any():
                y = y.astype(scores.dtype)
        if not np.isfinite(y).all():
            row = np.argmin(np.isfinite(y).all(axis=1))
            raise ValueError(
                f"The prediction of sample {row} of X overflows {scores.dtype}, which the network "
                f"computes in: it is {scores[row]} times y_scale_, {self.scale}, plus y_mean_. "
                f"Divide y by a unit before `fit`, or scale X as the training samples were."
            )
        return y.ravel() if self.n_outputs == 1 else y
