"""Dates, times and durations: their parts, their time zones, and columns of another kind."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sk_twolayer import TwoLayerClassifier
from sk_twolayer.preprocessing import DateParts, tabular_pipeline

pytestmark = pytest.mark.filterwarnings("error")

DAYS = pd.date_range("2024", periods=40, freq="31h")
X = pd.DataFrame({"day": DAYS})
DURATIONS = pd.DataFrame({"wait": pd.to_timedelta(1838.25 * np.arange(-3, 37), unit="s")})
TIMES = pd.DataFrame({"at": pd.Series(list(DAYS.time), dtype=object)})
BERLIN = pd.DataFrame({"day": pd.date_range("2024", periods=400, freq="31h", tz="Europe/Berlin")})


def parts_of_clock(stamps):
    """Return the parts of dates as Python's clock shows them."""
    epoch = datetime.datetime(1970, 1, 1)
    rows = []
    for stamp in stamps:
        clock = stamp.to_pydatetime().replace(tzinfo=None)
        days = (clock - epoch) / datetime.timedelta(days=1)
        hour = clock.hour + clock.minute / 60 + clock.second / 3600
        rows.append([days, clock.month, clock.day, clock.weekday(), hour])
    return np.array(rows)


def test_the_parts_of_dates():
    sold = [datetime.datetime(2024, 2, 29, 18, 30), datetime.datetime(1969, 12, 31, 6), None]
    X = pd.DataFrame({"sold": pd.Series(sold)})
    parts = DateParts().fit(X)
    names = [f"sold_{part}" for part in ("days", "month", "day", "weekday", "hour")]
    assert parts.get_feature_names_out().tolist() == names
    expected = [[19782 + 18.5 / 24, 2, 29, 3, 18.5], [-0.75, 12, 31, 2, 6], [np.nan] * 5]
    assert_allclose(parts.transform(X), expected)
    assert DateParts().fit(X[:1]).get_feature_names_out().tolist() == ["sold_days"]


# Columns of another kind than in fit.


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("numbers", [int, float, object, bool, "Int64", "int64[pyarrow]"])
def test_numbers_are_no_dates(numbers, frame):
    milliseconds = X["day"].astype("datetime64[ms]").astype("int64")
    sent = frame(X.assign(day=milliseconds.astype(numbers)))
    message = r"Column 'day' holds .*dates are expected.*pd.to_datetime\(X\['day'\], unit=\"ms\"\)"
    with pytest.raises(ValueError, match=message):
        DateParts().fit(X).transform(sent)
    model = tabular_pipeline(TwoLayerClassifier(3, max_iter=1)).fit(X, np.arange(40) % 2)
    with pytest.raises(ValueError, match=message):
        model.predict(sent)


def test_numbers_are_no_durations_or_times():
    with pytest.raises(ValueError, match=r"'wait' holds 7, and durations.*pd.to_timedelta\(X\["):
        DateParts().fit(DURATIONS).transform(DURATIONS.assign(wait=7))
    with pytest.raises(ValueError, match="'at' holds 7, and times are expected"):
        DateParts().fit(TIMES).transform(TIMES.assign(at=7))
    with pytest.raises(ValueError, match="Column 1 holds 7, and dates are expected"):
        DateParts().fit(np.array([[DAYS[0], DAYS[1]]], dtype=object)).transform([[DAYS[0], 7]])


def test_dates_times_and_durations_are_told_apart():
    frames = {"date": X, "duration": DURATIONS, "time": TIMES}
    for kind, fitted in frames.items():
        parts = DateParts().fit(fitted)
        assert parts.kinds_ == [kind]
        for other, frame in frames.items():
            for dtype in (None, object):
                sent = fitted.iloc[:, :0].assign(**{fitted.columns[0]: frame.iloc[:, 0].array})
                sent = sent if dtype is None else sent.astype(dtype)
                if other == kind:
                    assert_allclose(parts.transform(sent), parts.transform(fitted))
                else:
                    with pytest.raises(ValueError, match=f"holds .*, and {kind}s are expected"):
                        parts.transform(sent)


def test_text_that_is_no_date_is_named():
    for text in ("soon", "1704067200000", "17040672", "2024-13-01", "31.12.2024"):
        with pytest.raises(ValueError, match=f"'day' holds '{text}', and dates.*pd.to_datetime"):
            DateParts().fit(X).transform(X.assign(day=text))
    for text in ("soon", "7", "PT7S"):
        with pytest.raises(ValueError, match=f"'wait' holds '{text}', and dur.*pd.to_timedelta"):
            DateParts().fit(DURATIONS).transform(DURATIONS.assign(wait=text))


def test_text_in_iso_format_is_read():
    parts = DateParts().fit(X)
    for text in (X["day"].astype(str), X["day"].dt.strftime("%Y%m%dT%H%M%S")):
        assert_allclose(parts.transform(X.assign(day=text)), parts.transform(X))
    months = parts.transform(pd.DataFrame({"day": ["2024-03", "2024", "", "NaT", None]}))
    assert_array_equal(months[:, 0], [19783, 19723, np.nan, np.nan, np.nan])
    at = DateParts().fit(TIMES)
    assert_allclose(at.transform(TIMES.astype(str)), at.transform(TIMES))


def test_text_of_durations_is_read():
    parts = DateParts().fit(DURATIONS)
    expected = 1838.25 * np.arange(-3, 37)[:, None] / 86_400
    assert_allclose(parts.transform(DURATIONS), expected)
    for text in (
        DURATIONS["wait"].astype(str),
        [str(wait.to_pytimedelta()) for wait in DURATIONS["wait"]],
    ):
        assert_allclose(parts.transform(DURATIONS.assign(wait=text)), expected)
    assert_array_equal(parts.transform(DURATIONS[:1].assign(wait="3 days")), [[3]])


def test_missing_columns_are_of_every_kind():
    for fitted in (X, DURATIONS, TIMES, BERLIN):
        parts = DateParts().fit(fitted)
        for missing in (None, np.nan, pd.NaT, pd.NA, np.timedelta64("NaT")):
            sent = pd.DataFrame({fitted.columns[0]: [missing] * 2})
            assert np.isnan(parts.transform(sent)).all()
    assert DateParts().fit(pd.DataFrame({"day": [None]})).transform(X[:1])[0] == [19723]


# Time zones.


def zoned_frames():
    """Yield the dates of Berlin in the containers that know time zones."""
    yield BERLIN
    yield BERLIN.astype(object)
    yield BERLIN.astype("timestamp[us, tz=Europe/Berlin][pyarrow]")
    yield pl.DataFrame(BERLIN)


@pytest.mark.parametrize("frame", [*zoned_frames()], ids=["pandas", "object", "arrow", "polars"])
def test_the_parts_of_dates_with_a_zone_are_those_of_local_time(frame):
    parts = DateParts().fit(frame)
    assert parts.zones_ == ["Europe/Berlin"]
    expected = parts_of_clock(BERLIN["day"])
    assert expected[0, 1:].tolist() == [1, 1, 0, 0]  # midnight, not 23 hours of December
    assert_allclose(parts.transform(frame), expected)
    for zone in ("UTC", "Asia/Tokyo"):  # the same instants
        sent = pd.DataFrame({"day": BERLIN["day"].dt.tz_convert(zone)})
        assert_allclose(parts.transform(sent), expected)
        assert_allclose(parts.transform(sent.astype(str)), expected)


def test_a_zone_is_not_left_out_or_added_silently():
    naive = pd.DataFrame({"day": BERLIN["day"].dt.tz_localize(None)})
    for sent in (naive, naive.astype(object), naive.astype(str), pl.DataFrame(naive)):
        with pytest.raises(ValueError, match=r"'day' holds dates without .*tz_localize\('Europe/B"):
            DateParts().fit(BERLIN).transform(sent)
    for sent in (BERLIN, BERLIN.astype(object), BERLIN.astype(str)):
        with pytest.raises(ValueError, match=r"'day' holds dates in the .*tz_localize\(None\)"):
            DateParts().fit(naive).transform(sent)
    mixed = pd.concat([BERLIN.astype(object)[:2], naive.astype(object)[:2]])
    with pytest.raises(ValueError, match="'day' holds dates with and without a time zone"):
        DateParts().fit(mixed)


def test_fixed_offsets_several_zones_and_sentinels():
    stamps = pd.Series(pd.to_datetime(["2024-01-01T00:00+05:30", "2024-05-01T00:00+05:30"]))
    frame = pd.DataFrame({"day": stamps})
    parts = DateParts().fit(frame)
    assert_allclose(parts.transform(frame), parts_of_clock(stamps)[:, [0, 1, 3]])
    several = pd.DataFrame({"day": pd.Series([BERLIN["day"][0], stamps[1]], dtype=object)})
    in_utc = [stamp.tz_convert("UTC") for stamp in several["day"]]
    assert_allclose(DateParts().fit(several).transform(several), parts_of_clock(in_utc))
    last = pd.DataFrame({"day": pd.Series(["9999-12-31T23:59", None]).astype("M8[us, UTC]")})
    expected = [[(datetime.date(9999, 12, 31).toordinal() - 719163) + 1 + 59 / 1440], [np.nan]]
    assert_allclose(DateParts().fit(BERLIN).transform(last)[:, :1], expected)


class Ship(datetime.tzinfo):
    """A time zone that has no name in the database of time zones."""

    def utcoffset(self, date):
        return datetime.timedelta(minutes=20)

    def __str__(self):
        return "Ship"


def test_a_zone_that_zoneinfo_does_not_know_is_read_in_utc():
    on_board = [stamp.to_pydatetime().replace(tzinfo=Ship()) for stamp in DAYS]
    frame = pd.DataFrame({"day": pd.Series(on_board, dtype=object)})
    in_utc = [stamp - pd.Timedelta("20min") for stamp in DAYS]
    parts = DateParts().fit(frame)
    assert_allclose(parts.transform(frame), parts_of_clock(in_utc))
