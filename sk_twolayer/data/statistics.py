"""Statistics of the samples, from which "auto" hyper-parameters follow.

All look at up to 1,000 samples, evenly spaced, and none depends on how samples are stored: dense,
or sparse with explicit zeros or duplicates among the entries.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import gen_batches
from sklearn.utils.extmath import row_norms

MOST_SAMPLES = 1000
CHUNK_BYTES = 2**20  # of samples that are cast to float64 at a time

# Initial weights are divided by no less, so that they do not overflow in float32 either.
SMALLEST_SCALE = 1e-30

LARGEST = float(np.finfo(np.float64).max)


class Norms(NamedTuple):
    """Means over the samples, by their weight, at most the largest float64."""

    l1: float
    squared: float
    density: float  # share of the entries that are not zero, whatever their samples' weights
    largest: float  # absolute value of an entry


class DataSummary:
    """Statistics of the samples, computed when they are first asked for.

    Parameters
    ----------
    data : Data
        The samples. They count by their weight.

    Attributes
    ----------
    norms : Norms
        Mean norms of the samples, the share of the entries that are not zero, and the largest
        entry.
    column_scales : ndarray of float64 of shape (n_features,)
        The root mean square of each column's non-zero entries; 1 where there is none, and at
        least `SMALLEST_SCALE`.
    relative_deviation : float
        The standard deviation of a column over its root mean square, averaged over the columns; 1
        for centred columns. Columns that vary by less than a millionth do not count; 1 if none
        does. It is rounded to hundredths, so that weighted and repeated samples, sparse and dense
        ones agree.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data import Data, DataSummary
    >>> summary = DataSummary(Data(np.array([[3.0, 0.0], [-3.0, 8.0]]), np.zeros(2), None))
    >>> summary.norms.l1, summary.norms.density, summary.column_scales
    (7.0, 0.75, array([3., 8.]))
    """

    def __init__(self, data):
        self._X, indices = data.X, data.indices
        evenly = np.linspace(0, len(indices) - 1, min(len(indices), MOST_SAMPLES)).astype(int)
        self._sample, self._weights = indices[evenly], np.ones(len(evenly))
        if data.sample_weight is not None:
            weights = data.sample_weight[self._sample].astype(np.float64)
            # Divided by a power of two near the largest, so that no product overflows.
            self._weights = np.ldexp(weights, -np.frexp(weights.max())[1])

    def _chunks(self):
        """Yield slices of the sample and their samples in float64, each entry stored once."""
        X = self._X
        entries = 2 * X.nnz // max(X.shape[0], 1) if issparse(X) else X.shape[1]
        size = max(1, CHUNK_BYTES // max(8 * entries, 1))
        for chunk in gen_batches(len(self._sample), size):
            chosen = X[self._sample[chunk]].astype(np.float64, copy=False)
            if issparse(X):
                chosen.sum_duplicates()  # of the copy that the selection is
            yield chunk, chosen

    @cached_property
    def norms(self):
        """Norms and density, from one pass over the sample."""
        n, n_features = len(self._sample), self._X.shape[1]
        l1, squared, n_entries, largest = np.empty(n), np.empty(n), 0, 0.0
        with np.errstate(over="ignore"):
            for chunk, X in self._chunks():
                absolute = abs(X)
                l1[chunk] = np.asarray(absolute.sum(axis=1)).ravel()
                squared[chunk] = row_norms(X, squared=True)
                n_entries += int(np.count_nonzero(X.data if issparse(X) else X))
                largest = max(largest, float(absolute.max()))
            l1 = min(float(np.average(l1, weights=self._weights)), LARGEST)
            squared = min(float(np.average(squared, weights=self._weights)), LARGEST)
        return Norms(l1, squared, int(n_entries) / (n * n_features), largest)

    @cached_property
    def _moments(self):
        """Sums of each column and of its squares, in units of the largest entry; its weights."""
        sums, squares, nonzero = np.zeros((3, self._X.shape[1]))
        unit = self.norms.largest or 1.0  # so that no square overflows or vanishes
        for chunk, X in self._chunks():
            weights, scaled = self._weights[chunk], X / unit
            sums += weights @ scaled
            squares += weights @ (scaled.multiply(scaled) if issparse(X) else scaled**2)
            nonzero += weights @ (X != 0)
        return sums, squares, nonzero, unit

    @property
    def column_scales(self):
        """Root mean square of each column's non-zero entries."""
        _, squares, nonzero, unit = self._moments
        found = (nonzero > 0) & (squares > 0)
        scales = np.ones(len(squares))
        scales[found] = unit * np.sqrt(squares[found] / nonzero[found])
        return np.maximum(scales, SMALLEST_SCALE)

    @property
    def relative_deviation(self):
        """Mean ratio of a column's standard deviation to its root mean square."""
        sums, squares, _, _ = self._moments
        occurring = squares > 0
        # The share of the variance in the mean square.
        shares = 1 - sums[occurring] ** 2 / (self._weights.sum() * squares[occurring])
        varying = shares > 1e-12
        return round(float(np.mean(np.sqrt(shares[varying]))), 2) if np.any(varying) else 1.0
