"""Columns of tables of every kind: their entries as numbers, text or dates.

A table is a data frame of pandas or polars, or an array. Neither library is imported here.
"""

import datetime
from numbers import Number

import numpy as np

MISSING = "missing"  # the text of a missing entry


def columns_of(X):
    """Return the columns of a table."""
    if hasattr(X, "iloc"):
        return [X.iloc[:, j] for j in range(X.shape[1])]
    if hasattr(X, "get_columns"):
        return X.get_columns()
    return list(np.asarray(X).T)


def is_missing(value):
    """Return True for None, NaN, NaT and the NA of pandas."""
    if isinstance(value, float | np.floating):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def column_kind(column):
    """Return "number", "date" or "category", or None if all entries are missing.

    Booleans are numbers. Where the dtype is "object" the entries decide.
    """
    kind = getattr(column.dtype, "kind", None)
    if kind is None:
        kind = polars_kind(column.dtype)
    if kind in "biufcmM":
        present = ~missing_entries(column)
        return None if not present.any() else "date" if kind in "mM" else "number"
    entries = [entry for entry in np.asarray(column, dtype=object) if not is_missing(entry)]
    if not entries:
        return None
    types = set(map(type, entries))
    if all(issubclass(t, Number | np.bool_) or t.__name__ == "Decimal" for t in types):
        return "category" if type(column.dtype).__name__ == "CategoricalDtype" else "number"
    if all(issubclass(t, datetime.date | datetime.time | datetime.timedelta) for t in types):
        return "date"
    return "category"


def polars_kind(dtype):
    """Return the letter of NumPy for a dtype of polars."""
    if dtype.is_numeric():
        return "f"
    if str(dtype) == "Boolean":
        return "b"
    return "M" if dtype.is_temporal() else "O"


def missing_entries(column):
    """Return a mask of the missing entries of a column of numbers or dates."""
    for name in ("isna", "is_null"):  # pandas, polars
        if hasattr(column, name):
            missing = np.asarray(getattr(column, name)(), dtype=bool)
            if name == "is_null" and column.dtype.is_float():
                missing = missing | np.isnan(np.asarray(column, dtype=np.float64))
            return missing
    column = np.asarray(column)
    return np.isnat(column) if column.dtype.kind in "mM" else np.isnan(column)


def read_numbers(X):
    """Return a table with NaN for the NA in pandas' columns of objects.

    scikit-learn reads all other numbers, with NaN where they are missing.
    """
    if hasattr(X, "iloc") and X.ndim == 2 and any(dtype.kind == "O" for dtype in X.dtypes):
        return X.where(X.notna(), np.nan)
    return X


def text(value):
    """Return the name of a level: equal numbers of different types have equal names."""
    if type(value) is str:
        return value
    if is_missing(value):
        return MISSING
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    return str(value)


def read_dates(column):
    """Return a column of dates or durations as microseconds, datetime64 or timedelta64.

    A time zone is converted to UTC. Entries that are no dates raise an error.
    """
    if hasattr(column, "iloc") and getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert(None)
    dates = np.asarray(column)
    if dates.dtype.kind not in "mM":
        entries = [None if is_missing(entry) else in_utc(entry) for entry in dates.tolist()]
        durations = any(isinstance(entry, datetime.timedelta) for entry in entries)
        dates = np.array(entries, dtype="m8[us]" if durations else "M8[us]")
    return dates.astype(f"{dates.dtype.kind}8[us]")


def in_utc(entry):
    """Return a date without a time zone, in UTC if it had one; a time is of the first day."""
    if getattr(entry, "tzinfo", None) is not None:
        return entry.astimezone(datetime.UTC).replace(tzinfo=None)
    if isinstance(entry, datetime.time):
        return datetime.datetime.combine(datetime.date(1970, 1, 1), entry)
    return entry
