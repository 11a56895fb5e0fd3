"""What a schema remembers of each column, and which columns it refuses."""

import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.table.schema import Schema, quoted
from tests.door import schema_from

CATEGORY = "dictionary<values={}, indices=int32, ordered=0>"


@pytest.mark.parametrize(
    ("values", "dtype", "kind", "single"),
    [
        (pd.Series([1, 2]), "int64", "numeric", "integer"),
        (pd.Series([1, None], dtype="Int8"), "int8", "numeric", "integer"),
        (pd.Series([1.5, np.nan]), "double", "numeric", "floating"),
        (pd.Series([True, False]), "bool", "numeric", "boolean"),
        (pd.Series([True, None], dtype="boolean"), "bool", "numeric", "boolean"),
        (pd.Series([True, None], dtype=object), "bool", "categorical", "boolean"),
        (pd.Series([1, None], dtype=object), "int64", "numeric", "integer"),
        (pd.Series([1.5, None], dtype=object), "double", "numeric", "floating"),
        (pd.Series(["a", None]), "string", "categorical", "text"),
        (pd.Series([None, None]), "null", "categorical", "text"),
        (pd.Series(["a", None], dtype="string"), "string", "categorical", "text"),
        (pd.Series(["a"], dtype="category"), CATEGORY.format("string"), "categorical", "text"),
        (pd.Series([1, 2], dtype="category"), CATEGORY.format("int64"), "categorical", "integer"),
        (pd.Series([datetime.time(7, 30)]), "time64[us]", "categorical", "time"),
        (pd.Series([datetime.date(1600, 1, 1)]), "date32[day]", "datetime", "text"),
        (pd.Series([datetime.datetime(1600, 1, 1)], dtype=object), "timestamp[us]", "datetime", "text"),
        (pd.Series([decimal.Decimal("1.50")]), "decimal128(3, 2)", "numeric", "floating"),
        (pd.Series(np.array(["1600"], dtype="datetime64[s]")), "timestamp[s]", "datetime", "text"),
        (pd.Series(pd.to_datetime(["2020"], utc=True)), "timestamp[ns, tz=UTC]", "datetime", "text"),
    ],
)
def test_schema__knows_type_kind_and_values(values, dtype, kind, single):
    column = schema_from(pd.DataFrame({"c": values}))["c"]
    assert (column.dtype, column.kind, column.values) == (dtype, kind, single)


def test_schema__json_round_trip():
    category = pd.Series(["b", "a"], dtype=pd.CategoricalDtype(["b", "a", "c"], ordered=True))
    schema = schema_from(pd.DataFrame({"n 1": [1, 2], "Größe": category}))
    assert schema.names == ("n 1", "Größe")
    assert schema["Größe"].categories == ("b", "a", "c")
    assert schema["Größe"].ordered
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (pd.Series([[1], [2]]), "nested"),
        (pd.Series([{"a": 1}]), "nested"),
        (pd.Series([np.array([1]), None]), "nested"),
        (pd.Series([b"a"]), "bytes"),
        (pd.Series(pd.to_timedelta([1], unit="s")), "duration"),
        (pd.Series(pd.period_range("2020", periods=2, freq="M")), "period"),
        (pd.Series(pd.cut([1, 2, 3], 2)), "category of interval"),
    ],
)
def test_schema__other_types_are_refused_by_name(values, found):
    with pytest.raises(InputError, match=rf"column 'odd one' holds {found}"):
        schema_from(pd.DataFrame({"odd one": values}))


def test_schema__duplicate_names():
    with pytest.raises(InputError, match="duplicate column names '1', 'a'"):
        schema_from(pd.DataFrame([[1, 2, 3, 4, 5]], columns=["a", "a", 1, "1", "b"]))


def test_quoted__many_names_are_counted():
    assert quoted(["a", "b", "c"], at_most=2) == "'a', 'b' and 1 more"
