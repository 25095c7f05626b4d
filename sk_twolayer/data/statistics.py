"""Statistics of the samples, from which "auto" hyper-parameters follow.

All look at up to 1,000 samples, evenly spaced, and none depends on how samples are stored: dense,
or sparse with explicit zeros or duplicates among the entries. `Totals` is their sum, to which a
stream adds the next samples until it has seen enough.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

MOST_SAMPLES = 1000

# A block of dense samples, cast to float64, that the processor's cache holds.
BLOCK_ENTRIES, BLOCK_COLUMNS = 2**16, 2**13

# Initial weights are divided by no less, so that they do not overflow in float32 either.
SMALLEST_SCALE = 1e-30

# A column that so many samples have an entry in has a scale of its own.
ENOUGH_ENTRIES = 10

# Shares of the variance in the mean square that rounding may leave to a constant column.
CONSTANT = 1e-12

LARGEST = float(np.finfo(np.float64).max)


class Norms(NamedTuple):
    """Means over the samples, by their weight, at most the largest float64."""

    l1: float
    squared: float
    density: float  # share of the entries that are not zero, whatever their samples' weights
    largest: float  # absolute value of an entry


@dataclass
class Totals:
    """Sums over samples: of their norms, and of the columns that have an entry.

    Attributes
    ----------
    n_samples, n_entries : int
        Samples, and their entries that are not zero.
    weight : float
        Of the samples, in units of ``2**exponent``.
    exponent : int
        Near the logarithm of the largest weight, so that no product overflows.
    unit : float
        The unit of the entries in all sums, so that no square overflows or vanishes.
    l1, largest : float
        Weighted sum of the absolute entries, and the largest of them.
    features : ndarray of intp of shape (n,)
        Columns, in ascending order; all others have no entry.
    columns : ndarray of float64 of shape (4, n)
        For each of these columns the weighted sums of its entries, of their squares, and of 1 for
        each entry that is not zero; and the number of these entries, of which an entry of a
        weight above 1 counts as so many.
    """

    n_samples: int
    n_entries: int
    weight: float
    exponent: int
    unit: float
    l1: float
    largest: float
    features: np.ndarray
    columns: np.ndarray

    @property
    def shares_of_variance(self):
        """The share of the variance in the mean square, of each column that has an entry."""
        sums, squares, _, _ = self.columns
        occurring = squares > 0
        return 1 - sums[occurring] ** 2 / (self.weight * squares[occurring])

    def means(self):
        """Return the mean of each column of `features`; all others have the mean 0.

        It is 0 if no column varies: a single sample does not tell the mean.
        """
        if not np.any(self.shares_of_variance > CONSTANT):
            return np.zeros(len(self.features))
        return self.columns[0] / self.weight * self.unit

    def in_unit(self, unit):
        """Return the same totals in another unit."""
        ratio = self.unit / unit
        columns = self.columns * np.array([[ratio], [ratio**2], [1.0], [1.0]])
        return replace(self, unit=unit, l1=self.l1 * ratio, columns=columns)

    def __add__(self, other):
        """Return the totals of both; their weights must have the same exponent."""
        unit = max(self.unit, other.unit)
        mine, others = self.in_unit(unit), other.in_unit(unit)
        features = np.concatenate([self.features, other.features])
        features.sort(kind="stable")  # which merges, ten times as fast as np.union1d
        features = features[np.diff(features, prepend=-1) > 0]
        columns = np.zeros((4, len(features)))
        for part in (mine, others):
            columns[:, np.searchsorted(features, part.features)] += part.columns
        return Totals(
            self.n_samples + other.n_samples,
            self.n_entries + other.n_entries,
            self.weight + other.weight,
            self.exponent,
            unit,
            mine.l1 + others.l1,
            max(self.largest, other.largest),
            features,
            columns,
        )


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
    norms : Norms
        Mean norms of the samples, the share of the entries that are not zero, and the largest
        entry.
    totals : Totals
        The sums that all follow from.
    occurring : ndarray of intp
        The columns that have an entry in these samples, known with `totals`.
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
    >>> summary.norms.l1, summary.norms.density, summary.column_scales()
    (7.0, 0.75, array([3., 8.]))
    """

    def __init__(self, data, earlier=None):
        self._X, indices, self._earlier = data.X, data.indices, earlier
        evenly = np.linspace(0, len(indices) - 1, min(len(indices), MOST_SAMPLES)).astype(int)
        self._sample, self._weights, self._exponent = indices[evenly], np.ones(len(evenly)), 0
        self._counts = self._weights  # how often a sample counts as seen: once, or by its weight
        if data.sample_weight is not None:
            weights = data.sample_weight[self._sample].astype(np.float64)
            self._counts = np.clip(weights, 1, ENOUGH_ENTRIES)
            self._exponent = int(np.frexp(weights.max())[1])
            if earlier is not None:
                self._exponent = earlier.exponent
            self._weights = np.minimum(np.ldexp(weights, -self._exponent), 1e100)
        elif earlier is not None:
            self._weights = np.ldexp(self._weights, -earlier.exponent)

    @cached_property
    def norms(self):
        """Norms and density."""
        known = self._earlier is not None or "totals" in vars(self)
        if issparse(self._X) and not known:  # there is no need to sum the columns
            _, data, weights, _, unit, largest = self._entries()
            n_samples, n_entries, weight = len(self._sample), len(data), self._weights.sum()
            l1, squared = weights @ np.abs(data), weights @ data**2
        else:
            totals = self.totals
            n_samples, n_entries, weight = totals.n_samples, totals.n_entries, totals.weight
            unit, l1, squared = totals.unit, totals.l1, totals.columns[1].sum()
            largest = totals.largest
        density = n_entries / (n_samples * self._X.shape[1])
        with np.errstate(over="ignore"):
            l1 = min(float(l1 / weight * unit), LARGEST)
            squared = min(float(squared / weight * unit * unit), LARGEST)
        return Norms(l1, squared, density, largest)

    @cached_property
    def totals(self):
        """Sums over the samples, and over the earlier samples."""
        totals = self._sparse_totals() if issparse(self._X) else self._dense_totals(unit=1.0)
        if totals.unit == 1 and (unit := safe_unit(totals.largest)) != 1:
            totals = self._dense_totals(unit)
        self.occurring = totals.features[totals.columns[3] > 0]
        return totals if self._earlier is None else self._earlier + totals

    def _entries(self):
        """Return columns, values, weights, counts of sparse entries; their unit, the largest."""
        chosen = self._X[self._sample].astype(np.float64, copy=False)
        chosen.sum_duplicates()  # of the copy that the selection is
        nonzero, lengths = chosen.data != 0, np.diff(chosen.indptr)
        columns, data = chosen.indices[nonzero], chosen.data[nonzero]
        counts = weights = np.repeat(self._weights, lengths)[nonzero]
        if self._counts is not self._weights:
            counts = np.repeat(self._counts, lengths)[nonzero]
        largest = float(np.abs(data).max(initial=0.0))
        unit = safe_unit(largest)
        return columns, data / unit, weights, counts, unit, largest

    def _sparse_totals(self):
        indices, data, weights, counts, unit, largest = self._entries()
        n_features = self._X.shape[1]
        features = np.arange(n_features)
        if 8 * len(data) < n_features:
            features, indices = np.unique(indices, return_inverse=True)
        terms = weights * data, weights * data**2, weights, counts
        columns = [np.bincount(indices, term, minlength=len(features)) for term in terms]
        return Totals(
            len(self._sample),
            len(data),
            float(self._weights.sum()),
            self._exponent,
            unit,
            float(weights @ np.abs(data)),
            largest,
            features.astype(np.intp),
            np.array(columns, dtype=np.float64).reshape(4, len(features)),
        )

    def _dense_totals(self, unit):
        n_samples, n_features = len(self._sample), self._X.shape[1]
        columns, l1, n_entries, largest = np.zeros((4, n_features)), 0.0, 0, 0.0
        width = min(n_features, BLOCK_COLUMNS)
        height = min(n_samples, BLOCK_ENTRIES // width)
        rooms, ones = np.empty((2, height * width)), np.ones(width)
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, n_features, width):
                part = slice(first, min(first + width, n_features))
                for start in range(0, n_samples, height):
                    samples = self._sample[start : start + height]
                    weights = self._weights[start : start + height]
                    counts = self._counts[start : start + height]
                    shape = len(samples), part.stop - part.start
                    X, scratch = (room[: shape[0] * shape[1]].reshape(shape) for room in rooms)
                    X[...] = self._X[samples, part] if width < n_features else self._X[samples]
                    if unit != 1:
                        X /= unit
                    columns[0, part] += weights @ X
                    np.abs(X, out=scratch)
                    largest = max(largest, float(scratch.max()))
                    l1 += weights @ (scratch @ ones[: shape[1]])
                    if scratch.min() > 0:
                        n_entries += scratch.size
                        columns[2, part] += weights.sum()
                        columns[3, part] += counts.sum()
                    else:
                        nonzero = scratch != 0
                        n_entries += int(np.count_nonzero(nonzero))
                        scratch[...] = nonzero
                        columns[2, part] += weights @ scratch
                        columns[3, part] += counts @ scratch
                    np.multiply(X, X, out=scratch)
                    columns[1, part] += weights @ scratch
        return Totals(
            n_samples,
            n_entries,
            float(self._weights.sum()),
            self._exponent,
            unit,
            float(l1),
            largest * unit,
            np.arange(n_features),
            columns,
        )

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
        rounding = max(1e-13, np.finfo(self._X.dtype).eps if self._X.dtype.kind == "f" else 0)
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
        if len(self.scales) == self._X.shape[1]:
            return self.scales
        all_scales = np.full(self._X.shape[1], self.scale_of_unseen)
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


def safe_unit(largest):
    """Return 1 if squares of entries up to the largest are safe in float64, or a power of two."""
    if largest == 0 or 1e-100 < largest < 1e100:
        return 1.0
    return float(np.ldexp(1.0, int(np.frexp(largest)[1]) - 1))


def look_up(features, known, values, otherwise):
    """Return the values of features, some of which are known, in ascending order."""
    if len(known) == 0:
        return np.full(len(features), otherwise)
    at = np.minimum(np.searchsorted(known, features), len(known) - 1)
    return np.where(known[at] == features, values[at], otherwise)
