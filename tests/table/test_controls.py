"""Controls: intervals and values as people write them, and what is wrong with them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.stages.roles import KnownColumns
from issodask.store.plain import plain
from issodask.store.tables import as_table
from issodask.table.controls import control_of

TABLE = pd.DataFrame(
    {
        "age": [16.0, 18, 24, 25, 65, 90, np.nan],
        "county": [*"AABBCC", None],
        "since": pd.to_datetime(
            ["2020-01-05", "2020-02-01", "2020-03-31 23:59", "2021-01-01", "2021-06-01", None, "2022-02-02"],
            format="ISO8601",
        ),
        "is_new": [True, False, True, True, False, False, True],
        "perhaps": pd.Series([True, None, False, True, None, True, False], dtype="boolean"),
        "debt": [-5, -4, -1, 0, 1, 4, 5],
        "zoned": pd.date_range("2020-03-29", periods=7, freq="h", tz="Europe/Vienna"),
    }
)


def known():
    table = as_table(TABLE)
    columns = KnownColumns.of(table, None, {"zoned": "time", "debt": "number"})
    return plain(table, columns.schema), columns.schema


def control(rows, amount="count"):
    return control_of(rows, amount == "share", amount, *known())


def cells(*names, column):
    rows = [{column: name, "count": 1} for name in names]
    return control(rows).encode(known()[0]).tolist()


@pytest.mark.parametrize(
    ("column", "names", "expected"),
    [
        ("age", ["18-24", ">= 65"], [2, 0, 0, 2, 1, 1, 2]),
        ("age", ["18..24", "65+"], [2, 0, 0, 2, 1, 1, 2]),
        ("age", ["18 to 24", "(24, 65)"], [2, 0, 0, 1, 2, 2, 2]),
        ("age", ["[18, 25)", "> 25"], [2, 0, 0, 2, 1, 1, 2]),
        ("age", ["< 18", "<= 90"], None),
        ("age", ["<18", "25", ""], [0, 3, 3, 1, 3, 3, 2]),
        ("age", [18, 25.0], [2, 0, 2, 1, 2, 2, 2]),
        ("county", ["A", "C"], [0, 0, 2, 2, 1, 1, 2]),
        ("county", ["A", None], [0, 0, 2, 2, 2, 2, 1]),
        ("since", ["2020-01..2020-03", "2021"], [0, 0, 0, 1, 1, 2, 2]),
        ("since", ["2020", ">= 2021-06-01"], [0, 0, 0, 2, 1, 2, 1]),
        ("since", ["< 2020-02", "2020-03-31"], [0, 2, 1, 2, 2, 2, 2]),
        ("is_new", [True], [0, 1, 0, 0, 1, 1, 0]),
        ("is_new", ["no"], [1, 0, 1, 1, 0, 0, 1]),
        ("perhaps", ["true", ""], [0, 1, 2, 0, 1, 0, 2]),
        ("debt", ["-5--1", "-0..4"], [0, 0, 0, 1, 1, 1, 2]),
        ("zoned", ["2020-03-29 00:00..2020-03-29 01:59"], [0, 0, 1, 1, 1, 1, 1]),
    ],
)
def test_control__cells_of_units(column, names, expected):
    if expected is None:
        with pytest.raises(InputError, match="overlap"):
            cells(*names, column=column)
    else:
        assert cells(*names, column=column) == expected


def test_control__combinations():
    found = control([{"age": "18-24", "county": "A", "count": 10}, {"age": "65+", "county": "C", "count": 20}])
    assert found.encode(known()[0]).tolist() == [2, 0, 2, 2, 1, 1, 2]
    assert found.labels == ("age 18-24, county A", "age 65+, county C", "any other age and county")
    assert found.totals(100).tolist() == [10, 20, 70]


@given(st.lists(st.floats(0, 0.33), min_size=1, max_size=3), st.integers(1, 1000))
def test_control__totals_are_whole_and_near_the_shares(shares, n_units):
    found = control([{"county": name, "share": share} for name, share in zip("ABC", shares, strict=False)], "share")
    totals = found.totals(n_units)
    assert totals.sum() == n_units
    assert (np.abs(totals - found.shares(n_units) * n_units) < 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"age": "18-24", "count": 1}, {"age": "24-30", "count": 1}], "overlap"),
        ([{"age": "young", "count": 1}], "no interval of column 'age'"),
        ([{"age": "30-20", "count": 1}], "is empty"),
        ([{"since": "some day", "count": 1}], "no interval of column 'since'"),
        ([{"is_new": "perhaps", "count": 1}], "true or false"),
        ([{"cunty": "A", "count": 1}], "did you mean 'county'"),
        ([{"county": "D", "count": 1}], "no row of the original has county 'D'"),
        ([{"county": "A", "count": -1}], "whole number"),
        ([{"county": "A", "count": 1.5}], "whole number"),
        ([{"county": "A", "count": None}], "whole number"),
        ([{"county": "A", "count": 1}, {"county": "A", "count": 2}], "occurs 2 times"),
        ([], "no rows"),
        ([{"count": 1}], "one to 3"),
        ([{"age": "1", "county": "A", "is_new": True, "debt": "1", "count": 1}], "one to 3"),
    ],
)
def test_control__what_can_not_be(rows, expected):
    with pytest.raises(InputError, match=expected):
        control(rows)


def test_control__more_than_there_are_units():
    with pytest.raises(InputError, match="add up to 101, more than the 100 units"):
        control([{"county": "A", "count": 101}]).totals(100)
    with pytest.raises(InputError, match="more than 1"):
        control([{"county": "A", "share": 0.7}, {"county": "B", "share": 0.7}], "share").shares(100)


def test_control__of_an_id():
    table = as_table(TABLE.assign(person_id=[f"p{i:03}" for i in range(7)]))
    schema = KnownColumns.of(table, None, {"person_id": "id"}).schema
    values = plain(table, schema)
    with pytest.raises(InputError, match="is an id"):
        control_of([{"person_id": "p001", "count": 1}], False, "count", values, schema)
