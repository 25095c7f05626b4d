"""Statistics of the rows to train on, from which the numbers of "auto" follow.

All look at up to 1,000 of the rows, evenly spaced, and none depends on how rows are stored: dense,
or sparse, with zeros or duplicates among the entries.
"""

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.extmath import row_norms

from sk_twolayer.blocks import bytes_per_row, row_chunks

# What initial weights are divided by at least, so that none overflows, in float32 either.
SMALLEST_SCALE = 1e-30

# Features are rare where a smaller share of the entries is not zero. Of text it is some hundredths
# at most; of categories, one-hot encoded, and of pictures it is more.
RARE = 0.1


def sample_rows(data, most=1000):
    """Return up to so many of the rows that count, evenly spaced, and their shares of the weight.

    The shares are those of the largest, so that no product with them overflows.
    """
    evenly_spaced = np.linspace(0, len(data.rows) - 1, min(len(data.rows), most)).astype(int)
    sample = data.rows[evenly_spaced]
    if data.sample_weight is None:
        return sample, np.ones(len(sample))
    weights = data.sample_weight[sample].astype(np.float64)
    return sample, np.ldexp(weights, -np.frexp(weights.max())[1])


def row_batches(data, sample):
    """Yield slices of a sample of rows, and these rows in float64, each entry stored once."""
    for rows in row_chunks(len(sample), bytes_per_row(data.X, 0, np.float64), 2**20):
        X = data.X[sample[rows]].astype(np.float64, copy=False)
        if issparse(X):
            X.sum_duplicates()  # of the copy that the selection of rows is
        yield rows, X


def mean_squared_length(data):
    """Return the mean squared length of (up to 1,000 of) the rows, by their weight.

    At most the largest float64, so that what is divided by it stays above zero.
    """
    sample, weights = sample_rows(data)
    lengths = np.empty(len(sample))
    with np.errstate(over="ignore"):
        for rows, X in row_batches(data, sample):
            lengths[rows] = row_norms(X, squared=True)
        return min(np.average(lengths, weights=weights), np.finfo(np.float64).max)


def mean_absolute_sum(data):
    """Return the mean L1 norm of (up to 1,000 of) the rows, by their weight; at most finite."""
    sample, weights = sample_rows(data)
    sums = np.empty(len(sample))
    with np.errstate(over="ignore"):
        for rows, X in row_batches(data, sample):
            sums[rows] = np.asarray(abs(X).sum(axis=1)).ravel()
        return min(np.average(sums, weights=weights), np.finfo(np.float64).max)


def has_rare_features(data):
    """Return whether features are rare, as words are: fewer than a tenth of the entries occur.

    That is a property of the values of (up to 1,000 of) the rows, not of how they are stored.
    """
    sample, _ = sample_rows(data)
    n_entries = sum(
        np.count_nonzero(X.data if issparse(X) else X) for _, X in row_batches(data, sample)
    )
    return n_entries < RARE * len(sample) * data.X.shape[1]


def column_moments(data):
    """Return, for each column, what up to 1,000 rows add up to, by their weight.

    Returns
    -------
    sums, squares : ndarray of float64 of shape (n_features,)
        Of the entries, and of their squares, in units of `unit`.
    nonzero : ndarray of float64 of shape (n_features,)
        Of the weights of the rows where the entry is not zero.
    total : float
        Of the weights of all rows.
    unit : float
        The largest entry, so that no square overflows or vanishes.
    """
    sample, weights = sample_rows(data)
    sums, squares, nonzero = np.zeros((3, data.X.shape[1]))
    unit = max(float(abs(X).max()) for _, X in row_batches(data, sample)) or 1.0
    for rows, X in row_batches(data, sample):
        scaled = X / unit
        sums += weights[rows] @ scaled
        squares += weights[rows] @ (scaled.multiply(scaled) if issparse(X) else scaled**2)
        nonzero += weights[rows] @ (X != 0)
    return sums, squares, nonzero, weights.sum(), unit


def column_scales(data):
    """Return the root of the mean square of the non-zero entries of each column, by weight.

    Of up to 1,000 rows; 1 where there is none among them, and never less than `SMALLEST_SCALE`.
    """
    _, squares, nonzero, _, unit = column_moments(data)
    found = (nonzero > 0) & (squares > 0)
    scales = np.ones(len(squares))
    scales[found] = unit * np.sqrt(squares[found] / nonzero[found])
    return np.maximum(scales, SMALLEST_SCALE)


def relative_deviation(data):
    """Return the standard deviation of a column over its root mean square, the mean over columns.

    Of up to 1,000 rows. 1 for columns whose mean is 0. Columns that vary by less than a millionth
    do not count; 1 if none does. In hundredths, so that it is the same however its sums are
    rounded: for weighted rows and repeated ones, sparse and dense.
    """
    sums, squares, _, total, _ = column_moments(data)
    occurring = squares > 0
    shares = 1 - sums[occurring] ** 2 / (total * squares[occurring])  # of variance in mean square
    varying = shares > 1e-12
    return round(float(np.mean(np.sqrt(shares[varying]))), 2) if np.any(varying) else 1.0
