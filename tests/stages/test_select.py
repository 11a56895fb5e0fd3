"""Select, end to end: a subset of the original's shape, closer to it than chance, that says where its rows are from."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from issodask.config import SelectConfig
from issodask.errors import InputError
from issodask.report.accuracy import measure
from issodask.report.facts import Source
from issodask.runtime import open_runtime
from issodask.stages.evaluate import evaluate
from issodask.stages.select import select
from issodask.table.bins import Bins
from tests.tables import QUICK, biased_pool, mixed_table, narrow, write_pool


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with original.parquet and the parts of a pool."""
    folder = tmp_path_factory.mktemp("world")
    mixed_table().to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", biased_pool())
    return folder


@pytest.fixture
def choose(tmp_path):
    """Select with one worker and little effort; gives what `select` does and the subset."""

    def run(original, pool, **settings):
        with open_runtime(1) as runtime:
            config = QUICK.model_copy(update=settings)
            selected = select(original, pool, tmp_path / "subset.parquet", config, runtime=runtime)
        return selected, pd.read_parquet(selected.out)

    return run


def accuracy_of(original, subset):
    bins = Bins.fit(original)
    return measure(bins.encode(original), bins.encode(subset), bins.sizes, bins.names).overall


def lineage_of(selected):
    return pd.read_parquet(selected.out.with_name("subset.lineage.parquet"))


def test_select__subset_has_the_originals_shape(world, choose):
    selected, subset = choose(world / "original.parquet", world / "pool")
    original = pd.read_parquet(world / "original.parquet")
    assert len(subset) == selected.n_units == len(original)
    pd.testing.assert_series_equal(subset.dtypes, original.dtypes)


def test_select__accuracy_is_that_of_the_written_file(world, choose):
    selected, subset = choose(world / "original.parquet", world / "pool")
    assert selected.accuracy == pytest.approx(accuracy_of(mixed_table(), subset), abs=1e-9)
    assert selected.accuracy > selected.random_accuracy + 0.1


@pytest.mark.slow
def test_select__random_accuracy_is_that_of_random_rows(world, choose):
    selected, _ = choose(world / "original.parquet", world / "pool")
    drawn = [accuracy_of(mixed_table(), biased_pool().sample(600, random_state=seed)) for seed in range(5)]
    assert selected.random_accuracy == pytest.approx(np.mean(drawn), abs=0.02)


@pytest.mark.slow
def test_select__lineage_points_at_the_very_rows(world, choose):
    selected, subset = choose(world / "original.parquet", world / "pool")
    lineage = lineage_of(selected)
    assert list(lineage.columns) == ["generator", "part", "row"]
    assert lineage["generator"].isna().all()
    assert not lineage.duplicated(["part", "row"]).any()
    parts = {name: pd.read_parquet(world / "pool" / name) for name in lineage["part"].unique()}
    rows = [parts[name].iloc[[row]] for name, row in zip(lineage["part"], lineage["row"], strict=True)]
    pd.testing.assert_frame_equal(subset, pd.concat(rows, ignore_index=True))


@pytest.mark.slow
def test_select__more_effort_more_accuracy(world, choose):
    little, _ = choose(world / "original.parquet", world / "pool", effort=20)
    much, _ = choose(world / "original.parquet", world / "pool", effort=400)
    assert much.accuracy > little.accuracy


def test_select__facts_describe_the_search(world, choose):
    selected, _ = choose(world / "original.parquet", world / "pool")
    facts = selected.facts
    assert facts.pool_units == 6_000
    assert facts.lineage == (Source(None, pool_units=6_000, units=600),)
    assert set(facts.timings) == {"read", "encode", "ipf", "trim", "refine", "write", "compare"}
    assert facts.ipf.n_pairs == 21


@pytest.mark.parametrize("kind", ["pandas", "arrow", "dask"])
def test_select__tables_in_memory(choose, tmp_path, kind):
    tables = narrow(mixed_table()), narrow(biased_pool())
    if kind == "arrow":
        tables = [pa.Table.from_pandas(table) for table in tables]
    if kind == "dask":
        tables = [dd.from_pandas(table, npartitions=3) for table in tables]
    selected, subset = choose(*tables)
    expected, from_file = choose(narrow(mixed_table()), tmp_path / "subset.work" / "pool")
    assert selected.accuracy == expected.accuracy > selected.random_accuracy
    pd.testing.assert_frame_equal(subset.astype("string"), from_file.astype("string"))


def test_select__leaves_frames_as_they_are(choose):
    original, pool = narrow(mixed_table()), narrow(biased_pool())
    choose(original, pool)
    pd.testing.assert_frame_equal(original, narrow(mixed_table()))
    pd.testing.assert_frame_equal(pool, narrow(biased_pool()))


def test_select__columns_of_the_pool_in_another_order_and_more_of_them(choose):
    pool = biased_pool()
    expected, same = choose(mixed_table(), pool)
    selected, subset = choose(mixed_table(), pool.iloc[:, ::-1].assign(extra=1))
    assert selected.accuracy == expected.accuracy
    pd.testing.assert_frame_equal(subset, same)


def test_select__pool_as_large_as_the_subset(choose):
    pool = narrow(biased_pool(600))
    selected, subset = choose(narrow(mixed_table()), pool)
    pd.testing.assert_frame_equal(subset, pool)
    assert selected.accuracy == selected.random_accuracy == pytest.approx(accuracy_of(narrow(mixed_table()), pool))


@pytest.mark.parametrize("settings", [{"oversize": 1.0}, {"oversize": 100.0}, {"max_pairs": 0}, {"ipf_passes": 0}])
def test_select__any_setting_gives_the_exact_size(choose, settings):
    selected, subset = choose(narrow(mixed_table()), narrow(biased_pool()), **settings)
    assert len(subset) == 600
    assert len(lineage_of(selected).drop_duplicates()) == 600
    assert selected.accuracy > selected.random_accuracy


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 0.3])
@pytest.mark.parametrize("units", [1, 5, 31, 33, 5_999])
def test_select__few_units_and_nearly_all(choose, units, limit):
    selected, subset = choose(narrow(mixed_table()), narrow(biased_pool()), units=units, time_limit_s=limit)
    assert len(subset) == selected.n_units == units
    assert selected.accuracy >= selected.random_accuracy


@pytest.mark.parametrize("units", [599, 1_000])
def test_select__targets_between_whole_numbers(choose, units):
    original = narrow(mixed_table())
    selected, subset = choose(original, narrow(biased_pool()), units=units)
    assert len(subset) == units
    assert selected.accuracy == pytest.approx(accuracy_of(original, subset), abs=1e-3)
    assert selected.accuracy > 0.95


@pytest.mark.parametrize("n_pool", [1, 7, 100])
def test_select__repeats_fill_what_a_small_pool_can_not(choose, n_pool):
    pool = narrow(biased_pool(n_pool))
    selected, subset = choose(narrow(mixed_table()), pool, allow_repeats=True)
    lineage = lineage_of(selected)
    assert len(subset) == len(lineage) == 600
    pd.testing.assert_frame_equal(subset, pool.iloc[lineage["row"].to_numpy()].reset_index(drop=True))
    assert selected.accuracy == pytest.approx(accuracy_of(narrow(mixed_table()), subset), abs=1e-9)


def test_select__more_repeats_than_can_be_counted_are_refused(choose):
    with pytest.raises(InputError, match="at most 65,535 are possible"):
        choose(narrow(mixed_table()), narrow(biased_pool(1)), allow_repeats=True, units=70_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", mixed_table().columns)
def test_select__one_column(choose, name):
    selected, subset = choose(mixed_table()[[name]], biased_pool())
    assert list(subset.columns) == [name]
    assert selected.accuracy > 0.99


def test_select__two_columns(choose):
    selected, _ = choose(mixed_table()[["job", "wage (€)"]], biased_pool())
    assert selected.accuracy > 0.98


def test_select__constant_and_all_missing_columns(choose):
    empty = {"k": 7, "all none": None, "all nan": np.nan, "all nat": pd.NaT}
    original = narrow(mixed_table()).assign(**empty)
    selected, subset = choose(original, narrow(biased_pool()).assign(**empty))
    assert (subset["k"] == 7).all()
    assert subset[["all none", "all nan", "all nat"]].isna().all(axis=None)
    assert selected.accuracy > selected.random_accuracy


@pytest.mark.parametrize("value", [7, None])
def test_select__nothing_but_a_constant(choose, value):
    selected, subset = choose(pd.DataFrame({"k": [value] * 50}), pd.DataFrame({"k": [value] * 90}))
    assert len(subset) == 50
    assert selected.accuracy == selected.random_accuracy == 1.0
    assert selected.stop_reason == "converged"


@pytest.mark.slow
def test_select__fifty_thousand_categories(choose):
    draw = np.random.default_rng(5)
    original = pd.DataFrame({"id": [f"user {i}" for i in range(50_000)], "x": draw.normal(size=50_000)})
    pool = pd.DataFrame({"id": draw.permutation(original["id"]), "x": draw.normal(0.5, size=50_000)})
    selected, subset = choose(original, pool, units=500, effort=20)
    assert len(subset) == 500
    assert selected.accuracy > selected.random_accuracy


def test_select__names_of_any_unicode(choose):
    names = ["日本 語", "", " a\tb ", "naïve\u202e/\\", "💡.x"]
    original, pool = (frame.iloc[:, :5].set_axis(names, axis=1) for frame in (mixed_table(), biased_pool()))
    selected, subset = choose(original, pool)
    assert list(subset.columns) == names
    assert selected.accuracy > selected.random_accuracy


def test_select__dates_before_1700(choose):
    days = np.random.default_rng(3).integers(0, 30_000, 900).astype("timedelta64[D]")
    born = np.datetime64("1601-01-01", "us") + days
    selected, subset = choose(pd.DataFrame({"born": born[:300]}), pd.DataFrame({"born": born[300:]}))
    assert subset["born"].min() < pd.Timestamp("1610-01-01").as_unit("us")
    assert selected.accuracy > 0.98


AWKWARD_NAMES = [
    *(
        "self",
        "index",
        "level_0",
        "__index_level_0__",
        "data",
        "dtype",
        "name",
        "frame",
        "func",
        "group",
        "c0000",
        "m0000",
    ),
    *(
        "",
        " ",
        "a.b",
        "a ",
        "\N{SLIGHTLY SMILING FACE}",
        "long " * 500,
        "Sequence Length",
        "__KEY",
        "<b>",
        "two\nlines",
    ),
]


def awkwardly_named(n_rows, seed):
    random = np.random.default_rng(seed)
    kinds = [random.normal(size=n_rows), random.choice(["a", "b"], n_rows), random.integers(0, 9, n_rows)]
    frame = pd.concat([pd.Series(kinds[i % 3]) for i in range(len(AWKWARD_NAMES))], axis=1)
    return frame.set_axis(AWKWARD_NAMES, axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("group_key", [None, "self", "index", ""])
def test_select__columns_of_any_name(tmp_path, group_key):
    original, pool = awkwardly_named(90, 1), awkwardly_named(400, 2)
    if group_key is not None:
        original, pool = (table.drop(columns="Sequence Length") for table in (original, pool))
        original[group_key], pool[group_key] = np.arange(90) // 3, np.arange(400) // 3
    config = SelectConfig(effort=5)
    selected = select(original, pool, tmp_path / "s.parquet", config, group_key=group_key)
    subset = pd.read_parquet(selected.out)
    assert list(subset.columns) == list(original.columns)
    record = evaluate(original, subset, group_key=group_key, html_path=tmp_path / "r.html")
    assert record["issodask"]["columns"] == len(original.columns) - (group_key is not None)
