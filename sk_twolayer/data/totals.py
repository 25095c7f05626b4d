"""Sums over samples, from which the statistics follow. A stream adds the sums of its chunks.

The sums are over up to 1,000 samples, evenly spaced. They do not depend on how samples are stored:
dense, or sparse with explicit zeros or duplicates among the entries.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.sparse import csr_array, issparse

MOST_SAMPLES = 1000

# A block of dense samples, cast to float64, that the processor's cache holds.
BLOCK_ENTRIES, BLOCK_COLUMNS = 2**16, 2**13

# A column with this number of entries determines its scale alone.
ENOUGH_ENTRIES = 10

# Shares of the variance in the mean square that rounding may leave to a constant column.
CONSTANT = 1e-12


@dataclass
class Totals:
    """Sums over samples: of their norms, and of the columns that have an entry.

    Attributes
    ----------
    n_samples : int
        How many samples there are.
    weight : float
        Of the samples, in units of ``2**exponent``.
    exponent : int
        Near the logarithm of the largest weight, so that no product overflows.
    unit : float
        The unit of the entries in all sums, so that no square overflows or vanishes.
    l1 : float
        Weighted sum of the absolute entries.
    features : ndarray of intp of shape (n,)
        Columns, in ascending order; all others have no entry.
    columns : ndarray of float64 of shape (4, n)
        For each of these columns the weighted sums of its entries, of their squares, and of 1 for
        each entry that is not zero; and the number of these entries, of which an entry of a
        weight above 1 counts as so many.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.data import Data, Totals
    >>> totals = Totals.of(Data(np.array([[3.0, 0.0], [-3.0, 8.0]]), np.zeros(2), None))
    >>> totals.l1, totals.columns.tolist()
    (14.0, [[0.0, 8.0], [18.0, 64.0], [2.0, 1.0], [2.0, 1.0]])
    """

    n_samples: int
    weight: float
    exponent: int
    unit: float
    l1: float
    features: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, data, exponent=None):
        """Return the sums over samples.

        Parameters
        ----------
        data : Data
            The samples. They count by their weight.
        exponent : int, default=None
            Of earlier samples that these are added to.
        """
        evenly = np.linspace(0, len(data.indices) - 1, min(len(data.indices), MOST_SAMPLES))
        sample = data.indices[evenly.astype(int)]
        # How often a sample counts as seen: once, or by its weight.
        weights = counts = np.ones(len(sample))
        if data.sample_weight is not None:
            weights = data.sample_weight[sample].astype(np.float64)
            counts = np.clip(weights, 1, ENOUGH_ENTRIES)
            exponent = int(np.frexp(weights.max())[1]) if exponent is None else exponent
        exponent = exponent or 0
        weights = np.minimum(np.ldexp(weights, -exponent), 1e100)
        if issparse(data.X):
            unit, l1, features, columns = sparse_sums(data.X, sample, weights, counts)
        else:
            unit, l1, features, columns = dense_sums(data.X, sample, weights, counts)
        weight = float(weights.sum())
        return cls(len(sample), weight, exponent, unit, float(l1), features, columns)

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
            self.weight + other.weight,
            self.exponent,
            unit,
            mine.l1 + others.l1,
            features,
            columns,
        )


def sparse_sums(X, sample, weights, counts, unit=1.0):
    """Return the unit, the sum of absolute entries, the features, and the sums of columns."""
    rows, order, features = X, sample, np.arange(X.shape[1])
    n_entries = int((X.indptr[sample + 1] - X.indptr[sample]).sum())
    if 8 * n_entries < X.shape[1]:
        rows, order = X[sample], np.arange(len(sample))
        features, indices = np.unique(rows.indices, return_inverse=True)
        shape = len(sample), len(features)
        rows = csr_array((rows.data, indices, rows.indptr), shape=shape)
    columns, l1, largest = np.zeros((4, len(features))), 0.0, 0.0
    # A block with as many entries as there are sums takes little memory and time beside them.
    height = max(1, len(sample) * max(BLOCK_ENTRIES, len(features)) // max(1, n_entries))
    for some in (slice(start, start + height) for start in range(0, len(sample), height)):
        block = rows[order[some]].astype(np.float64, copy=False)
        block.sum_duplicates()  # of the copy that a selection is
        data, lengths = block.data / unit, np.diff(block.indptr)
        w, c = (np.repeat(array[some], lengths) for array in (weights, counts))
        with np.errstate(over="ignore", invalid="ignore"):
            largest = max(largest, float(np.abs(data).max(initial=0.0)))
            l1 += w @ np.abs(data)
            terms = w * data, w * data**2, w * (data != 0), c * (data != 0)
            for column, term in zip(columns, terms, strict=True):
                column += np.bincount(block.indices, term, minlength=len(features))
    if unit == 1 and (unit := safe_unit(largest)) != 1:
        return sparse_sums(X, sample, weights, counts, unit)
    return unit, l1, features.astype(np.intp, copy=False), columns


def dense_sums(X, sample, weights, counts, unit=1.0):
    """Return the unit, the sum of absolute entries, the features, and the sums of columns."""
    n_samples, n_features = len(sample), X.shape[1]
    columns, l1, largest = np.zeros((4, n_features)), 0.0, 0.0
    width = min(n_features, BLOCK_COLUMNS)
    height = min(n_samples, BLOCK_ENTRIES // width)
    rooms, ones = np.empty((2, height * width)), np.ones(width)
    for first, start in product(range(0, n_features, width), range(0, n_samples, height)):
        part, some = slice(first, first + width), slice(start, start + height)
        entries = X[sample[some], part] if width < n_features else X[sample[some]]
        block, scratch = (room[: entries.size].reshape(entries.shape) for room in rooms)
        w, c = weights[some], counts[some]
        with np.errstate(over="ignore", invalid="ignore"):
            np.divide(entries, unit, out=block)
            np.abs(block, out=scratch)
            largest = max(largest, float(scratch.max()))
            l1 += w @ (scratch @ ones[: entries.shape[1]])
            if scratch.min() > 0:
                columns[2:, part] += [[w.sum()], [c.sum()]]
            else:
                scratch[...] = scratch != 0
                columns[2, part] += w @ scratch
                columns[3, part] += c @ scratch
            columns[0, part] += w @ block
            columns[1, part] += w @ np.multiply(block, block, out=scratch)
    if unit == 1 and (unit := safe_unit(largest)) != 1:
        return dense_sums(X, sample, weights, counts, unit)
    return unit, l1, np.arange(n_features), columns


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
