"""Dates in text: the same ones whatever their neighbours are, and none that had to be guessed."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.store.folders import find_parts
from issodask.store.subset import read_rows
from issodask.store.text_times import UnreadableError, read_clocks, read_times
from tests.door import schema_from

ZONES = [None, *(datetime.timezone(datetime.timedelta(minutes=minutes)) for minutes in (0, 120, -210))]


def ticks(texts, unit="us"):
    """Microseconds or nanoseconds since 1970, of each text."""
    times = read_times(pa.array(texts, pa.string()), unit)
    assert times.type == pa.timestamp(unit)
    return times.cast(pa.int64()).to_pylist()


def micros(time):
    utc = time.replace(tzinfo=datetime.UTC) if time.tzinfo is None else time
    return (utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


TIMES = st.datetimes(
    datetime.datetime(2, 1, 1), datetime.datetime(9998, 12, 31), timezones=st.sampled_from(ZONES), allow_imaginary=True
)


@given(st.lists(TIMES | st.none(), max_size=6), st.sampled_from("T "))
def test_read_times__iso_with_and_without_offsets_in_any_order(times, sign):
    texts = [time and time.isoformat(sign) for time in times]
    assert ticks(texts) == [time and micros(time) for time in times]


WAYS = {
    "compact": "%Y%m%d",
    "slashes": "%Y/%m/%d",
    "points": "%d.%m.%Y",
    "minutes alone": "%d.%m.%Y %H:%M",
    "day first": "%d/%m/%Y",
    "month first": "%m/%d/%Y",
    "month first, half days": "%m/%d/%Y %I:%M:%S %p",
    "dashes": "%d-%m-%Y",
    "months by name": "%B %d, %Y",
    "short months": "%d-%b-%Y %H:%M:%S",
    "mail": "%a, %d %b %Y %H:%M:%S GMT",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_read_times__other_ways_to_write_dates(way):
    times = [datetime.datetime(2020, month, day, month, 30) for month, day in ((12, 31), (1, 2), (2, 1), (3, 3))]
    found = ticks([time.strftime(way) for time in times])
    wanted = [time if "H" in way or "I" in way else time.replace(hour=0, minute=0) for time in times]
    assert found == list(map(micros, wanted))


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["01/02/2020", "03/03/2020"], "01/02/2020"),
        (["31/12/2020", "12/31/2020"], "31/12/2020"),
        (["2020-01-01", "1-2-2020"], "1-2-2020"),
    ],
)
def test_read_times__day_or_month_is_not_guessed(texts, first):
    with pytest.raises(UnreadableError) as caught:
        ticks(texts)
    assert caught.value.text == first
    assert "day and month can be told apart" in caught.value.needed


@pytest.mark.parametrize(
    "text",
    [
        *("now", "today", "NaT", "12", "2020", "1577836800", "202001311", "1e3", "20-01-05", "Marble 1, 2020"),
        *("2020-02-30", "2020-1/2", "31.13.2020"),
        *("2020-01-01-05:00", "2020-01-01 24:00", "2020-01-01 13:00 pm", "2020-01-01 0:00 am"),
    ],
)
def test_read_times__what_is_no_date(text):
    with pytest.raises(UnreadableError, match="'a date'") as caught:
        ticks(["2020-01-01", None, text])
    assert caught.value.text == text


def test_read_times__nanoseconds_where_they_are_wanted():
    texts = ["2020-01-01 00:00:00.123456789", "2020-01-01T00:00:00,1234567891Z", "1969-12-31 23:59:59.9999999"]
    assert ticks(texts, "ns") == [1577836800123456789, 1577836800123456789, -100]
    assert ticks(texts, "us") == [1577836800123456, 1577836800123456, -1]
    far = read_times(pa.array(["1500-01-01 00:00:00.5", None]), "ns")
    assert far.type == pa.timestamp("us")
    assert far.to_pylist() == [datetime.datetime(1500, 1, 1, 0, 0, 0, 500_000), None]


def test_read_clocks__to_the_nanosecond():
    found = read_clocks(pa.array(["07:30", None, "7:30:01.123456789", "11:05 PM"]))
    seconds = [27_000, None, 27_001, 83_100]
    assert found.type == pa.time64("ns")
    wanted = [None if second is None else second * 10**9 for second in seconds]
    assert found.cast(pa.int64()).to_pylist() == [wanted[0], None, wanted[2] + 123456789, wanted[3]]


@pytest.mark.parametrize("text", ["soon", "07:30+02:00", "07:30Z", "24:00", "07"])
def test_read_clocks__what_is_no_time_of_day(text):
    with pytest.raises(UnreadableError, match="'a time of day'") as caught:
        read_clocks(pa.array(["07:30", text]))
    assert caught.value.text == text


@pytest.mark.parametrize("way", ["%Y%m%d", "%d/%m/%Y", "%d-%m-%Y"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_read_rows__dates_are_read_by_all_rows_of_a_batch(tmp_path, way, ending):
    days = pd.Series(pd.date_range("2020-01-01", "2020-01-31"))
    texts, path = days.dt.strftime(way).to_frame("day"), tmp_path / f"p.{ending}"
    texts.to_csv(path, index=False) if ending == "csv" else texts.to_parquet(path)
    chosen = read_rows(
        find_parts(path)[0], schema_from(days.to_frame("day")), np.array([1, 4])
    )  # which alone leave the month open
    assert chosen["day"].to_pylist() == [days[1], days[4]]
