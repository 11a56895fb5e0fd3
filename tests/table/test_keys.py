"""New keys: as many as needed, all different, none of the original's, and of its type."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.store.subset import as_column
from issodask.table.keys import new_keys, whole_limits
from issodask.table.schema import Schema
from tests.door import as_written, schema_from, seen

N_KEYS = 25
DAYS = pd.Series(pd.to_datetime(["1999-12-31 17:00", "2020-02-28 00:00"]))
TAKEN = {
    "int64": pd.Series([4, -7, 90]),
    "large": pd.Series([2**62 + 1, 2**62 + 3]),
    "largest": pd.Series([2**63 - 1, 0, 3]),
    "largest unsigned": pd.Series([2**64 - 1, 0, 3], dtype="uint64"),
    "negative": pd.Series([-40, -30], dtype="int16"),
    "Int64": pd.Series([4, 90], dtype="Int64"),
    "int8 that ends": pd.Series([126, 0, 5, 6], dtype="int8"),
    "uint8 that ends": pd.Series([255, 1], dtype="uint8"),
    "float": pd.Series([3.5, -1.0]),
    "float32 that ends": pd.Series([2.0**24, 3.0], dtype="float32"),
    "large float": pd.Series([1e300, 2.0]),
    "text": pd.Series(["anna", "g01", "gg3"]),
    "string": pd.Series(["g1", "x"], dtype="string"),
    "digits": pd.Series(["0012", "0013"]),
    "category": pd.Series(["g1", "b"], dtype="category"),
    "category of numbers": pd.Series([1, 11, 205], dtype="category"),
    "datetime": DAYS,
    "datetime in us": DAYS.astype("datetime64[us]"),
    "datetime with zone": DAYS.dt.tz_localize("Europe/Vienna"),
    "date": DAYS.dt.date,
    "last date": pd.Series([datetime.date(9999, 12, 31), datetime.date(1700, 1, 1)]),
    "last datetime": pd.Series(pd.to_datetime(["2262-04-11", "1700-01-03"])),
}


def key_schema(taken):
    return schema_from(taken.to_frame("key"))["key"]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.slow
def test_new_keys__unique_and_none_of_the_originals(name):
    column, taken = key_schema(TAKEN[name]), seen(TAKEN[name].to_frame("key"))["key"]
    keys = new_keys(column, taken, N_KEYS)
    assert len(keys) == keys.nunique() == N_KEYS
    if column.categories is not None:
        assert not set(keys) & set(taken)
        return
    written = as_written(keys.to_frame("key"), Schema((column,)))["key"]
    original = as_written(TAKEN[name].to_frame("key"), Schema((column,)))["key"]
    assert written.dtype == original.dtype
    assert written.notna().all()
    assert written.nunique() == N_KEYS
    assert not written.isin(original).any()
    assert isinstance(written.iloc[0], type(original.iloc[0]))


def of_bits(type_, lowest, highest):
    return st.tuples(st.just(type_), st.sets(st.integers(lowest, highest), min_size=1, max_size=9))


DAY = st.datetimes(datetime.datetime(1678, 1, 1), datetime.datetime(2261, 12, 31))
KEYS = st.one_of(
    *(of_bits(getattr(pa, f"int{bits}")(), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)),
    *(of_bits(getattr(pa, f"uint{bits}")(), 0, 2**bits - 1) for bits in (8, 16, 32, 64)),
    of_bits(pa.int64(), 2**63 - 40, 2**63 - 1),
    of_bits(pa.uint64(), 2**64 - 40, 2**64 - 1),
    of_bits(pa.dictionary(pa.int32(), pa.uint64()), 2**63, 2**64 - 1),
    of_bits(pa.dictionary(pa.int32(), pa.int8()), -128, 127),
    st.tuples(st.just(pa.float64()), st.sets(st.floats(allow_nan=False), min_size=1, max_size=9)),
    st.tuples(st.just(pa.float32()), st.sets(st.floats(allow_nan=False, width=32), min_size=1, max_size=9)),
    st.tuples(st.just(pa.decimal128(18, 2)), st.sets(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=9)),
    st.tuples(st.just(pa.string()), st.sets(st.text(st.characters(codec="utf-8")), min_size=1, max_size=9)),
    *(st.tuples(st.just(pa.timestamp(unit)), st.sets(DAY, min_size=1, max_size=9)) for unit in ("us", "ns")),
    st.tuples(st.just(pa.date32()), st.sets(st.dates(), min_size=1, max_size=9)),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(KEYS)
@example((pa.uint64(), {2**63 + 5 + i for i in range(20)}))
@example((pa.decimal128(18, 2), {decimal.Decimal("9999999999999999.99")}))
def test_new_keys__of_every_type(drawn):
    type_, values = drawn
    table = pa.table({"key": pa.array(list(values), type_)})
    column = schema_from(table)["key"]
    new = as_column(new_keys(column, seen(table)["key"], N_KEYS), column).to_pylist()
    assert len(set(new)) == N_KEYS
    assert not set(new) & set(table["key"].to_pylist())


def test_new_keys__whole_numbers_count_on():
    assert new_keys(key_schema(TAKEN["int64"]), TAKEN["int64"], 3).tolist() == [91, 92, 93]


def test_new_keys__the_smallest_free_where_the_type_ends():
    taken = TAKEN["int8 that ends"]
    assert new_keys(key_schema(taken), taken, 4).tolist() == [1, 2, 3, 4]


def test_new_keys__more_days_than_nanoseconds_reach():
    """A column of nanoseconds ends in 2262."""
    assert new_keys(key_schema(DAYS), DAYS, 150_000).min() == pd.Timestamp("1700-01-01")
    with pytest.raises(InputError, match=r"has no 300,000 values .*give it a wider type"):
        new_keys(key_schema(DAYS), DAYS, 300_000)
    assert new_keys(key_schema(TAKEN["datetime in us"]), TAKEN["datetime in us"], 300_000).is_unique


def test_new_keys__texts_of_the_originals_shape():
    assert new_keys(key_schema(TAKEN["digits"]), TAKEN["digits"], 10).str.fullmatch(r"\d{4}").all()
    patients = pd.Series([f"P-{i:04d}" for i in range(0, 9_000, 7)])
    keys = new_keys(key_schema(patients), patients, 500)
    assert keys.str.fullmatch(r"P-\d{4}").all()
    assert keys.is_monotonic_increasing
    assert keys.equals(new_keys(key_schema(patients), patients, 500))


def test_new_keys__int8_that_has_no_more():
    taken = pd.Series(np.arange(-128, 128), dtype="int8")
    with pytest.raises(InputError, match=r"'key' is int8, which has no 3 values .*give it a wider type"):
        new_keys(key_schema(taken), taken, 3)


def test_new_keys__booleans():
    taken = pd.Series([True, False])
    with pytest.raises(InputError, match="'key' is true or false, but more keys are needed"):
        new_keys(key_schema(taken), taken, 3)


@pytest.mark.parametrize("value", [datetime.time(3, 4), (1, 2)])
def test_new_keys__other_objects(value):
    column = key_schema(pd.Series(["a"]))
    with pytest.raises(InputError, match="turn them into text or numbers"):
        new_keys(type(column)(**{**vars(column), "values": type(value).__name__}), pd.Series([value]), 3)


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("int8", (-128, 127)),
        ("uint64", (0, 2**64 - 1)),
        ("float", (-(2**24), 2**24)),
        ("double", (-(2**53), 2**53)),
        ("decimal128(5, 2)", (-999, 999)),
        ("decimal256(60, 0)", (-(2**53), 2**53)),
    ],
)
def test_whole_limits__of_a_type(name, limits):
    assert whole_limits(name) == limits
