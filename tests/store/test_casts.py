"""Values of other types take on the original's meaning, exactly; what has no clear one is refused by name."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.store.casts import cast_column, cast_table, written_table
from issodask.store.types import arrow_type, schema_of
from tests.door import as_written, schema_from


def column_of(original):
    """The column of an original with these values."""
    return schema_of(pa.table({"c": original}))["c"]


def cast(values, original):
    """Values in the type of an original: both Arrow arrays."""
    return cast_column(pa.chunked_array([values]), column_of(original)).combine_chunks()


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=20))
def test_cast__whole_numbers_in_text_are_exact(numbers):
    texts = pa.array([None if number is None else f" {number} " for number in numbers], pa.string())
    assert cast(texts, pa.array([1])).to_pylist() == numbers


ODD_WAYS = st.sampled_from(["{}", "{}.0", "+{}", " {}", "{}.4", "{}e0", "{}00E-2"])


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), ODD_WAYS), max_size=20))
def test_cast__whole_numbers_in_text_are_exact_whatever_is_beside_them(numbers):
    texts = pa.array([way.format(number) for number, way in numbers], pa.string())
    assert cast(texts, pa.array([1])).to_pylist() == [number for number, _ in numbers]


@given(st.lists(st.integers(-(2**64), 2**64), min_size=1, max_size=5), st.sampled_from(INTEGERS))
def test_cast__whole_numbers_fit_or_are_refused(numbers, wanted):
    limits = np.iinfo(wanted.to_pandas_dtype())
    values = pa.array([Decimal(number) for number in numbers], pa.decimal128(38, 0))
    if limits.min <= min(numbers) and max(numbers) <= limits.max:
        assert cast(values, pa.array([1], wanted)).to_pylist() == numbers
    else:
        with pytest.raises(InputError, match=r"'c' holds u?int.*which don't fit"):
            cast(values, pa.array([1], wanted))


@pytest.mark.parametrize("value", [-1, 256, 2.0**63, 1e300])
def test_cast__numbers_that_do_not_fit(value):
    with pytest.raises(InputError, match="which don't fit"):
        cast(pa.array([1, value]), pa.array([1], pa.uint8()))


def test_cast__the_largest_float_does_not_fit_int64():
    with pytest.raises(InputError, match="which don't fit"):
        cast(pa.array([2.0**63]), pa.array([1]))
    assert cast(pa.array([-(2.0**63)]), pa.array([1]))[0].as_py() == -(2**63)


def test_cast__whole_numbers_that_no_float_holds():
    assert cast(pa.array([2**53]), pa.array([1.0])).to_pylist() == [2.0**53]
    with pytest.raises(InputError, match="'c' holds double in the original, but here 9007199254740993"):
        cast(pa.array([2**53 + 1]), pa.array([1.0]))


def test_cast__fractions_become_whole():
    assert cast(pa.array([1.4, 2.6, None, float("nan")]), pa.array([1])).to_pylist() == [1, 3, None, None]


@pytest.mark.parametrize("wanted", [pa.decimal128(20, 2), pa.decimal256(60, 2)])
def test_cast__decimals(wanted):
    original = pa.array([Decimal("1.25")], wanted)
    assert cast(pa.array([2**55 + 1]), original).to_pylist() == [Decimal(2**55 + 1)]
    assert cast(pa.array(["1234567890123456.78", ""]), original).to_pylist() == [Decimal("1234567890123456.78"), None]
    assert cast(pa.array([Decimal("3.5")]), original).to_pylist() == [Decimal("3.50")]
    assert cast(pa.array([0.1, 2.346]), original).to_pylist() == [Decimal("0.10"), Decimal("2.35")]


def test_cast__decimals_in_text_are_exact_whatever_is_beside_them():
    texts = pa.array(["123456789012345678.91", "1.2550", "nan", "0.125", "1e2"])
    wanted = [Decimal("123456789012345678.91"), Decimal("1.26"), None, Decimal("0.12"), Decimal(100)]
    for type_ in (pa.decimal128(20, 2), pa.decimal256(60, 2)):
        assert cast(texts, pa.array([1], type_)).to_pylist() == wanted


@pytest.mark.parametrize("wanted", [pa.decimal128(20, 0), pa.decimal256(27, 2), pa.decimal64(18, 1)])
def test_cast__the_largest_decimal_comes_back_from_its_float(wanted):
    largest = Decimal((0, (9,) * wanted.precision, -wanted.scale))
    original = pa.array([largest, largest.copy_negate(), None, Decimal(1)], wanted)
    floats = pa.array([None if value is None else float(value) for value in original.to_pylist()])
    assert floats[0].as_py() > largest
    assert cast(floats, original).equals(original)
    with pytest.raises(InputError, match="which don't fit"):
        cast(pa.array([np.nextafter(floats[0].as_py(), np.inf)]), original)


def test_cast__decimals_that_do_not_fit():
    original = pa.array([Decimal("1.25")], pa.decimal128(4, 2))
    for value in (pa.array([100]), pa.array([1e9]), pa.array([Decimal("1.255")]), pa.array(["123.45"])):
        with pytest.raises(InputError, match="'c' holds decimal128"):
            cast(value, original)


@pytest.mark.parametrize(
    "text", ["2020-03-01", "2020-03-01 00:00:00", "2020-03-01T00:00:00Z", "2020-03-01T02:00+02:00"]
)
def test_cast__dates_in_text(text):
    for wanted in (pa.timestamp("us"), pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.date32()):
        times = cast(pa.array([text, None]), pa.array([None], wanted))
        assert times.type == wanted
        assert times.cast(pa.timestamp("s")).to_pylist() == [datetime.datetime(2020, 3, 1), None]


@pytest.mark.parametrize("year", ["0001", "1500", "9999"])
def test_cast__years_in_text(year):
    times = cast(pa.array([f"{year}-03-01", ""]), pa.array([None], pa.timestamp("us")))
    assert times.to_pylist() == [datetime.datetime(int(year), 3, 1), None]


def test_cast__other_ways_to_write_dates():
    times = cast(pa.array(["March 1, 2020", "2020/03/02"]), pa.array([None], pa.timestamp("ns")))
    assert [time.day for time in times.to_pylist()] == [1, 2]


def test_cast__dates_of_all_chunks_show_which_number_is_the_day():
    chunks = pa.chunked_array([["01/02/2020"], ["31/12/2020"]])
    days = cast_column(chunks, column_of(pa.array([None], pa.date32()))).to_pylist()
    assert days == [datetime.date(2020, 2, 1), datetime.date(2020, 12, 31)]
    with pytest.raises(InputError, match=r"'c' holds date32.*'01/02/2020', which is not a date whose day and month"):
        cast(pa.array(["01/02/2020"]), pa.array([None], pa.date32()))


def test_cast__dates_beyond_nanoseconds():
    with pytest.raises(InputError, match="ends in the year 2262"):
        cast(pa.array(["1500-01-01", "2020-01-01"]), pa.array([None], pa.timestamp("ns")))
    with pytest.raises(InputError, match="ends in the year 2262"):
        cast(pa.array([datetime.datetime(1500, 1, 1)]), pa.array([None], pa.timestamp("ns")))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "+05:30", "-03:00", "Etc/GMT+5"])
def test_cast__zones_keep_the_instant(zone):
    instant = datetime.datetime(2025, 3, 30, 1, 30, tzinfo=datetime.UTC)
    aware = pa.array([instant], pa.timestamp("us", zone))
    naive = pa.array([instant.replace(tzinfo=None)])
    assert cast(aware, naive).equals(naive), "UTC where the original has no zone"
    assert cast(naive, aware).equals(aware)
    assert cast(pa.array([instant], pa.timestamp("ms", "Asia/Tokyo")), aware).equals(aware)


def test_cast__times_finer_than_the_originals_are_cut():
    early = pa.array([datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999)])
    assert cast(early, pa.array([None], pa.timestamp("s"))).to_pylist() == [datetime.datetime(1969, 12, 31, 23, 59, 59)]
    assert cast(early, pa.array([None], pa.date32())).to_pylist() == [datetime.date(1969, 12, 31)]


def test_cast__times_of_day():
    wanted = pa.array([datetime.time(7, 30)], pa.time32("s"))
    assert cast(pa.array(["07:30:00", "12:00", None]), wanted).to_pylist()[1] == datetime.time(12)
    with pytest.raises(InputError, match="'soon', which is not a time of day"):
        cast(pa.array(["soon"]), wanted)
    exact = pa.array([1], pa.time64("ns"))
    assert cast(pa.array(["00:00:00.000000001"]), exact).equals(exact)


@pytest.mark.parametrize("wanted", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize(
    "found", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_cast__texts_of_every_kind(found, wanted):
    texts = ["b", None, "", "a", "b"]
    values = pa.array(texts).dictionary_encode() if found is None else pa.array(texts).cast(found)
    assert cast(values, pa.array(["x"]).cast(wanted)).to_pylist() == texts


TRUTH = pa.array([True, False])


@pytest.mark.parametrize(
    "found", [["True", "false", " TRUE ", "", None], [1, 0, 1, None, None], [1.0, 0.0, 1.0, float("nan"), None]]
)
def test_cast__truth(found):
    assert cast(pa.array(found), TRUTH).to_pylist() == [True, False, True, None, None]


@pytest.mark.parametrize(
    ("original", "found", "message"),
    [
        (pa.array([1]), pa.array(["1", "two"]), "'two', which is not a number"),
        (pa.array([1]), pa.array(["1.0", "1_000"]), "'1_000', which is not a number"),
        (pa.array([1]), pa.array(["1.0", "inf"]), "1 infinite numbers"),
        (pa.array([1]), pa.array(["1.0", "1e30"]), "which don't fit"),
        (pa.array([1.5]), pa.array(["1", "two"]).dictionary_encode(), "'two', which is not a number"),
        (pa.array([1]), pa.array([datetime.date(2020, 1, 1)]), "types disagree"),
        (TRUTH, pa.array([1.0, 2.0]), "2.0, which is not true or false"),
        (TRUTH, pa.array(["yes"]), "'yes', which is not true or false"),
        (pa.array(["a"]), pa.array([1.0]), "types disagree"),
        (pa.array(["a"]), pa.array([b"a"]), "types disagree"),
        (pa.array(["a"]), pa.array([[1]]), "types disagree"),
        (pa.array(["a"]), pa.array([datetime.date(2020, 1, 1)]), "types disagree"),
        (pa.array([datetime.date(2020, 1, 1)]), pa.array([1]), "types disagree"),
        (pa.array([datetime.date(2020, 1, 1)]), pa.array(["soon"]), "'soon', which is not a date"),
        (pa.array([datetime.time(3)]), pa.array([1]), "types disagree"),
        (pa.array([1.0]), pa.array([1.0, float("inf")]), "1 infinite numbers"),
        (pa.array([1]), pa.array([1.0, float("inf")]), "1 infinite numbers"),
        (pa.array([1.0]), pa.array(["1.0", "inf", "-inf"]), "2 infinite numbers"),
        (pa.array([1.0], pa.float32()), pa.array([1e300]), "1 infinite numbers"),
        (pa.nulls(2), pa.array([1]), "types disagree"),
    ],
)
def test_cast__disagreeing_types_name_the_column(original, found, message):
    with pytest.raises(InputError, match=f"'c'.*{message}|{message}.*'c'"):
        cast(found, original)


@pytest.mark.parametrize(
    "original",
    [pa.array([1]), pa.array([1.5]), TRUTH, pa.array(["a"]), pa.array([datetime.date(2020, 1, 1)]), pa.nulls(1)],
)
@pytest.mark.parametrize("nothing", [pa.nulls(3), pa.array([float("nan")] * 3), pa.array([None] * 3, pa.date32())])
def test_cast__columns_without_values_fit_anything(original, nothing):
    found = cast(nothing, original)
    assert len(found) == 3
    assert found.null_count == 3 or all(np.isnan(found.to_numpy(zero_copy_only=False)))


def test_written__categories_of_the_original_come_first():
    original = pa.array(["low", "high", None]).dictionary_encode()
    original = pa.DictionaryArray.from_arrays(original.indices, pa.array(["low", "high"]), ordered=True)
    schema = schema_of(pa.table({"c": original}))
    table = cast_table(pa.table({"c": ["new", "low", None, "else"]}), schema)
    written = written_table(table, schema)["c"].combine_chunks()
    assert written.type == pa.dictionary(pa.int32(), pa.string(), ordered=True)
    assert written.dictionary.to_pylist() == ["low", "high", "else", "new"]
    assert written.to_pylist() == ["new", "low", None, "else"]


@pytest.mark.parametrize("values", [[30, 10, 20], [0.5, 1.5, 1e22], [True, False]])
def test_written__categories_of_other_values(values):
    original = pd.Series([*values, None], dtype=pd.CategoricalDtype(values[::-1], ordered=True))
    schema = schema_from(original.to_frame("c"))
    assert as_written(original.to_frame("c"), schema)["c"].tolist()[:-1] == values
    assert as_written(original.to_frame("c"), schema)["c"].dtype == original.dtype
    as_text = original.map(str).astype(object).where(original.notna(), None)
    assert as_written(as_text.to_frame("c"), schema)["c"].tolist()[:-1] == values


def test_written__whole_numbers_with_new_missing_values_stay_whole_for_pandas():
    schema = schema_from(pd.DataFrame({"n": [1, 2], "flag": [True, False], "x": [1.5, 2.5]}))
    frame = pd.DataFrame({"n": [1.0, None], "flag": [None, "true"], "x": [None, 1.0]})
    assert as_written(frame, schema).dtypes.astype(str).tolist() == ["Int64", "boolean", "float64"]


@pytest.mark.parametrize("dtype", ["Int16", "UInt64", "Float32", "boolean", "string", "int64[pyarrow]"])
def test_written__dtypes_that_pandas_noted(dtype):
    frame = pd.DataFrame({"c": pd.Series([1, 0, 1]).astype(dtype if dtype != "string" else "int64").astype(dtype)})
    assert as_written(frame, schema_from(frame))["c"].dtype == frame["c"].dtype


def test_cast_table__original_order_without_other_columns():
    schema = schema_from(pd.DataFrame({"b": [1], "a": ["x"]}))
    frame = pd.DataFrame({"z": [0.5], "a": pd.Series(["y"], dtype="string"), "b": [2.0]})
    found = as_written(frame, schema)
    assert found.to_dict("list") == {"b": [2], "a": ["y"]}
    assert found.dtypes.astype(str).tolist() == ["int64", "object"]


TYPES = [
    *INTEGERS,
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.date32(), pa.date64()),
    *(pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(
        pa.timestamp(unit, zone)
        for unit in ("s", "ms", "us", "ns")
        for zone in (None, "UTC", "+05:30", "Europe/Vienna")
    ),
    *(pa.decimal32(5, 2), pa.decimal64(12, -2), pa.decimal128(38, 18), pa.decimal256(76, 0)),
    *(pa.dictionary(pa.int32(), kind, order) for kind in (pa.string(), pa.int8(), pa.float64()) for order in (0, 1)),
]


@pytest.mark.parametrize("wanted", TYPES, ids=str)
def test_arrow_type__knows_types_by_name(wanted):
    assert arrow_type(str(wanted)) == wanted
