"""Targets that are numbers, standardised: from what the user has to what a network is trained on.

A network whose weights start small predicts numbers about 0, and its learning rates are made for
errors of about 1. So each target is brought to mean 0 and variance 1 before the training, and
predictions are brought back. Mean and scale belong to the network: it goes on with them whatever
the rows of later calls.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import column_or_1d

from sk_twolayer.targets import cast_weights
from sk_twolayer.validation import refuse_overflow


def check_numbers(y):
    """Make y a float64 vector, or a matrix where there are several targets."""
    y = y.toarray() if issparse(y) else np.asarray(y)
    try:
        if y.dtype.kind not in "fiubO":
            raise TypeError(f"it has dtype {y.dtype}")
        with np.errstate(over="ignore"):
            y = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y must hold real numbers, and does not: {error}. Convert numbers in words with "
            f"y.astype(float), and dates by dividing by a unit; for labels there is "
            f"TwoLayerClassifier."
        ) from error
    if not np.isfinite(y).all():
        raise ValueError(
            "y contains NaN, infinity or a value too large for float64, which the network could "
            "never predict. Leave such rows out."
        )
    return column_or_1d(y, warn=True) if y.ndim == 1 or y.shape[1] == 1 else y


class NumericTargets:
    """The numbers that a network predicts, each in a unit of its own.

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
    >>> from sk_twolayer.numeric_targets import NumericTargets
    >>> targets = NumericTargets.measure(np.array([10.0, 30.0]))
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
    def measure(cls, y, sample_weight=None):
        """Return the targets with mean and standard deviation of y, by weight.

        That of a target that is constant is its absolute value, or 1, so that a stream whose
        first chunk says nothing of the scale has one of about the right size.

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
        scale = np.where(deviation > 0, unit * deviation, constant)
        return cls(first + unit * mean, scale)

    @classmethod
    def resolve(cls, known, y, sample_weight):
        """Return the targets of y; known are those of the network to go on with, which stay."""
        if known is None:
            return cls.measure(y, sample_weight)
        known.check(y)
        return known

    def attributes(self):
        """Return what a fitted estimator knows of its targets."""
        return {"y_mean_": self.mean, "y_scale_": self.scale}

    def check(self, y):
        """Refuse y of another number of targets than the network has outputs."""
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if n_targets != self.n_outputs:
            raise ValueError(
                f"y has {n_targets} targets, but the network is trained on {self.n_outputs}. Each "
                f"is an output of the network, whose outputs cannot change: pass as many, or fit "
                f"a new estimator."
            )

    def strata(self, y):
        """Return None: rows that are held out are drawn from all alike."""

    def encode(self, y, dtype, predicted_in=None):
        """Turn numbers into what the network is trained on, of shape (n_samples, n_targets).

        They must fit into the dtype that the network predicts in, if that is another one.
        """
        refuse_overflow(y, predicted_in or dtype, "y")  # which no prediction could reach
        with np.errstate(over="ignore"):  # on the way to a divergence, which is an error
            return ((y.reshape(len(y), -1) - self.mean) / self.scale).astype(dtype)

    def decode(self, scores):
        """Turn scores into predictions, of the same dtype; those of one target in a vector."""
        with np.errstate(over="ignore"):
            y = (scores * self.scale + self.mean).astype(scores.dtype)
        if not np.isfinite(y).all():
            row = np.argmin(np.isfinite(y).all(axis=1))
            raise ValueError(
                f"The prediction of row {row} of X overflows {scores.dtype}, which the network "
                f"computes in: it is {scores[row]} times y_scale_, {self.scale}, plus y_mean_. "
                f"Divide y by a unit before `fit`, or scale X as the rows were that it was given."
            )
        return y.ravel() if self.n_outputs == 1 else y

    def weigh(self, y, sample_weight, estimator, earlier, one_pass, dtype):
        """Return the weights of the rows, or None; and None, as there are no classes to count."""
        return None if sample_weight is None else cast_weights(sample_weight, dtype), None
