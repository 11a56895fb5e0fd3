"""The same table through every door: whatever holds it, the same rows come out, in the same types, to the digit."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from issodask.config import SelectConfig
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.evaluate import evaluate
from issodask.stages.select import select
from issodask.store.tables import to_arrow

pytestmark = pytest.mark.slow

N_ROWS, N_POOL = 200, 900
CONFIG = SelectConfig(aim="original", effort=20, ipf_passes=1)


def awkward(n_rows, seed):
    """Numbers beyond 2^53, decimals, zones, dates, flags with gaps, texts that say they are missing, a dictionary."""
    random = np.random.default_rng(seed)

    def gaps(values):
        return [None if gone else value for value, gone in zip(values, random.random(n_rows) < 0.1, strict=True)]

    start = datetime(2021, 3, 28, tzinfo=UTC)
    steps = random.integers(0, 5_000, (2, n_rows)).tolist()
    return pa.table(
        {
            "big": pa.array(gaps([2**60 + i for i in random.integers(0, 99, n_rows).tolist()]), pa.int64()),
            "small": pa.array(random.integers(0, 200, n_rows), pa.uint8()),
            "flag": pa.array(gaps((random.random(n_rows) < 0.3).tolist()), pa.bool_()),
            "when": pa.array([start + timedelta(minutes=i) for i in steps[0]], pa.timestamp("us", "Europe/Vienna")),
            "day": pa.array(gaps([date(1980, 1, 1) + timedelta(days=i) for i in steps[1]]), pa.date32()),
            "price": pa.array([Decimal(10**17 + int(i)) / 100 for i in steps[0]], pa.decimal128(20, 2)),
            "city": pa.array(random.choice(["Graz", "Linz ", "None", "nan"], n_rows).tolist(), pa.string()),
            "size": pa.array(gaps(random.choice(["S", "M", "L"], n_rows).tolist())).dictionary_encode(),
            "weight": pa.array(random.normal(size=n_rows).astype("float32"), pa.float32()),
        }
    )


ORIGINAL, POOL = awkward(N_ROWS, 1), awkward(N_POOL, 2)


def parquet(table, path):
    pq.write_table(table, path)
    return path


def folder_of_parts(table, path):
    """Two parts; each has the dictionary of its own rows."""
    path.mkdir()
    for i, rows in enumerate((table.slice(0, len(table) // 3), table.slice(len(table) // 3))):
        pq.write_table(rows.combine_chunks(), path / f"part-{i}.parquet")
    return path


def csv(table, path):
    pa.csv.write_csv(table.set_column(7, "size", table["size"].cast(pa.string())), path)
    return path


def arrow_backed(table, path):
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def with_odd_index(table, path):
    return arrow_backed(table, path).set_index(pd.Index([7] * len(table)))


DOORS = {
    "Parquet": parquet,
    "a folder": folder_of_parts,
    "Arrow": lambda table, path: table,
    "record batches": lambda table, path: pa.Table.from_batches(table.to_batches(max_chunksize=50)),
    "pandas on Arrow": arrow_backed,
    "pandas with an odd index": with_odd_index,
    "Dask": lambda table, path: dd.from_pandas(arrow_backed(table, path), npartitions=3),
    "polars": lambda table, path: pl.from_arrow(table),
}


def chosen(original, pool, folder, **more):
    out = folder / "subset.parquet"
    with open_runtime(1, "serial") as runtime:
        select(original, pool, out, CONFIG, runtime=runtime, events=Events(None), **more)
    return pq.read_table(out)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return chosen(ORIGINAL, POOL, tmp_path_factory.mktemp("expected"))


def test_expected__rows_of_the_pool_in_the_original_types(expected):
    assert expected.schema.types == ORIGINAL.schema.types
    rows = set(map(tuple, (row.values() for row in POOL.to_pylist())))
    assert {tuple(row.values()) for row in expected.to_pylist()} <= rows
    assert len(expected) == N_ROWS


@pytest.mark.parametrize("door", DOORS)
def test_select__a_pool_through_any_door_gives_the_same_rows(door, expected, tmp_path):
    subset = chosen(ORIGINAL, DOORS[door](POOL, tmp_path / "pool.parquet"), tmp_path)
    assert subset.schema.types == expected.schema.types
    assert subset.to_pylist() == expected.to_pylist()


@pytest.mark.parametrize("door", DOORS)
def test_select__an_original_through_any_door_gives_its_types(door, expected, tmp_path):
    subset = chosen(DOORS[door](ORIGINAL, tmp_path / "original.parquet"), POOL, tmp_path)
    assert subset.schema.types == expected.schema.types
    assert set(subset["big"].to_pylist()) <= set(POOL["big"].to_pylist())
    assert set(subset["price"].to_pylist()) <= set(POOL["price"].to_pylist())


def test_select__a_pool_as_csv_gives_the_same_rows(expected, tmp_path):
    subset = chosen(ORIGINAL, csv(POOL, tmp_path / "pool.csv"), tmp_path)
    assert subset.schema.types == expected.schema.types
    assert subset.to_pylist() == expected.to_pylist()


def with_values(make, n_rows, seed):
    """A table of a number, and of a column that `make` makes from whole numbers."""
    numbers = np.random.default_rng(seed).integers(0, 40_000, n_rows)
    return pa.table({"n": numbers % 50, "odd": make(numbers.tolist())})


def coded(texts, kind="string"):
    """Whole numbers as a dictionary of these texts."""
    texts = pa.array(texts, kind)
    return lambda numbers: pa.DictionaryArray.from_arrays([i % len(texts) for i in numbers], texts)


def rows_of(table):
    """The rows, with the odd column as text."""
    table = to_arrow(table)
    return set(zip(table["n"].to_pylist(), table["odd"].cast(pa.string()).to_pylist(), strict=True))


KEPT = {
    "times of day with nanoseconds": lambda numbers: pa.array([10**9 * i + i for i in numbers], pa.time64("ns")),
    "a dictionary of views": coded(["p", "q"], "string_view"),
    "a dictionary that has a null": coded(["p", None, "q"]),
    "a dictionary that has a value twice": coded(["p", "q", "p"]),
}


@pytest.mark.parametrize("name", KEPT)
def test_select__values_of_odd_types_are_kept(name, tmp_path):
    original, pool = with_values(KEPT[name], N_ROWS, 1), with_values(KEPT[name], N_POOL, 2)
    subset = chosen(original, pool, tmp_path)
    assert rows_of(subset) <= rows_of(pool)
    assert pa.types.is_dictionary(subset["odd"].type) or subset["odd"].type == original["odd"].type
    metrics = evaluate(original, tmp_path / "subset.parquet")
    assert 0.5 < metrics["issodask"]["accuracy"]["against_original"]["subset"]["overall"] <= 1


def cents(width, scale):
    return lambda numbers: pa.array([Decimal(100 * i) for i in numbers], pa.decimal128(width, scale))


REFUSED = {
    "decimals of a negative scale": (cents(7, -2), r"column 'odd' is decimal128\(7, -2\), but Parquet has no decimals"),
    "a zone that nobody knows": (
        lambda numbers: pa.array(numbers, pa.timestamp("s", "Mars/X")),
        r"column 'odd' has the time zone 'Mars/X', which is not known here: give it one of the tz database",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_select__what_can_not_be_kept_is_refused_by_name(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        chosen(with_values(make, N_ROWS, 1), with_values(make, N_POOL, 2), tmp_path)


def uuids(numbers):
    return pa.array([UUID(int=i // 400) for i in numbers], pa.uuid())


def as_texts(table):
    return table.set_column(1, "odd", pa.array(list(map(str, table["odd"].to_pylist()))))


@pytest.mark.parametrize("is_original", [True, False])
def test_select__group_keys_that_can_not_be_compared_are_refused(is_original, tmp_path):
    original, pool = with_values(uuids, N_ROWS, 1), with_values(uuids, N_POOL, 2)
    if not is_original:
        original = as_texts(original)
        pq.write_table(pool, tmp_path / "pool.parquet")
        pool = tmp_path / "pool.parquet"
    with pytest.raises(InputError, match="group keys are uuid, but numbers, dates or texts are needed: make them text"):
        chosen(original, pool, tmp_path, group_key="odd")


def test_select__a_type_that_arrow_does_not_know_is_refused_by_name(tmp_path):
    frame = pl.DataFrame({"n": [1, 2, 3], "odd": pl.Series([1, 2, 2**90], dtype=pl.Int128)})
    with pytest.raises(InputError, match=r"column 'odd' has a type that Arrow doesn't know .*: convert it"):
        chosen(frame, frame, tmp_path)


def test_select__nan_beside_na_is_missing_as_na_is(tmp_path):
    def rates(n_rows, seed):
        random = np.random.default_rng(seed)
        visits = pd.Series(random.integers(0, 40, n_rows), dtype="Int64").mask(random.random(n_rows) < 0.1)
        days = pd.Series(random.integers(0, 6, n_rows), dtype="Int64")
        return pd.DataFrame(
            {"rate": visits.mask(days == 0, 0) / days, "days": days, "sex": random.choice(["f", "m"], n_rows)}
        )

    mixed = rates(N_ROWS, 1), rates(N_POOL, 2)
    plain = [frame.assign(rate=frame["rate"].to_numpy("float64", na_value=np.nan)) for frame in mixed]
    (tmp_path / "plain").mkdir()
    found, wanted = chosen(*mixed, tmp_path).to_pandas(), chosen(*plain, tmp_path / "plain").to_pandas()
    for name in ("rate", "days"):
        values = [frame[name].to_numpy("float64", na_value=np.nan) for frame in (found, wanted)]
        assert values[0] == pytest.approx(values[1], nan_ok=True)
