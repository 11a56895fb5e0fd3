"""Aiming at the population: from end to end, for rows and groups, resumable, and the same bytes wherever it runs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.events import OddsFound, RandomScored
from issodask.runtime import open_runtime
from issodask.stages.select import select
from tests.stages.test_never_worse import NASTY, nasty_rows
from tests.strategies import seeds
from tests.tables import QUICK, biased_panel, biased_pool, mixed_table, panel_table, write_panel, write_pool

POPULATION = QUICK.model_copy(update={"aim": "population"})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    mixed_table().to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", biased_pool())
    panel_table(150, 1).to_parquet(folder / "panel.parquet")
    write_panel(folder / "panel", biased_panel(1_200))
    return folder


def selected(world, out, config=POPULATION, scheduler="serial", **more):
    with open_runtime(2, scheduler) as runtime:
        return select(world / "original.parquet", world / "pool", out, config, runtime=runtime, **more)


def groups(world, out, config=POPULATION, scheduler="serial"):
    with open_runtime(2, scheduler) as runtime:
        return select(world / "panel.parquet", world / "panel", out, config, group_key="who", runtime=runtime)


@pytest.mark.slow
def test_aim__is_told(world, tmp_path):
    found = selected(world, tmp_path / "subset.parquet")
    aim = found.facts.aim
    assert (aim.at, aim.keep) == ("population", 0.7)
    assert all(0.7 - 1e-9 <= kept <= 1 + 1e-9 for kept in aim.kept.values())
    assert aim.trees > 0
    assert 600 < aim.effective_units <= 6_000
    assert found.facts.objective < 1 - found.accuracy  # it is nearer to what it aimed at
    assert found.accuracy > found.random_accuracy + 0.01


def test_aim__at_the_original_is_as_before(world, tmp_path):
    found = selected(world, tmp_path / "subset.parquet", QUICK)
    assert found.facts.aim.at == "original"
    assert found.accuracy == 1 - found.facts.objective
    assert not (tmp_path / "subset.work" / "select" / "odds").exists()


@pytest.mark.slow
def test_aim__keeping_all_matches_the_original(world, tmp_path):
    config = POPULATION.model_copy(update={"keep": 1.0})
    found = selected(world, tmp_path / "subset.parquet", config)
    assert found.facts.objective == pytest.approx(1 - found.accuracy, abs=1e-4)  # targets are in parts of a row


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["threads", "processes"], indirect=True)
def test_aim__same_bytes_wherever_it_runs(world, tmp_path, runtime):
    for choose, name in ((selected, "rows"), (groups, "groups")):
        once, again = tmp_path / f"{name}.parquet", tmp_path / f"{name} again.parquet"
        choose(world, once)
        choose(world, again, scheduler=runtime)
        assert once.read_bytes() == again.read_bytes()


def test_aim__of_groups(world, tmp_path):
    found = groups(world, tmp_path / "subset.parquet")
    assert found.facts.aim.trees > 0
    assert set(found.facts.aim.kept) >= {"univariate", "successors"}
    assert found.accuracy > found.random_accuracy
    assert pd.read_parquet(found.out).who.nunique() == 150


def test_aim__odds_are_found_once(world, tmp_path):
    told = []
    for _ in range(2):
        selected(world, tmp_path / "subset.parquet", events=Events(None, told.append), folder=tmp_path / "work")
    assert len([event for event in told if isinstance(event, OddsFound)]) == 1


@pytest.mark.slow
def test_aim__odds_that_were_damaged_are_found_again(world, tmp_path):
    out, told = tmp_path / "subset.parquet", []
    selected(world, out, folder=tmp_path / "work")
    before = out.read_bytes()
    path = next((tmp_path / "work" / "select" / "odds").glob("*.npy"))
    path.write_bytes(path.read_bytes()[:-8])
    selected(world, out, folder=tmp_path / "work", events=Events(None, told.append))
    assert [event for event in told if isinstance(event, OddsFound)]
    assert out.read_bytes() == before


@pytest.mark.slow
def test_aim__another_seed_is_another_subset(world, tmp_path):
    paths = [tmp_path / f"{seed}.parquet" for seed in (1, 2)]
    for seed, path in zip((1, 2), paths, strict=True):
        selected(world, path, seed=seed)
    assert paths[0].read_bytes() != paths[1].read_bytes()


@pytest.mark.slow
def test_aim__weights_favour_what_the_original_has(world, tmp_path):
    """The pool's other half is tilted, towards higher wages."""
    work = tmp_path / "work"
    found = selected(world, tmp_path / "subset.parquet", folder=work)
    odds = np.concatenate([np.load(path) for path in sorted((work / "select" / "odds").glob("*.npy"))])
    pool = pd.concat([pd.read_parquet(path) for path in sorted((world / "pool").glob("*.parquet"))])
    original = pd.read_parquet(world / "original.parquet")["wage (€)"].mean()
    weighted = np.average(pool["wage (€)"], weights=np.exp(found.facts.aim.exponent * odds))
    assert abs(weighted - original) < 0.5 * abs(pool["wage (€)"].mean() - original)


@pytest.mark.slow
@settings(max_examples=12)
@given(kind=st.sampled_from(NASTY), seed=seeds, keep=st.sampled_from([0.0, 0.35, 1.0]), passes=st.sampled_from([0, 3]))
def test_aim__never_further_from_it_than_random(tmp_path_factory, kind, seed, keep, passes):
    random = np.random.default_rng(seed)
    n_rows = int(random.integers(2, 60))
    original = nasty_rows(kind, n_rows, random, False)
    pool = nasty_rows(kind, n_rows * int(random.integers(1, 12)), random, True)
    out = tmp_path_factory.mktemp("nasty") / "subset.parquet"
    config = SelectConfig(aim="population", keep=keep, effort=20.0, ipf_passes=passes)
    told = []
    with open_runtime(1, "serial") as runtime:
        found = select(original, pool, out, config, runtime=runtime, events=Events(None, told.append))
    random_error = next(event.objective for event in told if isinstance(event, RandomScored))
    assert found.facts.objective <= random_error
    assert len(pd.read_parquet(out)) == n_rows
