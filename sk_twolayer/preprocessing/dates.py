"""Dates as numbers: the time since 1970, and the parts of a date that recur."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sk_twolayer.preprocessing.columns import columns_of
from sk_twolayer.preprocessing.read_dates import known_zone, local_time, read_dates, refuse
from sk_twolayer.sklearn_private import check_feature_names_in

PARTS = ("days", "month", "day", "weekday", "hour")


class DateParts(TransformerMixin, BaseEstimator):
    """Write dates, times and durations as numbers, in float64.

    The parts of a date are "days" since 1970-01-01, "month" (1 to 12), "day" of the month (1 to
    31), "weekday" (0 is Monday) and "hour" (0 to 24), each with its fraction where it has one.
    Parts other than "days" are left out if they are equal for all dates of `fit`. A duration has
    "days" only. A missing date has missing parts (NaN).

    Dates with a time zone are read in the local time of the zone that `fit` saw, whatever zone
    `transform` meets. A column of several zones, or of one unknown to `zoneinfo`, is read in UTC.

    `transform` takes columns of the kind that `fit` saw, or their text: dates and times in ISO
    format such as "2024-01-31T18:30", durations such as "0 days 00:30:38". It refuses numbers, as
    they do not tell their unit. It refuses dates without a time zone where `fit` saw one, and dates
    with a time zone where `fit` saw none.

    Attributes
    ----------
    parts_ : list of (int, str)
        The column and the part that each output column is.
    kinds_ : list of {"date", "time", "duration", None}
        What each column holds. None is for a column of objects that are all missing.
    zones_ : list of (str or None)
        The time zone of each column, None without one.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : ndarray of str
        The names of the columns, if they are strings.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_twolayer.preprocessing import DateParts
    >>> X = np.array([["1970-01-02T06"], ["1970-02-03T06"], ["NaT"]], dtype="datetime64[s]")
    >>> parts = DateParts().fit(X)
    >>> parts.get_feature_names_out().tolist()
    ['x0_days', 'x0_month', 'x0_day', 'x0_weekday']
    >>> parts.transform(X).tolist()
    [[1.25, 1.0, 2.0, 4.0], [33.25, 2.0, 3.0, 1.0], [nan, nan, nan, nan]]
    """

    __module__ = "sk_twolayer.preprocessing"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X, y=None):
        """Learn which parts vary.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Columns of dates, of dates with times, or of durations.
        y : None
            Ignored.

        Returns
        -------
        self : DateParts
            The fitted transformer.

        Raises
        ------
        ValueError
            If a column holds something else, or dates with and without a time zone.
        """
        validate_data(self, X, skip_check_array=True)
        self.parts_, self.kinds_, self.zones_ = [], [], []
        for j, column in enumerate(columns_of(X)):
            dates, kind, zone = read_dates(column, self._name(j))
            zone = zone and known_zone(zone)
            self.kinds_.append(kind)
            self.zones_.append(zone)
            dates = local_time(dates[~np.isnat(dates)], zone)
            recurring = PARTS[1:] if dates.dtype.kind == "M" and len(dates) else ()
            varying = [part for part in recurring if np.ptp(date_part(dates, part)) > 0]
            self.parts_ += [(j, "days"), *((j, part) for part in varying)]
        return self

    def transform(self, X):
        """Compute the parts of dates.

        Parameters
        ----------
        X : table of shape (n_samples, n_features)
            Columns of dates, of dates with times, or of durations.

        Returns
        -------
        parts : ndarray of shape (n_samples, n_parts), float64
            A column for each of `parts_`.

        Raises
        ------
        ValueError
            If a column is of another kind than in `fit`. The error names the column.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        dates = [self._read(j, column) for j, column in enumerate(columns_of(X))]
        return np.column_stack([date_part(dates[j], part) for j, part in self.parts_])

    def _name(self, j):
        """Return the name of a column, or its position."""
        return self.feature_names_in_[j] if hasattr(self, "feature_names_in_") else j

    def _read(self, j, column):
        """Return a column as `fit` read it, or raise an error if it is of another kind."""
        name, expected, fitted_zone = self._name(j), self.kinds_[j], self.zones_[j]
        dates, kind, zone = read_dates(column, name, expected)
        if expected is None or np.isnat(dates).all():
            return local_time(dates, zone and known_zone(zone))
        if kind != expected:
            refuse(name, dates[~np.isnat(dates)][0].astype(object), expected)
        if zone and not fitted_zone:
            raise ValueError(
                f"Column {name!r} holds dates in the time zone {zone}, and had no time zone in "
                f"fit. Convert them to the local time of the dates of fit, and leave the zone out: "
                f"X[{name!r}].dt.tz_convert(...).dt.tz_localize(None)."
            )
        if fitted_zone and not zone:
            raise ValueError(
                f"Column {name!r} holds dates without a time zone, and had the time zone "
                f"{fitted_zone} in fit. Say which time zone they are in: "
                f"X[{name!r}].dt.tz_localize({fitted_zone!r})."
            )
        return local_time(dates, fitted_zone)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns, such as "sold_weekday".

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            The names of the columns; None takes `feature_names_in_`, or "x0", "x1" and so on.

        Returns
        -------
        names : ndarray of str
            The name of the column and of the part.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        return np.array([f"{names[j]}_{part}" for j, part in self.parts_], dtype=object)


def date_part(dates, part):
    """Return a part of datetime64 or timedelta64 entries, in float64, NaN where missing."""
    if part == "days":
        values = dates.astype(np.int64) / 86_400e6
    elif dates.dtype.kind == "m":  # a duration where `fit` saw dates
        values = np.full(len(dates), np.nan)
    elif part == "month":
        values = dates.astype("M8[M]").astype(np.int64) % 12 + 1.0
    elif part == "day":
        values = (dates.astype("M8[D]") - dates.astype("M8[M]")).astype(np.int64) + 1.0
    elif part == "weekday":  # the first day was a Thursday
        values = (dates.astype("M8[D]").astype(np.int64) + 3) % 7 + 0.0
    else:
        values = dates.astype(np.int64) % 86_400_000_000 / 3_600e6
    return np.where(np.isnat(dates), np.nan, values)
