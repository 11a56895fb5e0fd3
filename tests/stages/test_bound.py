"""The bound of a selection: true, the same on any runtime, kept, and told."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from issodask.cli import main
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.select import select
from issodask.store.files import read_json
from tests.heard import of_records
from tests.tables import QUICK, biased_panel, biased_pool, mixed_table, narrow, panel_table, write_panel, write_pool

pytestmark = pytest.mark.slow

BOUND = QUICK.model_copy(update={"bound": True})


class InterruptionError(Exception):
    pass


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A pool without smiths, though the original has many; and one of groups."""
    folder = tmp_path_factory.mktemp("world")
    original, pool = narrow(mixed_table()), narrow(biased_pool(2_000))
    original.to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", pool[pool["job"] != "smith"])
    panel_table(60, 1).to_parquet(folder / "panel.parquet")
    write_panel(folder / "groups", biased_panel(150))
    return folder


@pytest.fixture
def choose(world):
    def run(folder, config=BOUND, runtime=None, listener=None, group_key=None, seed=1):
        names = ("original.parquet", "pool") if group_key is None else ("panel.parquet", "groups")
        heard = Events(None, *([of_records(listener)] if listener else []))
        places = [world / name for name in names] + [folder / "subset.parquet"]
        with open_runtime(1) as serial:
            return select(*places, config, group_key=group_key, seed=seed, runtime=runtime or serial, events=heard)

    return run


def passes_of(heard):
    return [event for event in heard if event["event"] == "bound"]


@pytest.mark.parametrize("group_key", [None, "who"])
def test_bound__same_on_every_runtime(choose, tmp_path, runtime, group_key):
    expected = choose(tmp_path / "a", group_key=group_key)
    selected = choose(tmp_path / "b", runtime=runtime, group_key=group_key)
    assert selected.highest_accuracy == expected.highest_accuracy
    assert expected.accuracy <= expected.highest_accuracy < 1


def test_bound__counts_what_the_pool_lacks(choose, world, tmp_path):
    selected = choose(tmp_path)
    original = pd.read_parquet(world / "original.parquet")
    missing = (original["job"] == "smith").mean()
    share = (1 / 4 + 1 / 2 + 3 / 4) / 3  # of columns, pairs and triples that have a job
    assert 1 - selected.highest_accuracy >= share * missing
    assert 1 - selected.accuracy < 2 * (1 - selected.highest_accuracy)


def test_bound__is_off_unless_asked_for(choose, tmp_path):
    heard = []
    selected = choose(tmp_path, QUICK, listener=heard.append)
    assert selected.highest_accuracy is None
    assert selected.facts.objective_bound is None
    assert not passes_of(heard)


def test_bound__asked_for_later_leaves_the_search_alone(choose, tmp_path):
    before = choose(tmp_path, QUICK)
    heard = []
    after = choose(tmp_path, listener=heard.append)
    assert after.accuracy == before.accuracy
    assert {event["event"] for event in heard}.isdisjoint({"trim", "refine", "ipf"})
    assert passes_of(heard)[-1]["n"] == passes_of(heard)[-1]["of"]
    assert passes_of(heard)[-1]["bound"] == pytest.approx(1 - after.highest_accuracy)


def test_bound__is_kept_for_any_search_of_the_pool(choose, tmp_path):
    first = choose(tmp_path)
    heard = []
    again = choose(tmp_path, seed=2, listener=heard.append)
    assert again.highest_accuracy == first.highest_accuracy
    assert not passes_of(heard)
    fewer = choose(tmp_path, BOUND.model_copy(update={"units": 300}), listener=heard.append)
    assert passes_of(heard)
    assert fewer.highest_accuracy != first.highest_accuracy


def test_bound__interrupted_is_found_anew(choose, tmp_path):
    def interrupt(event):
        if event["event"] == "bound" and event["n"] == 3:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        choose(tmp_path / "a", listener=interrupt)
    assert not (tmp_path / "a" / "subset.parquet").exists()
    assert choose(tmp_path / "a").highest_accuracy == choose(tmp_path / "b").highest_accuracy


def test_bound__damaged_note_is_made_again(choose, tmp_path):
    first = choose(tmp_path)
    note = tmp_path / "subset.work" / "select" / "bound.json"
    assert read_json(note)["facts"]["bound"] == pytest.approx(1 - first.highest_accuracy)
    note.write_text("{")
    assert choose(tmp_path).highest_accuracy == first.highest_accuracy


def test_bound__cli_tells_it(world, tmp_path):
    places = ["--original", world / "original.parquet", "--pool", world / "pool", "--out", tmp_path / "s.parquet"]
    done = CliRunner().invoke(main, ["select", *map(str, places), "--bound", "--effort", "60", "--workers", "1"])
    assert done.exit_code == 0, done.output
    note = json.loads((tmp_path / "s.work" / "select" / "bound.json").read_text())
    (told,) = [line for line in done.output.splitlines() if "no subset of this pool can be more accurate" in line]
    told = float(told.split()[1].rstrip(":"))
    assert 0 <= told - (1 - note["facts"]["bound"]) <= 1e-5 + 1e-9
