"""Work in pieces: of rows, so that memory stays bounded, and of parameters, for the cache."""

import numpy as np
from scipy.sparse import issparse

# Inference and initialisation work on pieces of at most this many bytes, so that their
# memory stays bounded however many rows or features there are.
CHUNK_BYTES = 2**23

# What passes over all parameters works on blocks of so many, which stay in the processor's
# cache from one operation to the next.
BLOCK_SIZE = 2**15


def blocks(*vectors):
    """Cut vectors of one length into views of at most BLOCK_SIZE entries, side by side."""
    for start in range(0, len(vectors[0]), BLOCK_SIZE):
        yield [vector[start : start + BLOCK_SIZE] for vector in vectors]


def row_chunks(n_rows, bytes_per_row, chunk_bytes=None):
    """Slices that cover n_rows rows in pieces of at most so many bytes (CHUNK_BYTES), or a row."""
    size = max(1, (chunk_bytes or CHUNK_BYTES) // max(bytes_per_row, 1))
    return (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))


def bytes_per_row(X, hidden_size, dtype):
    """Bytes that a row of X takes on its way to the scores, cast to dtype."""
    entries = X.shape[1]
    if issparse(X):
        entries = 2 * X.nnz // max(X.shape[0], 1)  # a column number with each
    return (entries + hidden_size) * np.dtype(dtype).itemsize
