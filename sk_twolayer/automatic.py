"""What "auto" stands for, and the dtype to compute in: numbers that benchmarks chose."""

from math import sqrt

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.extmath import row_norms

from sk_twolayer.network import bytes_per_row, row_chunks


def computing_dtype(X):
    """Return float32 where it holds every value of X exactly by its dtype, else float64."""
    narrow = X.dtype == np.float32 or (X.dtype.kind in "iub" and X.dtype.itemsize <= 2)
    return np.dtype(np.float32 if narrow else np.float64)


def auto_init(activation):
    """Return the initialization of the weights: the one made for the activation."""
    return "he" if activation == "relu" else "glorot"


def auto_batch_size(solver, data):
    """Return the rows of a batch.

    A tenth of them, but from 32 to 200. The updates of "sgd" on sparse rows cost what the rows
    cost, in whatever batches, as long as a batch leaves out many features: then it is a fiftieth.
    For "lbfgs", all batches make one gradient, and their size only bounds the memory.
    """
    X, n_rows = data.X, len(data.rows)
    if solver == "lbfgs":
        return min(1000, n_rows)
    smaller = min(max(n_rows // 50, 32), 200)
    if solver == "sgd" and issparse(X) and smaller * X.nnz < X.shape[0] * X.shape[1]:
        return smaller
    return min(max(n_rows // 10, 32), 200)


def auto_learning_rate(solver, data, batch_size):
    """Return the learning rate that "auto" stands for.

    The gradient of "sgd" grows with the square of the inputs, so that long rows need small
    steps: its rate is 0.1, but at most 30 over the mean squared length of the rows. Where rows
    are about as short as TF-IDF makes them, it is ``sqrt(batch_size) / 32`` over that mean, or
    over 1: as the noise of a batch falls with the root of its size, larger ones bear larger
    steps. "adam" divides the scale of its gradients out.
    """
    if solver == "adam":
        return 0.02
    mean_length = max(mean_squared_length(data), 1)
    short = sqrt(batch_size) / 32
    return float(min(max(0.1, short / mean_length), 30 / mean_length))


def mean_squared_length(data):
    """Return the mean squared length of (up to 1,000 of) the rows, by their weight.

    At most the largest float64, so that what is divided by it stays above zero.
    """
    evenly_spaced = np.linspace(0, len(data.rows) - 1, min(len(data.rows), 1000)).astype(int)
    sample = data.rows[evenly_spaced]
    lengths = np.empty(len(sample))
    weights = None
    if data.sample_weight is not None:  # at most 1, so that products with them do not overflow
        weights = data.sample_weight[sample].astype(np.float64)
        weights = np.ldexp(weights, -np.frexp(weights.max())[1])
    with np.errstate(over="ignore"):
        for rows in row_chunks(len(sample), bytes_per_row(data.X, 0, np.float64), 2**20):
            X = data.X[sample[rows]].astype(np.float64, copy=False)
            if issparse(X):
                X.sum_duplicates()  # of the copy that the selection of rows is
            lengths[rows] = row_norms(X, squared=True)
        return min(np.average(lengths, weights=weights), np.finfo(np.float64).max)
