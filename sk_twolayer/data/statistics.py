"""Statistics of the samples, from which "auto" hyper-parameters follow.

All follow from sums over up to 1,000 samples, see ``totals``.
"""

from functools import cached_property

import numpy as np

from sk_twolayer.data.totals import CONSTANT, ENOUGH_ENTRIES, Totals

# Initial weights are divided by no less, so that they do not overflow in float32 either.
SMALLEST_SCALE = 1e-30

LARGEST = float(np.finfo(np.float64).max)


class DataSummary:
    """Statistics of the samples, computed when they are first asked for.

    Parameters
    ----------
    data : Data
        The samples. They count by their weight.
    earlier : Totals, default=None
        The totals of earlier samples of a stream, which count too.

    Attributes
    ----------
    totals : Totals
        The sums that all follow from.
    occurring : ndarray of intp
        The columns that have an entry in these samples, known with `totals`.
    l1, squared : float
        Mean L1 norm of the samples, and mean squared norm, at most the largest float64.
    relative_deviation : float
        The standard deviation of a column over its root mean square, averaged over the columns; 1
        for centred columns. Columns that vary by less than a millionth do not count; 1 if none
        does. It is rounded to hundredths, so that weighted and repeated samples, sparse and dense
        ones agree.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data import Data, DataSummary
    >>> X = np.array([[3.0, 0.0], [-3.0, 8.0]]).repeat(10, axis=0)
    >>> summary = DataSummary(Data(X, np.zeros(20), None))
    >>> summary.l1, summary.squared, summary.column_scales()
    (7.0, 41.0, array([3., 8.]))
    """

    def __init__(self, data, earlier=None):
        self._data, self._earlier = data, earlier

    @cached_property
    def totals(self):
        """Sums over the samples, and over the earlier samples."""
        earlier = self._earlier
        totals = Totals.of(self._data, exponent=earlier and earlier.exponent)
        self.occurring = totals.features[totals.columns[3] > 0]
        return totals if earlier is None else earlier + totals

    @property
    def l1(self):
        """Mean L1 norm of the samples."""
        with np.errstate(over="ignore"):
            return min(float(self.totals.l1 / self.totals.weight * self.totals.unit), LARGEST)

    @property
    def squared(self):
        """Mean squared norm of the samples."""
        totals = self.totals
        with np.errstate(over="ignore"):
            mean = float(totals.columns[1].sum() / totals.weight * totals.unit * totals.unit)
        return min(mean, LARGEST)

    @cached_property
    def _scales(self):
        _, squares, weights, counts = self.totals.columns
        occurring = squares > 0
        own = np.zeros(len(squares))
        own[occurring] = np.sqrt(squares[occurring] / weights[occurring])
        varying = occurring.copy()
        varying[occurring] = self.totals.shares_of_variance > CONSTANT
        telling = own[varying if varying.any() else occurring]
        common = float(np.median(telling)) if len(telling) else 1.0
        # Of a constant column, centring leaves rounding errors.
        scales = np.where(varying, own, np.maximum(own, common))
        rounding = max(
            1e-13, np.finfo(self._data.X.dtype).eps if self._data.X.dtype.kind == "f" else 0
        )
        scales[own < rounding * common] = common
        few = occurring & (counts < ENOUGH_ENTRIES)
        trust = counts[few] / ENOUGH_ENTRIES
        shrunk = scales[few] ** trust * common ** (1 - trust)
        scales[few] = np.maximum(scales[few], shrunk)
        unit = self.totals.unit
        unseen = max(common * unit, 1.0)
        scales = np.where(occurring, np.maximum(scales * unit, SMALLEST_SCALE), unseen)
        return scales, unseen

    @property
    def scales(self):
        """The scales of `totals.features`."""
        return self._scales[0]

    @property
    def scale_of_unseen(self):
        """The scale of all other columns."""
        return self._scales[1]

    def column_scales(self):
        """Return the scale of each column.

        It is the root mean square of the column's non-zero entries, but at least the median of all
        scales if the column is constant, and at least so near to it as few entries demand: c < 10
        of them count as c tenths of the logarithm. A column has the median itself if its own scale
        is below rounding of it, and if it has no entry, where the scale is at least 1.

        Returns
        -------
        scales : ndarray of float64 of shape (n_features,)
            At least `SMALLEST_SCALE`.
        """
        if len(self.scales) == self._data.X.shape[1]:
            return self.scales
        all_scales = np.full(self._data.X.shape[1], self.scale_of_unseen)
        all_scales[self.totals.features] = self.scales
        return all_scales

    def rare_entries(self, batch_size):
        """Return how many entries of a sample belong to rare features, on average.

        A feature is rare if it occurs in fewer than one sample of a batch, on average.
        """
        frequencies = self.totals.columns[2] / self.totals.weight
        return float(frequencies[frequencies * batch_size < 1].sum())

    @property
    def relative_deviation(self):
        """Mean ratio of a column's standard deviation to its root mean square."""
        shares = self.totals.shares_of_variance
        varying = shares > CONSTANT
        return round(float(np.mean(np.sqrt(shares[varying]))), 2) if np.any(varying) else 1.0
