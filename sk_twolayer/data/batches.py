"""Samples in training: which ones count, and how batches of them are drawn and gathered."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.sparse import issparse


@dataclass
class Data:
    """Samples to train on or to validate with; arrays of any dtype, never written to.

    Attributes
    ----------
    X : ndarray or sparse CSR of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets as a loss in ``network.losses`` takes them.
    sample_weight : ndarray of shape (n_samples,) or None
    indices : ndarray of int, default=None
        The samples that count. None selects all whose weight is not zero.
    """

    X: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None
    indices: np.ndarray | None = None

    def __post_init__(self):
        if self.indices is None:
            weights = self.sample_weight
            self.indices = np.arange(len(self.y)) if weights is None else np.flatnonzero(weights)


def gather(array, indices, buffer):
    """Copy the samples at `indices` into a buffer, cast to the buffer's dtype."""
    if issparse(array):
        return array[indices].astype(buffer.dtype, copy=False)
    out = buffer[: len(indices)]
    if array.dtype == out.dtype and array.flags.c_contiguous:
        # mode="clip" writes straight into `out`; the default would buffer the result.
        array.take(indices, axis=0, out=out, mode="clip")
    else:
        out[...] = array[indices]  # `take` would copy the whole of a strided array first
    return out


def draw_batches(indices, batch_size, replacement, rng):
    """Yield the batches of one epoch, as arrays of indices.

    Without replacement the samples are shuffled, and the last batch holds what remains. With
    replacement each batch is drawn from all samples, and an epoch has max(n // batch_size, 1).
    """
    n = len(indices)
    if replacement:
        for _ in range(max(n // batch_size, 1)):
            yield indices[rng.choice(n, batch_size)]
    else:
        shuffled = indices[rng.permutation(n)]
        for start in range(0, n, batch_size):
            yield shuffled[start : start + batch_size]


def updates_per_epoch(n_samples, batch_size, replacement):
    """Return the number of batches in an epoch."""
    return max(n_samples // batch_size, 1) if replacement else ceil(n_samples / batch_size)
