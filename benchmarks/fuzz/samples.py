"""Draw samples of every kind: values, dtypes, memory layouts, sparse formats, data frames.

SciPy's LIL arrays with indices out of bounds can crash the process, so they are drawn only if
`LIL_WITH_BAD_INDICES` is True.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp

LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"f{i}" for i in range(X.shape[1])]),
}


def unsorted(X):
    X = sp.csr_array(X)
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(X.indptr, X.indptr[1:], strict=False)]
        or [np.zeros(0, int)]
    ).astype(int)
    return sp.csr_array((X.data[order], X.indices[order], X.indptr), shape=X.shape)


def duplicated(X):
    """Return CSR with two entries for each value, which add up to it."""
    X = sp.coo_array(X.astype(np.float64))
    entries = np.concatenate([X.data * 0.75, X.data * 0.25])
    row, column = np.tile(X.coords[0], 2), np.tile(X.coords[1], 2)
    order = np.argsort(row, kind="stable")
    indptr = np.searchsorted(row[order], np.arange(X.shape[0] + 1))
    return sp.csr_array((entries[order], column[order], indptr), shape=X.shape)


def with_int64(X):
    X = sp.csr_array(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def explicit_zeros(X):
    full = sp.csr_array(np.ones(X.shape, X.dtype))
    full.data[:] = X.ravel()
    return full


def big_endian(X):
    """Return big-endian CSR, which SciPy's constructors refuse."""
    made = sp.csr_array(X.astype(X.dtype.newbyteorder("=")))
    made.data = made.data.astype(X.dtype)
    return made


def bad_indices(X, layout, index):
    """Return a sparse array with one index out of bounds: a row index for CSC, else a column."""
    made = sp.csr_array(np.ones(X.shape)).asformat(layout)
    if layout == "lil":
        made.rows[0][0] = index
    else:
        indices = made.coords[1] if layout == "coo" else made.indices
        indices[len(indices) // 2] = index
    return made


SPARSE = {
    **{name: getattr(sp, f"{name}_array") for name in ("csr", "csc", "coo", "lil", "dok", "bsr")},
    **{
        f"{name} matrix": getattr(sp, f"{name}_matrix")
        for name in ("csr", "csc", "coo", "dia", "lil")
    },
    **{"dia": sp.dia_array, "unsorted": unsorted, "duplicates": duplicated},
    **{"int64 indices": with_int64, "explicit zeros": explicit_zeros},
}

LIL_WITH_BAD_INDICES = False
INDEXED = ["csr", "csc", "coo", "bsr", *(["lil"] if LIL_WITH_BAD_INDICES else [])]

VALUES = {
    "good": ["counts", "counts", "zeros", "tiny", "constant columns"],
    "odd": ["huge", "large", "uneven"],
    "bad": ["NaN", "inf", "1-d", "3-d", "no samples", "no features", "None", "text"],
}
VALUES["bad"] += ["bad indices", "huge int", "huge int, list"]
DTYPES = {
    "good": ["f8", "f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"],
    "odd": ["O", "g", "S3", "U3"],
    "bad": ["c16", "M8[s]", "m8[s]"],
}
DTYPES["good"] += [">f4", ">f8", ">i4"]


def make_samples(case, n):
    """Draw X of any kind with n samples; return it twice, as drawn and as a dense array.

    The dense array is None if X is not a matrix of numbers.
    """
    rng, n_features = case.rng, case.n_features
    values, dtype = case.pick("values", VALUES), np.dtype(case.pick("dtype", DTYPES))
    X = (case.draw_counts(n) * rng.choice([1, 2], n_features)).astype(float)
    scale = {"zeros": 0, "tiny": 1e-300, "huge": 1e300, "large": 1e8}.get(values, 1)
    X *= scale
    if values == "uneven":
        X[:, -1] *= 1e9
    elif values in ("NaN", "inf"):
        X[rng.integers(n), rng.integers(n_features)] = float(values)
    elif values in ("no samples", "no features"):
        X = X[:0] if values == "no samples" else X[:, :0]
    elif values == "constant columns":  # their mean is rounded, so their variance may not be zero
        constant = rng.random(n_features) < 0.5
        X[:, constant] = rng.choice([0.1, 20.1], constant.sum())
    elif values == "bad indices":
        layout = case.chosen["layout"] = str(rng.choice(INDEXED))
        length = n if layout == "csc" else n_features
        return bad_indices(X, layout, int(rng.choice([-1, length]))), None
    elif values in ("huge int", "huge int, list"):
        X = X.astype(int).astype(object)
        X[rng.integers(n), rng.integers(n_features)] = 10**400
        return X if values == "huge int" else X.tolist(), None
    elif values in ("1-d", "3-d", "None", "text"):
        made = {"1-d": X[:, 0], "3-d": X[:, :, np.newaxis], "None": None}
        return made.get(values, np.full(X.shape, "word", object)), None
    if values not in ("counts", "zeros", "constant columns") and dtype.kind in "iubf":
        dtype = np.dtype("f8")  # other dtypes may not hold these values
    X = (X.astype("i8") if dtype.kind in "Mm" else X).astype(dtype)
    if dtype.kind not in "fiub" or dtype.char in "eg" or X.size == 0:
        case.chosen["layout"] = "C"
        return X, X
    if case.happens(0.8 if case.is_wide else 0.35):
        if not dtype.isnative:
            case.chosen["layout"] = "csr"
            return big_endian(X), X
        layout = case.chosen["layout"] = str(rng.choice(list(SPARSE)))
        made = SPARSE[layout](X)
        return made, made.toarray()
    layout = case.chosen["layout"] = str(rng.choice([*LAYOUTS, "memmap"]))
    if layout == "memmap":
        path = Path(case.folder) / "samples"
        path.unlink(missing_ok=True)  # an earlier map keeps reading the old file
        X.tofile(path)
        return np.memmap(path, X.dtype, "r", shape=X.shape), X
    return LAYOUTS[layout](X), X
