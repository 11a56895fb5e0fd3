"""The subset comes back in the original's names, order and dtypes, whatever the pool is made of."""

import datetime
import decimal
import errno

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.stages.roles import KnownColumns
from issodask.stages.write import read_units, write_subset
from issodask.store import parts, subset
from issodask.store.frames import to_frame
from issodask.store.pool import open_pool
from issodask.store.pool_writer import PoolWriter, seal_pool
from issodask.store.tables import as_frame, as_table, to_arrow
from issodask.table.groups import Groups
from tests.door import Binned, schema_from, seen
from tests.tables import panel_table, write_panel

N_ROWS = 60
DRAW = np.random.default_rng(1)
WORDS = DRAW.choice(["a", "b", "ü 🎓"], N_ROWS)
IS_MISSING = DRAW.random(N_ROWS) < 0.2
DAYS = pd.to_datetime("1995-01-01") + pd.to_timedelta(DRAW.integers(0, 9000, N_ROWS), unit="D")


def with_missing(values):
    return pd.Series(values, dtype=object).mask(IS_MISSING, None)


COLUMNS = {
    "int": pd.Series(DRAW.integers(0, 9, N_ROWS)),
    "small int": pd.Series(DRAW.integers(0, 9, N_ROWS), dtype="uint8"),
    "Int64 with missing": with_missing(DRAW.integers(0, 2**60, N_ROWS)).astype("Int64"),
    "float": pd.Series(DRAW.random(N_ROWS)).mask(IS_MISSING),
    "float32": pd.Series(DRAW.random(N_ROWS), dtype="float32"),
    "bool": pd.Series(DRAW.random(N_ROWS) < 0.5),
    "boolean with missing": with_missing(DRAW.random(N_ROWS) < 0.5).astype("boolean"),
    "bool objects with missing": with_missing(DRAW.random(N_ROWS) < 0.5),
    "text": with_missing(WORDS),
    "text with empties": pd.Series(np.where(IS_MISSING, "", WORDS)),
    "string": with_missing(WORDS).astype("string"),
    "category": with_missing(WORDS).astype("category"),
    "ordered category": with_missing(WORDS).astype(pd.CategoricalDtype(["b", "ü 🎓", "a", "never"], ordered=True)),
    "category of numbers": pd.Series(DRAW.integers(0, 4, N_ROWS)).astype("category"),
    "datetime": pd.Series(DAYS).mask(IS_MISSING),
    "datetime in us": pd.Series(DAYS).astype("datetime64[us]"),
    "old datetime": pd.Series(np.array(["1500-01-01", "1650-05-05", "2500-01-01"] * 20, dtype="datetime64[us]")),
    "datetime with zone": pd.Series(DAYS).dt.tz_localize("UTC").dt.tz_convert("Europe/Vienna"),
    "date": pd.Series(DAYS.date).mask(IS_MISSING, None),
    "time": with_missing([datetime.time(int(hour), 30) for hour in DRAW.integers(0, 24, N_ROWS)]),
    "all missing": pd.Series([None] * N_ROWS, dtype=object),
    "all missing float": pd.Series([np.nan] * N_ROWS),
    "constant": pd.Series(["x"] * N_ROWS),
    "spaces, dots. and ✓": pd.Series(DRAW.integers(0, 9, N_ROWS)),
}


@pytest.fixture(scope="module")
def serial():
    with open_runtime(1, "serial") as runtime:
        yield runtime


def stored(frame, path):
    frame.to_parquet(path)
    return pd.read_parquet(path)


@pytest.mark.parametrize("name", COLUMNS)
def test_write_subset__restores_dtype(tmp_path, serial, name):
    expected = stored(COLUMNS[name].to_frame(name), tmp_path / "original.parquet")
    schema = schema_from(tmp_path / "original.parquet")
    write_subset(open_pool(tmp_path / "original.parquet"), np.arange(N_ROWS), schema, tmp_path / "s.parquet", serial)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected)


@pytest.mark.parametrize("name", COLUMNS)
def test_write_subset__restores_dtype_from_csv(tmp_path, serial, name):
    # without the column of row numbers a missing value would be a blank line
    original = COLUMNS[name].to_frame(name).reset_index(drop=True).assign(row=range(N_ROWS))
    frame, schema = seen(original), schema_from(original)
    frame.to_csv(tmp_path / "pool.csv", index=False)
    write_subset(open_pool(tmp_path / "pool.csv"), np.arange(N_ROWS), schema, tmp_path / "s.parquet", serial)
    expected = frame.replace({name: {"": None}}) if name == "text with empties" else frame
    for column in ("date", "time"):
        expected = expected.assign(**{column: COLUMNS[column]}) if name == column else expected
    expected = stored(expected, tmp_path / "expected.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected)


@pytest.mark.parametrize("name", COLUMNS)
def test_write_subset__through_a_pool_of_ours(tmp_path, serial, name):
    expected = stored(COLUMNS[name].to_frame(name), tmp_path / "original.parquet")
    original = as_table(tmp_path / "original.parquet")
    schema = schema_from(original)
    with PoolWriter(tmp_path / "pool", schema, generator=3, seed=1, part_rows=25) as writer:
        writer.append(original)
    pool = seal_pool(tmp_path / "pool")
    write_subset(pool, np.arange(N_ROWS), schema, tmp_path / "s.parquet", serial)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "s.parquet"), expected)
    lineage = pd.read_parquet(tmp_path / "s.lineage.parquet")
    assert lineage["generator"].unique().tolist() == [3]
    assert lineage["row"].tolist() == [*range(25), *range(25), *range(10)]


def test_write_subset__decimals_and_dates_of_arrow(tmp_path, serial):
    table = pa.table(
        {
            "price": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("700.10")], pa.decimal128(9, 2)),
            "day": [datetime.date(1500, 1, 1), None, datetime.date(2020, 2, 29)],
            "n": pa.array([1, None, 2**60 + 1]),
        }
    )
    pq.write_table(table, tmp_path / "original.parquet")
    schema = schema_from(tmp_path / "original.parquet")
    write_subset(open_pool(tmp_path / "original.parquet"), np.arange(3), schema, tmp_path / "s.parquet", serial)
    assert pq.read_table(tmp_path / "s.parquet").cast(table.schema).equals(table)


def test_write_subset__types_of_a_generator(tmp_path, serial):
    original = pd.DataFrame(
        {
            "flag": [True, False],
            "n": [1, 2],
            "x": [1.0, 2.5],
            "kind": pd.Series(["a", "b"], dtype="category"),
            "day": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        }
    )
    pool = pd.DataFrame(
        {
            "day": pd.to_datetime(["2020-01-05", None]),
            "kind": pd.Series(["_RARE_", "b"], dtype="string"),
            "x": pd.Series([1, None], dtype="Int64"),
            "n": pd.Series([1.0, None]),
            "flag": pd.Series(["True", None], dtype="string"),
        }
    )
    pool.to_parquet(tmp_path / "pool.parquet")
    schema = schema_from(original)
    write_subset(open_pool(tmp_path / "pool.parquet"), np.arange(2), schema, tmp_path / "s.parquet", serial)
    written = pd.read_parquet(tmp_path / "s.parquet")
    assert written.dtypes.astype(str).to_dict() == {
        "flag": "boolean",
        "n": "Int64",
        "x": "float64",
        "kind": "category",
        "day": "object",
    }
    assert written["kind"].cat.categories.tolist() == ["a", "b", "_RARE_"]
    assert written["day"].tolist() == [datetime.date(2020, 1, 5), None]


@pytest.fixture
def pool(tmp_path):
    frame = pd.DataFrame({"n": range(100), "t": [f"text {i % 7}" for i in range(100)]})
    folder = tmp_path / "pool"
    folder.mkdir()
    frame[:30].to_parquet(folder / "a.parquet", row_group_size=7)
    frame[30:50].to_csv(folder / "b.csv", index=False)
    frame[50:].to_parquet(folder / "c.parquet")
    return open_pool(folder), schema_from(frame)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.integers(0, 99), min_size=1, max_size=150), max_cells=st.sampled_from([2, 22, 10**6]))
def test_write_subset__rows_in_ascending_order(tmp_path_factory, serial, ids, max_cells):
    tmp_path = tmp_path_factory.mktemp("write")
    frame = pd.DataFrame({"n": range(100), "t": [f"text {i % 7}" for i in range(100)]})
    frame[:40].to_parquet(tmp_path / "a.parquet", row_group_size=7)
    frame[40:].to_csv(tmp_path / "b.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MAX_BATCH_CELLS", max_cells)
        write_subset(open_pool(tmp_path), np.array(ids), schema_from(frame), tmp_path / "out" / "s.parquet", serial)
    written = pd.read_parquet(tmp_path / "out" / "s.parquet")
    assert written["n"].tolist() == sorted(ids)
    lineage = pd.read_parquet(tmp_path / "out" / "s.lineage.parquet")
    starts = lineage["part"].map({"a.parquet": 0, "b.csv": 40}).astype(int)
    assert (starts + lineage["row"]).tolist() == sorted(ids)
    assert lineage["generator"].isna().all()


@pytest.mark.parametrize("runtime", ["serial", "threads"])
def test_write_subset__same_ids_same_bytes(tmp_path, pool, runtime):
    ids = np.arange(0, 100, 3)
    written = []
    for i_run, order in enumerate((ids, ids[::-1])):
        out = tmp_path / f"{i_run}" / "s.parquet"
        with open_runtime(2, runtime if i_run else "serial") as opened:
            write_subset(*pool[:1], order, pool[1], out, opened)
        written.append([path.read_bytes() for path in sorted(out.parent.iterdir())])
    assert len(written[0]) == 2
    assert written[0] == written[1]


def test_write_subset__full_disk_leaves_the_earlier_subset(tmp_path, pool, serial, monkeypatch):
    out = tmp_path / "run" / "s.parquet"
    write_subset(*pool[:1], np.arange(10), pool[1], out, serial)
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}

    def half_written(table, where, **options):
        where.write_bytes(b"PAR1 and no more")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(subset.pq, "write_table", half_written)
    with pytest.raises(InputError, match=r"disk full while writing .*s\.parquet: free some space"):
        write_subset(*pool[:1], np.arange(20), pool[1], out, serial)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


def test_write_subset__units_that_are_not_there(tmp_path, pool, serial):
    with pytest.raises(InputError, match="0 to 100, but the pool has units 0 to 99"):
        write_subset(*pool[:1], np.array([0, 100]), pool[1], tmp_path / "s.parquet", serial)


def test_write_subset__name_that_is_not_parquet(tmp_path, pool, serial):
    with pytest.raises(InputError, match=r"give a name in \.parquet"):
        write_subset(*pool[:1], np.array([0]), pool[1], tmp_path / "s.csv", serial)


def test_write_subset__place_that_can_not_be_written(tmp_path, pool, serial):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"can't write .*choose another place"):
        write_subset(*pool[:1], np.array([0]), pool[1], tmp_path / "file" / "s.parquet", serial)


def test_restored__codes_as_before(tmp_path, serial):
    """What was selected by its bin is in that bin after it was written."""
    original = as_frame(pd.DataFrame({name: values.reset_index(drop=True) for name, values in COLUMNS.items()}))
    bins = Binned(original)
    generated = original.assign(
        **{
            "int": original["int"] + 0.4,
            "float": original["float"].astype("Float64"),
            "bool": original["bool"].map({True: "True", False: "False"}),
            "category": original["category"].astype("string"),
            "date": original["date"] + pd.Timedelta(hours=7),
        }
    )
    generated = generated.drop(columns="time").assign(time=original["time"].astype("string"))
    generated.to_parquet(tmp_path / "pool.parquet")
    write_subset(open_pool(tmp_path / "pool.parquet"), np.arange(N_ROWS), bins.schema, tmp_path / "s.parquet", serial)
    expected = bins.encode(generated)
    assert np.array_equal(bins.encode(as_frame(tmp_path / "s.parquet")), expected)
    assert np.array_equal(expected, bins.encode(original))


# groups


PANEL = panel_table(40, 1)
UNITS = np.array([3, 39, 17, 3, 20])


def write_groups(folder, serial, original=PANEL, pool=PANEL, units=UNITS):
    """The subset, its lineage, and the chosen groups as they lie in the pool."""
    write_panel(folder / "pool", pool)
    schema = schema_from(original)
    write_subset(open_pool(folder / "pool"), units, schema, folder / "s.parquet", serial, "who", seen(original)["who"])
    parts = [pd.read_parquet(path).assign(part=path.name) for path in sorted((folder / "pool").iterdir())]
    everything = [group for part in parts for _, group in part.groupby("who", sort=False, observed=True)]
    subset = pd.read_parquet(folder / "s.parquet")
    return subset, pd.read_parquet(folder / "s.lineage.parquet"), [everything[unit] for unit in sorted(units)]


def test_write_groups__whole_groups_in_their_order(tmp_path, serial):
    subset, _, chosen = write_groups(tmp_path, serial)
    expected = pd.concat(chosen, ignore_index=True)
    pd.testing.assert_frame_equal(subset.drop(columns="who"), expected.drop(columns=["who", "part"]))
    assert list(subset.columns) == list(PANEL.columns)
    assert subset.groupby("who", sort=False).size().tolist() == [len(group) for group in chosen]


def test_write_groups__a_unit_used_twice_has_two_keys(tmp_path, serial):
    subset, _, chosen = write_groups(tmp_path, serial, units=np.array([5, 5]))
    assert subset["who"].nunique() == 2
    n_rows = len(chosen[0])
    pd.testing.assert_frame_equal(
        subset[:n_rows].drop(columns="who"), subset[n_rows:].drop(columns="who").reset_index(drop=True)
    )


def test_write_groups__lineage_points_at_the_very_groups(tmp_path, serial):
    subset, lineage, chosen = write_groups(tmp_path, serial)
    assert list(lineage.columns) == ["generator", "part", "row", "key", "n_rows"]
    assert lineage["key"].tolist() == subset["who"].unique().tolist()
    assert lineage["n_rows"].tolist() == [len(group) for group in chosen]
    assert lineage["part"].tolist() == [group["part"].iloc[0] for group in chosen]
    assert lineage["row"].tolist() == [group.index[0] for group in chosen]
    assert lineage["generator"].isna().all()


KEYS = {
    "int64": lambda codes: pd.Series(codes),
    "int32": lambda codes: pd.Series(codes, dtype="int32"),
    "Int64": lambda codes: pd.Series(codes, dtype="Int64"),
    "float": lambda codes: pd.Series(codes / 4),
    "text": lambda codes: pd.Series(codes).map("g{:03}".format),
    "string": lambda codes: pd.Series(codes).map("g{:03}".format).astype("string"),
    "category": lambda codes: pd.Series(codes).map("g{:03}".format).astype("category"),
    "category of numbers": lambda codes: pd.Series(codes, dtype="category"),
    "datetime": lambda codes: pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(codes, unit="D")),
    "date": lambda codes: pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(codes, unit="D")).dt.date,
    "decimal that ends": lambda codes: pd.Series([decimal.Decimal(int(code)) * 5 / 2 for code in codes]),
}


@pytest.mark.slow
@pytest.mark.parametrize("in_pool", ["as in the original", "numbers"])
@pytest.mark.parametrize("name", KEYS)
def test_write_groups__new_keys_of_the_originals_type(tmp_path, serial, name, in_pool):
    numbers = pd.factorize(PANEL["who"])[0]
    keyed = stored(PANEL.assign(who=KEYS[name](numbers)), tmp_path / "original.parquet")
    original = as_table(tmp_path / "original.parquet")
    pool = PANEL.assign(who=numbers) if in_pool == "numbers" else keyed
    subset, _, chosen = write_groups(tmp_path, serial, original, pool)
    expected = keyed["who"].dtype
    assert subset["who"].dtype == expected or (
        name.startswith("category") and subset["who"].cat.categories.dtype == expected.categories.dtype
    )
    assert isinstance(subset["who"].iloc[0], type(keyed["who"].iloc[0]))
    assert subset["who"].notna().all()
    assert not set(subset["who"]) & set(keyed["who"])
    assert subset.groupby("who", sort=False, observed=True).size().tolist() == [len(group) for group in chosen]


def test_write_groups__through_a_pool_of_ours(tmp_path, serial):
    schema = schema_from(PANEL)
    with PoolWriter(tmp_path / "pool", schema, 2, seed=1, part_rows=30, group_key="who") as writer:
        writer.append(PANEL)
    pool = seal_pool(tmp_path / "pool")
    write_subset(pool, np.arange(40), schema, tmp_path / "s.parquet", serial, "who", PANEL["who"])
    subset = pd.read_parquet(tmp_path / "s.parquet")
    pd.testing.assert_frame_equal(subset.drop(columns="who"), PANEL.drop(columns="who"))
    assert set(pd.read_parquet(tmp_path / "s.lineage.parquet")["generator"]) == {2}


def test_read_units__groups_are_numbered(tmp_path, serial):
    write_panel(tmp_path / "pool", PANEL)
    pool, schema = open_pool(tmp_path / "pool"), schema_from(PANEL)
    write_subset(pool, UNITS, schema, tmp_path / "s.parquet", serial, "who", PANEL["who"])
    known = KnownColumns.of(to_arrow(PANEL), "who")
    units, subset = to_frame(read_units(pool, UNITS, known, serial)), pd.read_parquet(tmp_path / "s.parquet")
    assert units["who"].tolist() == pd.factorize(subset["who"])[0].tolist()
    pd.testing.assert_frame_equal(units.drop(columns="who"), subset.drop(columns="who"))


def test_write_groups__units_that_are_not_there(tmp_path, serial):
    with pytest.raises(InputError, match="0 to 40, but the pool has units 0 to 39"):
        write_groups(tmp_path, serial, units=np.array([0, 40]))


def test_write_groups__lineage_has_the_very_keys(tmp_path, serial):
    days = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(pd.factorize(PANEL["who"])[0], unit="D")).dt.date
    subset, lineage, _ = write_groups(tmp_path, serial, PANEL.assign(who=days))
    assert pq.read_schema(tmp_path / "s.lineage.parquet").field("key").type == pa.date32()
    joined = subset.merge(lineage, left_on="who", right_on="key")
    assert len(joined) == len(subset) == lineage["n_rows"].sum()


def test_write_groups__categories_of_the_original_are_not_told(tmp_path, serial):
    subset, lineage, _ = write_groups(tmp_path, serial, PANEL.astype({"who": "category"}))
    for keys in (subset["who"], lineage["key"]):
        assert sorted(keys.cat.categories) == sorted(keys.unique())


def test_write_groups__one_huge_group_over_row_groups(tmp_path, serial):
    lengths = np.array([1] * 2_000 + [100_000] + [2] * 1_000)
    keys = np.repeat(np.arange(len(lengths)), lengths)
    table = pd.DataFrame({"who": keys, "n": np.arange(len(keys))}).sample(frac=1, random_state=1)
    (tmp_path / "pool").mkdir()
    table.to_parquet(tmp_path / "pool" / "a.parquet", row_group_size=7_000)
    schema, groups = schema_from(table), Groups.of(table["who"])
    huge = int(groups.lengths.argmax())
    units = np.array([0, huge, groups.n_groups - 1, huge])
    write_subset(open_pool(tmp_path / "pool"), units, schema, tmp_path / "s.parquet", serial, "who", table["who"])
    subset = pd.read_parquet(tmp_path / "s.parquet")
    assert subset["n"].tolist() == table["n"].iloc[groups.rows_of(np.sort(units))].tolist()
    assert subset.groupby("who").size().tolist() == groups.lengths[np.sort(units)].tolist()


@pytest.mark.parametrize("runtime", ["serial", "threads"])
def test_write_groups__same_ids_same_bytes(tmp_path, serial, runtime):
    write_groups(tmp_path, serial)
    out = tmp_path / "other" / "s.parquet"
    with open_runtime(2, runtime) as opened:
        pool, schema = open_pool(tmp_path / "pool"), schema_from(PANEL)
        write_subset(pool, UNITS[::-1], schema, out, opened, "who", PANEL["who"])
    for name in ("s.parquet", "s.lineage.parquet"):
        assert (tmp_path / name).read_bytes() == out.with_name(name).read_bytes()
