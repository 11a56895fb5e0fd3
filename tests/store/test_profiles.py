"""What an Arrow table shows of its columns, whatever their types."""

import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pytest

from issodask.store.profiles import profiles_of
from issodask.table.roles import find_role

N = 40
COLUMNS = {
    "codes": (pa.array([f"A{i:03d}" for i in range(N)]), "text", N, "id"),
    "dictionary": (pa.array(["x", "y"] * 20).dictionary_encode(), "text", 2, "category"),
    "dictionary of numbers": (pa.array(list(range(N))).dictionary_encode(), "text", N, "id"),
    "dictionary of truth": (pa.array([True, False] * 20).dictionary_encode(), "truth", 2, "category"),
    "large": (pa.array(["a"] * N, pa.large_string()), "text", 1, "constant"),
    "view": (pa.array(["a", None] * 20, pa.string_view()), "text", 1, "category"),
    "nothing": (pa.nulls(N), "text", 0, "constant"),
    "hash id": (pa.array([2**63 + 7 * i for i in range(N)], pa.uint64()), "whole number", N, "id"),
    "gaps id": (pa.array([None, *range(1, N)]), "whole number", N - 1, "number"),
    "gaps": (pa.array([None, *range(1, N)]), "whole number", N - 1, "number"),
    "gaps as floats id": (pa.array([None, float("nan"), *map(float, range(2, N))]), "number", N - 2, "id"),
    "halves id": (pa.array([0.5, *map(float, range(1, N))]), "number", 2, "number"),
    "beyond floats id": (pa.array([2.0**53, *map(float, range(1, N))]), "number", 2, "number"),
    "infinite id": (pa.array([float("inf"), *map(float, range(1, N))]), "number", 2, "number"),
    "no floats": (pa.array([None, float("nan")] * 20, pa.float64()), "number", 0, "constant"),
    "float": (pa.array([float("nan"), None, *[1.5] * (N - 2)]), "number", 1, "number"),
    "float16": (pa.array(np.arange(N), pa.float16()), "number", N, "number"),
    "decimal id": (pa.array([decimal.Decimal(i) for i in range(N)], pa.decimal128(20, 2)), "number", N, "id"),
    "long decimal id": (pa.array([decimal.Decimal(10**40 + i) for i in range(N)]), "number", 2, "number"),
    "narrow decimal": (pa.array([decimal.Decimal("1.5"), None] * 20, pa.decimal32(4, 2)), "number", 1, "number"),
    "rounded decimal": (
        pa.array([None, *map(decimal.Decimal, range(1, N))], pa.decimal64(9, 0)),
        "number",
        N - 1,
        "number",
    ),
    "truth": (pa.array([True, None] * 20), "truth", 1, "category"),
    "clock": (pa.array([dt.time(3, i) for i in range(N)]), "time", 2, "time"),
    "zone": (pa.array([dt.datetime(2020, 1, 1)] * N, pa.timestamp("us", "Europe/Vienna")), "time", 1, "constant"),
    "date": (pa.array([dt.date(2020, 1, 1 + i % 9) for i in range(N)]), "time", 2, "time"),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("n_chunks", [1, 2])
def test_profile__of_every_type(name, n_chunks):
    values, kind, n_distinct, role = COLUMNS[name]
    chunks = [values] if n_chunks == 1 else [values[: N // 2], values[N // 2 :]]
    found = profiles_of(pa.table({name: pa.chunked_array(chunks)}))[name]
    assert (found.kind, found.n_distinct) == (kind, n_distinct)
    assert found.n_values + found.n_missing == N
    assert find_role(found).role == role


def test_profile__of_groups():
    table = pa.table({"key": ["b", "a", "b", "a"], "home": ["x", "y", "x", "y"], "n": [1, 2, 3, 4]})
    found = profiles_of(table, "key")
    assert list(found) == ["home", "n"]
    assert (found["home"].n_values, found["n"].n_values) == (2, 4)
    assert (found["home"].of_group, found["n"].of_group) == (True, False)
