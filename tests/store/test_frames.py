"""Between Arrow and pandas nothing is lost that the original had."""

import datetime
import decimal
import zoneinfo

import dateutil.tz
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from issodask.errors import InputError
from issodask.store.frames import from_frame, key_codes, to_frame
from issodask.store.plain import plain
from issodask.store.types import schema_of
from issodask.table.columns import Columns, Texts, Times

UTC = datetime.UTC
INSTANTS = [datetime.datetime(2025, 3, 30, 0, 30, tzinfo=UTC) + datetime.timedelta(hours=i) for i in range(4)]


def test_from_frame__without_its_index():
    frame = pd.DataFrame({"n": [1, None, 3]}, dtype=object).set_axis(pd.Index([5, 5, 7], name="who"))
    assert from_frame(frame).to_pydict() == {"n": [1, None, 3]}


def test_from_frame__numbers_as_names_are_text():
    assert from_frame(pd.DataFrame({0: [1], 1: [2]})).column_names == ["0", "1"]


def test_from_frame__names_of_several_levels_are_refused():
    frame = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")]))
    with pytest.raises(
        InputError, match=r"has column names of 2 levels, but .*: join them, such as frame.columns = "
    ) as told:
        from_frame(frame)
    namespace = {"frame": frame}
    exec(str(told.value).partition("such as ")[2], namespace)
    assert from_frame(frame).column_names == ["a_x", "b_y"]


@pytest.mark.parametrize("first", [UTC, datetime.timezone(datetime.timedelta(hours=8))])
def test_from_frame__mixed_offsets_are_utc(first):
    zones = [first, datetime.timezone(datetime.timedelta(hours=-3)), UTC, zoneinfo.ZoneInfo("Asia/Tokyo")]
    times = [time.astimezone(zone) for time, zone in zip(INSTANTS, zones, strict=True)]
    for values in (times, list(map(pd.Timestamp, times))):
        column = from_frame(pd.DataFrame({"t": pd.Series([*values, None], dtype=object)}))["t"]
        assert column.type == pa.timestamp("us", "UTC")
        assert column.to_pylist() == [*INSTANTS, None]


@pytest.mark.parametrize(
    "zone",
    [
        datetime.timezone(datetime.timedelta(hours=5, minutes=30)),
        zoneinfo.ZoneInfo("America/St_Johns"),
        dateutil.tz.gettz("Europe/Vienna"),
        dateutil.tz.tzutc(),
        "Etc/GMT+5",
    ],
)
def test_from_frame__zones_of_every_library(zone):
    times = pd.Series(INSTANTS).dt.tz_convert(zone)
    column = from_frame(pd.DataFrame({"t": times}))["t"]
    assert column.type.tz is not None
    assert [time.astimezone(UTC) for time in column.to_pylist()] == INSTANTS


EXACT = pd.Timestamp("2020-01-01 05:00:00.123456789")


@pytest.mark.parametrize(
    ("values", "type_", "found"),
    [
        ([datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1, 5)], pa.timestamp("us"), "2020-01-01 05:00:00"),
        ([None, EXACT], pa.timestamp("ns"), EXACT),
        ([datetime.date(2020, 1, 1), EXACT], pa.timestamp("ns"), EXACT),
        ([datetime.datetime(2020, 1, 1, tzinfo=UTC), EXACT.tz_localize("UTC")], pa.timestamp("ns", "UTC"), EXACT),
        ([EXACT.tz_localize("Asia/Tokyo"), pd.NaT], pa.timestamp("ns", "Asia/Tokyo"), "2019-12-31 20:00:00.123456789"),
        ([INSTANTS[0], EXACT.tz_localize("Asia/Tokyo")], pa.timestamp("ns", "UTC"), "2019-12-31 20:00:00.123456789"),
    ],
)
def test_from_frame__times_are_as_fine_as_their_finest(values, type_, found):
    column = from_frame(pd.DataFrame({"t": pd.Series(values, dtype=object)}))["t"]
    assert column.type == type_
    assert len(column) == 2
    instants = column.cast(pa.timestamp(type_.unit)).drop_null().to_pandas()
    assert pd.Timestamp(found) in instants.tolist()


def test_from_frame__exact_objects():
    frame = pd.DataFrame(
        {
            "price": [decimal.Decimal("12345678901234567890.5"), None],
            "day": [datetime.date(1500, 1, 1), None],
            "at": [datetime.time(7, 30), None],
            "n": pd.Series([2**60 + 1, None], dtype=object),
        }
    )
    table = from_frame(frame)
    assert table.to_pydict() == {name: values.tolist() for name, values in frame.items()}
    assert list(map(str, table.schema.types)) == ["decimal128(21, 1)", "date32[day]", "time64[us]", "int64"]


def test_from_frame__sparse():
    frame = pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 3]), "b": pd.arrays.SparseArray([True, False, False])})
    assert from_frame(frame).to_pydict() == {"s": [0, 0, 3], "b": [True, False, False]}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pd.Series([1, "1", 2], dtype=object), "values of several types"),
        (pd.Series([1, "1", 2], dtype=object).astype("category"), "category of mixed-integer values"),
        (pd.Series([1 + 2j]), "complex128 values"),
        (pd.Series([INSTANTS[0], datetime.datetime(2020, 1, 1)], dtype=object), "datetime values"),
        (pd.Series([INSTANTS[0], datetime.date(2020, 1, 1)], dtype=object), "values of several types"),
        (pd.Series([datetime.datetime(1500, 1, 1), EXACT], dtype=object), "values of several types"),
    ],
)
def test_from_frame__what_has_no_type_is_refused_by_name(values, found):
    with pytest.raises(InputError, match=f"column 'odd one' holds {found}"):
        from_frame(values.to_frame("odd one"))


def test_to_frame__fixed_offsets_of_time_zones():
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-01T00:00+02:00"])})
    table = from_frame(frame)
    assert table.schema.field("t").type == pa.timestamp("ns", "+02:00")
    assert to_frame(table)["t"].iloc[0] == frame["t"].iloc[0]


def test_to_frame__whole_numbers_stay_whole_and_truth_is_truth():
    table = pa.table({"n": [1, None, 2**60 + 1], "b": [True, None, False]})
    frame = to_frame(table)
    assert frame.dtypes.astype(str).tolist() == ["Int64", "object"]
    assert frame["n"].iloc[2] == 2**60 + 1
    flags = schema_of(pa.table({"n": [1], "b": [True]}))
    assert to_frame(table, flags)["b"].dtype == "boolean"


EVERY_KIND = pa.table(
    {
        "int": pa.array([1, None, 2**40]),
        "unsigned": pa.array([1, 2, 2**64 - 1], pa.uint64()),
        "float": pa.array([0.5, None, float("nan")]),
        "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("7.00")]),
        "flag": pa.array([True, False, True]),
        "flag or none": pa.array([True, None, False]),
        "text": pa.array(["a", None, ""]),
        "large": pa.array(["a", None, "b"], pa.large_string()),
        "category": pa.array(["b", None, "a"]).dictionary_encode(),
        "category of numbers": pa.array([3, None, 1]).dictionary_encode(),
        "day": pa.array([datetime.date(1500, 1, 1), None, datetime.date(2020, 1, 1)]),
        "moment": pa.array([datetime.datetime(1500, 1, 1), None, datetime.datetime(2020, 1, 1)]),
        "with a zone": pa.array([INSTANTS[0], None, INSTANTS[1]], pa.timestamp("ms", "Europe/Vienna")),
        "clock": pa.array([datetime.time(7, 30), None, datetime.time(7, 30, 1, 5)]),
        "fine clock": pa.array([1, None, 2_001], pa.time64("ns")),
        "nothing": pa.nulls(3),
    }
)


@pytest.mark.parametrize("name", EVERY_KIND.column_names)
def test_columns__the_same_from_arrow_and_from_pandas(name):
    table = EVERY_KIND.select([name])
    from_arrow = plain(table, schema_of(table))[name]
    from_pandas = Columns.of(to_frame(table))[name]
    assert type(from_arrow) is type(from_pandas)
    if isinstance(from_arrow, Texts):
        assert _texts(from_arrow) == _texts(from_pandas)
    elif isinstance(from_arrow, Times):
        assert str(from_arrow.zone) == str(from_pandas.zone)
        assert _instants(from_arrow).equals(_instants(from_pandas))
    else:
        assert np.array_equal(from_arrow.values, from_pandas.values, equal_nan=True)


def _texts(column):
    return [None if place < 0 else column.texts[place] for place in column.places]


def _instants(column):
    return pd.Series(column.ticks.view(f"datetime64[{column.unit}]").astype("datetime64[ms]"))


def test_key_codes__equal_keys_have_equal_numbers():
    chunks = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", None, "a"]).dictionary_encode()]
    codes = key_codes(pa.table({"who": pa.chunked_array(chunks)}), "who")
    assert codes.name == "who"
    assert pd.factorize(codes)[0].tolist() == [0, 1, 1, -1, 0]
    assert key_codes(pa.table({"who": [1.5, float("nan"), 1.5]}), "who").isna().tolist() == [False, True, False]
    with pytest.raises(InputError, match="the table has no column 'key' for the group key"):
        key_codes(pa.table({"who": [1]}), "key")
