"""Columns read as dates, times or durations, also from text, and the local time of time zones."""

import datetime
import re
from numbers import Number
from typing import NoReturn
from zoneinfo import ZoneInfo

import numpy as np

from sk_twolayer.preprocessing.columns import is_missing

KINDS = {
    "date": (datetime.date, np.datetime64),
    "time": (datetime.time,),
    "duration": (datetime.timedelta, np.timedelta64),
}
CONVERSIONS = {
    "date": "pd.to_datetime(X[{!r}]{})",
    "time": "pd.to_datetime(X[{!r}]{}).dt.time",
    "duration": "pd.to_timedelta(X[{!r}]{})",
}
# The text of durations in pandas, "-1 days +23:30:00", and in Python, "-1 day, 23:30:00".
DURATION = re.compile(r"(?:(-?\d+) days?,? ?)?(?:\+?(\d+):(\d\d):(\d\d(?:\.\d+)?))?")


def read_dates(column, name, kind=None):
    """Read a column of dates, times or durations.

    Parameters
    ----------
    column : ndarray, or column of a data frame
    name : str or int
        The name of the column, for errors.
    kind : {"date", "time", "duration"} or None
        What the column must hold. None takes the kind of the first entry.

    Returns
    -------
    dates : ndarray of datetime64 or timedelta64, in microseconds
        Dates with a time zone in UTC, times on the first day of 1970.
    kind : {"date", "time", "duration"} or None
        None if the column does not tell.
    zone : str or None
        The time zone.
    """
    zone = getattr(column.dtype, "tz", None) or getattr(column.dtype, "time_zone", None)
    if hasattr(column, "iloc") and zone is not None:
        column = column.dt.tz_convert(None)
    dates = np.asarray(column)
    if dates.dtype.kind in "mM":
        found = "date" if dates.dtype.kind == "M" else "duration"
        return dates.astype(f"{dates.dtype.kind}8[us]"), found, zone and str(zone)
    entries = [None if is_missing(entry) else entry for entry in dates.astype(object)]
    entries = [parsed(entry, name, kind) if isinstance(entry, str) else entry for entry in entries]
    present = [entry for entry in entries if entry is not None]
    if present and kind is None:
        kind = next((k for k, types in KINDS.items() if isinstance(present[0], types)), "date")
    for entry in present:
        if not isinstance(entry, KINDS[kind]):
            refuse(name, entry, kind)
    zones = {getattr(entry, "tzinfo", None) for entry in present if kind == "date"}
    if None in zones and len(zones) > 1:
        raise ValueError(
            f"Column {name!r} holds dates with and without a time zone. Say which time zone the "
            f"others are in, or leave it out everywhere."
        )
    zones = {str(zone) for zone in zones - {None}}
    dates = np.array([without_zone(entry) for entry in entries], dtype=dtype_of(kind))
    return dates, kind, (zones.pop() if len(zones) == 1 else "UTC") if zones else None


def dtype_of(kind):
    """Return the dtype of a kind of entries."""
    return "m8[us]" if kind == "duration" else "M8[us]"


def without_zone(entry):
    """Return a date without a time zone, in UTC if it had one; a time is of the first day."""
    if isinstance(entry, datetime.time):
        return datetime.datetime.combine(datetime.date(1970, 1, 1), entry.replace(tzinfo=None))
    if getattr(entry, "tzinfo", None) is not None:
        return entry.astimezone(datetime.UTC).replace(tzinfo=None)
    return entry


def refuse(name, entry, kind) -> NoReturn:
    """Raise an error for an entry of another kind."""
    advice = ""
    if isinstance(entry, str | Number):
        unit, scale = ("", "") if isinstance(entry, str) else (', unit="ms"', " for milliseconds")
        conversion = CONVERSIONS[kind].format(name, unit)
        advice = f" Convert the column, for example by {conversion}{scale}."
    raise ValueError(f"Column {name!r} holds {entry!r}, and {kind}s are expected.{advice}")


def parsed(text, name, kind):
    """Return the date, time or duration that a text stands for, None if it is empty."""
    text = text.strip()
    if text.lower() in ("", "nat"):
        return None
    try:
        if kind == "time":
            return datetime.time.fromisoformat(text)
        return parsed_duration(text) if kind == "duration" else parsed_date(text)
    except ValueError:
        refuse(name, text, kind or "date")


def parsed_date(text):
    """Return the date of a text in ISO format, which may leave out the day or the month."""
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        if text[4:5] not in ("", "-"):  # NumPy takes digits as a year
            raise
        return np.datetime64(text, "us")


def parsed_duration(text):
    """Return the duration of a text such as "1 days 00:30:38"."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    units = zip(("days", "hours", "minutes", "seconds"), match.groups("0"), strict=True)
    return datetime.timedelta(**{unit: float(number) for unit, number in units})


def time_zone(name):
    """Return the time zone of a name such as "Europe/Berlin" or "UTC+01:00"."""
    if name.startswith("UTC"):
        return datetime.datetime.fromisoformat(f"1970-01-01T00:00{name[3:] or 'Z'}").tzinfo
    return ZoneInfo(name)


def known_zone(name):
    """Return the name of a time zone, and UTC for a name that is unknown."""
    try:
        time_zone(name)
    except (ValueError, OSError, KeyError):
        return "UTC"
    return name


def local_time(dates, zone):
    """Return dates in UTC as a clock in a time zone shows them."""
    if zone in (None, "UTC"):
        return dates
    # The offset changes at full quarters of an hour, and years beyond these overflow.
    quarters = np.clip(dates.astype("M8[15m]"), np.datetime64("0002"), np.datetime64("9998"))
    quarters, inverse = np.unique(quarters, return_inverse=True)
    tz = time_zone(zone)
    offsets = [
        None if quarter is None else quarter.replace(tzinfo=datetime.UTC).astimezone(tz).utcoffset()
        for quarter in quarters.astype("M8[s]").astype(object)
    ]
    return dates + np.array(offsets, dtype="m8[us]")[inverse]
