"""Values of other types take on the original's meaning; what has no clear one is refused by name."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.table.coerce import coerce, restore, restore_frame
from issodask.table.schema import Column, Schema


def column(dtype, kind="numeric", values="text"):
    return Column("c", dtype, kind, values)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=20))
def test_restore__whole_numbers_are_exact(numbers):
    values = pd.Series(numbers, dtype="Int64")
    restored = restore(values, column("int64"))
    assert restored.dtype == ("Int64" if values.isna().any() else "int64")
    assert [None if pd.isna(number) else int(number) for number in restored] == numbers


@pytest.mark.parametrize("value", [-1, 256, 2.0**63])
def test_restore__whole_numbers_that_do_not_fit(value):
    with pytest.raises(InputError, match="which don't fit"):
        restore(pd.Series([1, value]), column("uint8"))


def test_restore__the_largest_float_does_not_fit_int64():
    with pytest.raises(InputError, match="which don't fit"):
        restore(pd.Series([2.0**63]), column("int64"))
    assert restore(pd.Series([-(2.0**63)]), column("int64")).iloc[0] == -(2**63)


def test_restore__fractions_become_whole():
    assert restore(pd.Series([1.4, 2.6, None]), column("int64")).tolist() == [1, 3, pd.NA]


def test_restore__numbers_in_text():
    assert restore(pd.Series([" 1.5", "2e3", "", None]), column("float64")).tolist()[:2] == [1.5, 2000.0]


@pytest.mark.parametrize(
    "text", ["2020-03-01", "2020-03-01 00:00:00", "2020-03-01T00:00:00Z", "2020-03-01T02:00+02:00"]
)
def test_coerce__dates_in_text(text):
    assert coerce(pd.Series([text, None]), column("datetime64[us]", "datetime")).iloc[0] == pd.Timestamp("2020-03-01")


@pytest.mark.parametrize("year", ["0001", "1500", "9999"])
def test_coerce__years_in_text(year):
    times = coerce(pd.Series([f"{year}-03-01", ""]), column("datetime64[us]", "datetime"))
    assert times.iloc[0].isoformat() == f"{year}-03-01T00:00:00"
    assert times.isna().tolist() == [False, True]


def test_coerce__other_ways_to_write_dates():
    times = coerce(pd.Series(["March 1, 2020", "2020/03/02"]), column("datetime64[ns]", "datetime"))
    assert times.dt.day.tolist() == [1, 2]


def test_coerce__dates_beyond_nanoseconds():
    old = pd.Series(np.array(["1500-01-01"], dtype="datetime64[s]"))
    with pytest.raises(InputError, match="ends in the year 2262"):
        coerce(old, column("datetime64[ns]", "datetime"))


def test_coerce__times_with_zone_as_utc_where_the_original_has_none():
    aware = pd.Series(pd.to_datetime(["2020-01-01T12:00+02:00"]))
    assert coerce(aware, column("datetime64[ns]", "datetime")).iloc[0] == pd.Timestamp("2020-01-01 10:00")


def test_restore__dates_without_time_of_day():
    times = pd.Series(pd.to_datetime(["2020-01-01 23:59", None]))
    assert restore(times, column("date", "datetime")).tolist() == [datetime.date(2020, 1, 1), None]


def test_restore__categories_of_equal_text_are_one():
    values = pd.Series([1, "1", None], dtype="category")
    assert coerce(values, column("object", "categorical")).tolist() == ["1", "1", None]


def test_restore__missing_values_of_any_kind():
    values = pd.Series(["a", None, np.nan, pd.NA, pd.NaT], dtype=object)
    assert restore(values, column("object", "categorical")).tolist() == ["a", None, None, None, None]


def test_restore_frame__original_order_without_other_columns():
    schema = Schema.from_frame(pd.DataFrame({"b": [1], "a": ["x"]}))
    frame = pd.DataFrame({"z": [0.5], "a": pd.Series(["y"], dtype="string"), "b": [2.0]})
    restored = restore_frame(frame, schema)
    assert restored.to_dict("list") == {"b": [2], "a": ["y"]}
    assert restored.dtypes.astype(str).tolist() == ["int64", "object"]
