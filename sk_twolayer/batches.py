"""The rows that training sees, and how they are drawn: batches of them, and units to drop."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.sparse import issparse


@dataclass
class Data:
    """Rows to train on or to validate with; arrays of any dtype, never written to.

    Attributes
    ----------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What ``network.output_loss`` takes.
    sample_weight : ndarray of shape (n_samples,) or None
    rows : ndarray of int, default=None
        The rows that count; None for all whose weight is not zero.
    """

    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    rows: np.ndarray | None = None

    def __post_init__(self):
        if self.rows is None:
            weights = self.sample_weight
            self.rows = np.arange(len(self.y)) if weights is None else np.flatnonzero(weights)


def gather(array, rows, buffer):
    """Copy some rows of an array into a buffer, casting them to the buffer's dtype."""
    if issparse(array):
        return array[rows].astype(buffer.dtype, copy=False)
    out = buffer[: len(rows)]
    if array.dtype == out.dtype and array.flags.c_contiguous:
        # mode="clip" writes straight into `out`; the default would buffer the result.
        np.take(array, rows, axis=0, out=out, mode="clip")
    else:
        out[...] = array[rows]  # np.take would copy the whole of a strided array first
    return out


def draw_batches(rows, batch_size, replacement, rng):
    """One epoch of batches of row numbers: shuffled, or drawn with replacement.

    With replacement an epoch is max(n // batch_size, 1) batches; without, the last one
    holds what remains.
    """
    n = len(rows)
    if replacement:
        for _ in range(max(n // batch_size, 1)):
            yield rows[rng.choice(n, batch_size)]
    else:
        shuffled = rows[rng.permutation(n)]
        for start in range(0, n, batch_size):
            yield shuffled[start : start + batch_size]


def most_epochs(n_rows, batch_size, replacement, max_iter, max_updates):
    """Return how many epochs there can be, of the limits on epochs and on updates."""
    if max_updates is None:
        return max_iter
    return min(max_iter, ceil(max_updates / updates_per_epoch(n_rows, batch_size, replacement)))


def updates_per_epoch(n_rows, batch_size, replacement):
    """Return the batches of an epoch."""
    return max(n_rows // batch_size, 1) if replacement else ceil(n_rows / batch_size)


class Dropout:
    """Draw which hidden units of a batch are kept, and how their activations are scaled.

    Dropped units count 0 and the others 1 / (1 - probability), so that the expected
    activation is that of the whole network, which predictions use unchanged. Each draw takes 16
    random bits, as on small tables to draw a float takes as long as a product of matrices: so the
    probability is rounded to a multiple of 1 / 65,536.
    """

    def __init__(self, probability, batch_size, hidden_size, dtype):
        self.n_dropped = min(round(probability * 2**16), 2**16 - 1)  # of the 65,536 numbers
        self.keep = np.empty((batch_size, hidden_size), dtype)

    def start_epoch(self, rng):
        """Seed a fast generator for the draws of one epoch."""
        self.generator = np.random.PCG64(rng.randint(2**31))

    def draw(self, n_rows):
        """Return what to multiply the activations of n_rows rows by."""
        keep = self.keep[:n_rows]
        # NumPy draws bits into no buffer of ours; these are an eighth of it, or a quarter.
        words = self.generator.random_raw(-(-keep.size // 4))
        drawn = words.astype("<u8", copy=False).view("<u2")[: keep.size].reshape(keep.shape)
        np.greater_equal(drawn, np.uint16(self.n_dropped), out=keep, casting="unsafe")
        keep *= 2**16 / (2**16 - self.n_dropped)
        return keep
