"""Select among groups: closer to the original than chance, the same bytes on any runtime and after any interruption."""

import numpy as np
import pandas as pd
import pytest

from issodask.config import SelectConfig
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.select import select
from tests.heard import of_records
from tests.tables import biased_panel, panel_table, write_panel

TRIM = SelectConfig(effort=60, ipf_passes=2)
COHERENCE = SelectConfig(effort=320, ipf_passes=2, start="coherence")
STARTS = pytest.mark.parametrize("config", [TRIM, COHERENCE], ids=["trim", "coherence"])
SUBSET, LINEAGE = "subset.parquet", "subset.lineage.parquet"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with original.parquet and a pool of three parts."""
    folder = tmp_path_factory.mktemp("world")
    panel_table(120, 1).to_parquet(folder / "original.parquet")
    write_panel(folder / "pool", biased_panel(1_000))
    return folder


@pytest.fixture(scope="module")
def choose(world):
    """Select into a folder, with one worker unless told otherwise; gives what `select` does."""

    def run(folder, config=TRIM, runtime=None, listener=None, seed=1):
        heard = Events(None, *([of_records(listener)] if listener else []))
        places = world / "original.parquet", world / "pool", folder / SUBSET
        with open_runtime(1) as serial:
            return select(*places, config, group_key="who", seed=seed, runtime=runtime or serial, events=heard)

    return run


@pytest.fixture(scope="module")
def undisturbed(choose, tmp_path_factory):
    """Folder and outcome of a finished selection from each start; look, don't touch."""
    done = {}
    for config in (TRIM, COHERENCE):
        folder = tmp_path_factory.mktemp(config.start)
        done[config.start] = folder, choose(folder, config)
    return done


class InterruptionError(Exception):
    pass


def bytes_of(folder):
    return (folder / SUBSET).read_bytes(), (folder / LINEAGE).read_bytes()


@pytest.mark.slow
@STARTS
def test_select_groups__better_than_chance(undisturbed, config):
    _, selected = undisturbed[config.start]
    assert selected.n_units == 120
    assert selected.accuracy > selected.random_accuracy + 0.05
    assert 1 - selected.accuracy < 0.5 * (1 - selected.random_accuracy)


@STARTS
def test_select_groups__whole_groups_of_the_pool_in_the_originals_shape(undisturbed, world, config):
    folder, _ = undisturbed[config.start]
    subset, lineage = pd.read_parquet(folder / SUBSET), pd.read_parquet(folder / LINEAGE)
    original = pd.read_parquet(world / "original.parquet")
    pd.testing.assert_series_equal(subset.dtypes, original.dtypes)
    assert subset["who"].nunique() == len(lineage) == 120
    assert not set(subset["who"]) & set(original["who"])
    assert not lineage.duplicated(["part", "row"]).any()
    parts = {name: pd.read_parquet(world / "pool" / name) for name in lineage["part"].unique()}
    rows = []
    for name, row in zip(lineage["part"], lineage["row"], strict=True):
        part = parts[name]
        rows.append(part[part["who"] == part["who"][row]])
    expected = pd.concat(rows, ignore_index=True)
    pd.testing.assert_frame_equal(subset.drop(columns="who"), expected.drop(columns="who"))


@STARTS
@pytest.mark.parametrize("kind", ["one thread", "threads", "two processes"])
@pytest.mark.slow
def test_select_groups__same_bytes_on_every_runtime(choose, undisturbed, tmp_path, request, kind, config):
    if kind == "two processes":
        choose(tmp_path, config, request.getfixturevalue("two_processes"))
    else:
        with open_runtime(1 if kind == "one thread" else 2, "threads") as runtime:
            choose(tmp_path, config, runtime)
    assert bytes_of(tmp_path) == bytes_of(undisturbed[config.start][0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "moment", "fields"),
    [
        (TRIM, "encode", {"n": 2}),
        (TRIM, "trim", {"n": 200}),
        (TRIM, "refine", {"i_round": 0}),
        (COHERENCE, "preselect", {"n": 1}),
        (COHERENCE, "preselect", {"n": 3}),
        (COHERENCE, "refine", {"i_round": 2}),
    ],
)
def test_select_groups__interrupted_anywhere_same_bytes(choose, undisturbed, tmp_path, config, moment, fields):
    def interrupt(heard):
        if heard["event"] == moment and fields.items() <= heard.items():
            raise InterruptionError

    with pytest.raises(InterruptionError):
        choose(tmp_path, config.model_copy(update={"checkpoint_s": 0.0}), listener=interrupt)
    assert not (tmp_path / SUBSET).exists()
    told = []
    choose(tmp_path, config, listener=told.append)
    if moment != "encode":
        resumed = next(event for event in told if event["event"] == moment)
        assert fields.items() <= resumed.items()
    assert bytes_of(tmp_path) == bytes_of(undisturbed[config.start][0])


def test_select_groups__other_start_or_seed_other_subset(choose, undisturbed, tmp_path):
    choose(tmp_path, seed=2)
    trimmed, coherent = (bytes_of(undisturbed[start][0])[0] for start in ("trim", "coherence"))
    assert len({bytes_of(tmp_path)[0], trimmed, coherent}) == 3


def test_select_groups__coherence_first_improves_coherence(choose, undisturbed, tmp_path):
    heard = []
    choose(tmp_path, COHERENCE, listener=heard.append)
    errors = [event["coherence_error"] for event in heard if event["event"] == "preselect"]
    assert errors[-1] < 0.7 * errors[0]
    assert not {"ipf", "trim"} & {event["event"] for event in heard}


@STARTS
def test_select_groups__rounds_repeat_an_effort(choose, undisturbed, tmp_path, config):
    folder, selected = undisturbed[config.start]
    choose(tmp_path, config.model_copy(update={"rounds": selected.rounds, "effort": 1.0}))
    assert bytes_of(tmp_path) == bytes_of(folder)


def test_select_groups__too_little_memory_for_the_subset(choose, tmp_path):
    with pytest.raises(InputError, match=r"120 units of the subset take .* memory_gb is 1e-06: raise it, or lower"):
        choose(tmp_path, TRIM.model_copy(update={"memory_gb": 1e-6}))
    assert not (tmp_path / SUBSET).exists()


@pytest.mark.slow
def test_select_groups__little_memory_trims_from_fewer(choose, undisturbed, tmp_path):
    heard = []
    for exponent in np.arange(-6, 0, 0.25):
        try:
            selected = choose(tmp_path, TRIM.model_copy(update={"memory_gb": 10.0**exponent}), listener=heard.append)
            break
        except InputError:
            continue
    (told,) = [event for event in heard if event["event"] == "memory"]
    assert 120 <= told["fitting"] < told["wanted"]
    assert selected.n_units == 120
    assert selected.accuracy > selected.random_accuracy


def test_select_groups__pool_in_memory(choose, tmp_path):
    with open_runtime(1) as runtime:
        tables = panel_table(40, 1), biased_panel(200)
        selected = select(*tables, tmp_path / SUBSET, TRIM, group_key="who", runtime=runtime)
    assert pd.read_parquet(tmp_path / SUBSET)["who"].nunique() == selected.n_units == 40
    assert selected.accuracy > selected.random_accuracy


def test_select__a_value_that_only_undrawn_rows_of_the_original_have(tmp_path):
    random = np.random.default_rng(1)
    pool = pd.DataFrame({"who": np.arange(12_000) // 100, "a": random.choice([*"xyz"], 12_000)})
    original = pool[pool["who"] < 60].copy()
    original.loc[original.index[1], "a"] = None  # bins are found in some rows of each group, and this is none of them
    with open_runtime(1) as serial:
        selected = select(original, pool, tmp_path / SUBSET, SelectConfig(effort=5), group_key="who", runtime=serial)
    assert selected.random_accuracy <= selected.accuracy < 1
