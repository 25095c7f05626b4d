"""Columns of tables of every kind: what they hold, and their entries as numbers or text.

A table is a data frame of pandas or polars, or an array. Neither library is imported here.
"""

import datetime
from decimal import Decimal
from numbers import Number

import numpy as np
from scipy.sparse import issparse

MISSING = "missing"  # the text of a missing entry
MISSING_TYPES = {"NoneType", "NAType", "NaTType"}
# Columns of these dtypes hold categories, whatever the entries are.
CATEGORICAL = {"StringDtype", "CategoricalDtype", "String", "Categorical", "Enum"}


def columns_of(X):
    """Return the columns of a table, or raise an error if X is none."""
    if issparse(X):
        raise TypeError(
            "A table must be dense, got a sparse one: pass it to the network itself, which takes "
            "it, or convert it by X.toarray()."
        )
    if len(X.shape if hasattr(X, "shape") else np.shape(X)) != 2:
        raise ValueError(
            "Expected a table with two dimensions, got one: select columns by a list of names, or "
            "pass X.to_frame() or X.reshape(-1, 1)."
        )
    if hasattr(X, "iloc"):
        return [X.iloc[:, j] for j in range(X.shape[1])]
    if hasattr(X, "get_columns"):
        return X.get_columns()
    return list(np.asarray(X).T)


def is_missing(entry):
    """Return True for None, NaN, NaT and the NA of pandas."""
    if isinstance(entry, float | np.floating | np.datetime64 | np.timedelta64):
        return entry != entry
    return type(entry).__name__ in MISSING_TYPES


def column_kind(column):
    """Return "number", "date" or "category", or None if all entries are missing.

    Booleans are numbers. The entries decide where the dtype does not.
    """
    kind = dtype_kind(column.dtype)
    if kind is not None:
        return kind if (~missing_entries(column)).any() else None
    entries = np.asarray(column, dtype=object)
    if str in set(map(type, entries)):
        return "category"
    types = {type(entry) for entry in entries if not is_missing(entry)}
    if not types:
        return None
    if all(issubclass(t, Number | np.bool_ | Decimal) for t in types):
        return "number"
    dates = datetime.date | datetime.time | datetime.timedelta | np.datetime64 | np.timedelta64
    return "date" if all(issubclass(t, dates) for t in types) else "category"


def dtype_kind(dtype):
    """Return what columns of a dtype hold, or None if their entries decide."""
    if type(dtype).__name__ in CATEGORICAL:
        return "category"
    if hasattr(dtype, "kind"):  # NumPy, pandas
        letter = dtype.kind
    elif dtype.is_temporal():  # polars
        letter = "M"
    else:
        letter = "f" if dtype.is_numeric() or str(dtype) == "Boolean" else "O"
    return "number" if letter in "biufc" else "date" if letter in "mM" else None


def missing_entries(column):
    """Return a mask of the missing entries of a column whose dtype is not "object"."""
    if hasattr(column, "is_null"):  # polars
        missing = column.is_nan().fill_null(True) if column.dtype.is_float() else column.is_null()
        return missing.to_numpy()
    if hasattr(column, "isna"):  # pandas
        return column.isna().to_numpy(dtype=bool)
    return np.isnat(column) if column.dtype.kind in "mM" else np.isnan(column)


def read_numbers(X):
    """Return a table with NaN for the NA in pandas' columns of objects.

    scikit-learn reads all other numbers, with NaN where they are missing.
    """
    if not hasattr(X, "isetitem"):
        return X
    read = X.copy(deep=False)
    for j, column in enumerate(columns_of(X)):
        if column.dtype.kind == "O":
            read.isetitem(j, column.astype(object).where(column.notna(), np.nan))
    return read


def refuse_infinity(X):
    """Name the first column of a table that holds an infinite number, if there is one."""
    names = X.columns if hasattr(X, "columns") else range(np.shape(X)[1])
    for name, column in zip(names, columns_of(X), strict=True):
        for entry in np.asarray(column, dtype=object):
            if isinstance(entry, float | np.floating) and np.isinf(entry):
                raise ValueError(
                    f"Column {name!r} of X holds {entry!s}, and infinity has no place on a finite "
                    f"scale. Make it missing: X.replace([np.inf, -np.inf], np.nan)."
                )


def text(entry):
    """Return the name of a level: equal numbers of different types have equal names."""
    if type(entry) is str:
        return entry
    if is_missing(entry):
        return MISSING
    if isinstance(entry, float | np.floating) and float(entry).is_integer():
        return str(int(entry))
    return str(entry)
