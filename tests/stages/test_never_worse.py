"""A subset is never worse than as many random units of its pool, whatever the tables and the settings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.runtime import open_runtime
from issodask.stages.select import select
from tests.heard import of_records
from tests.strategies import seeds

pytestmark = pytest.mark.slow

NASTY = ["related", "one row", "no support", "other kind", "same rows"]


def nasty_rows(kind, n_rows, random, is_pool):
    """Numbers that follow one another, and what makes their weights hard to find."""
    drift = 0.5 if is_pool else 0.0
    first = random.normal(drift, 1, n_rows)
    columns = {f"month {i}": np.round(first + random.normal(drift / 4, 0.2, n_rows), 2) for i in range(5)}
    columns["copy"] = columns["month 0"]
    columns["kind"] = random.choice(["a", "b", "c"], n_rows, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(columns)
    if kind == "one row" and is_pool:
        frame.iloc[1:] = frame.iloc[random.integers(0, 2, n_rows - 1)].to_numpy()
    if kind == "no support" and is_pool:
        frame["kind"] = "d"
    if kind == "other kind" and is_pool:
        frame["month 3"] = -frame["month 3"]
    if kind == "same rows":
        frame = frame.iloc[np.zeros(n_rows, int)].reset_index(drop=True)
    return frame


@st.composite
def searches(draw):
    """Settings of any effort, time limit and oversize."""
    return SelectConfig(
        units=draw(st.sampled_from([None, 1, 30])),
        effort=draw(st.sampled_from([0.01, 1.0, 40.0])),
        time_limit_s=draw(st.sampled_from([None, None, 0.001])),
        oversize=draw(st.sampled_from([None, 1.0, 3.0, 100.0])),
        ipf_passes=draw(st.sampled_from([0, 3])),
        allow_repeats=draw(st.booleans()),
    )


@settings(max_examples=25)
@given(kind=st.sampled_from(NASTY), config=searches(), seed=seeds)
def test_select__rows_never_worse_than_random(tmp_path_factory, kind, config, seed):
    random = np.random.default_rng(seed)
    n_rows = int(random.integers(2, 60))
    tables = (
        nasty_rows(kind, n_rows, random, False),
        nasty_rows(kind, n_rows * int(random.integers(30, 40)), random, True),
    )
    with open_runtime(1, "serial") as runtime:
        out = tmp_path_factory.mktemp("rows") / "subset.parquet"
        selected = select(*tables, out, config, seed=seed % 1_000, runtime=runtime, events=Events(None))
    assert selected.accuracy >= selected.random_accuracy
    assert len(pd.read_parquet(out)) == (config.units or n_rows)


@settings(max_examples=12)
@given(kind=st.sampled_from(NASTY), config=searches(), start=st.sampled_from(["trim", "coherence"]), seed=seeds)
def test_select__groups_never_worse_than_random(tmp_path_factory, kind, config, start, seed):
    random = np.random.default_rng(seed)
    n_groups = int(random.integers(2, 40))

    def grouped(n, is_pool):
        lengths = random.integers(1, 5, n)
        rows = nasty_rows(kind, int(lengths.sum()) + 1, random, is_pool)[["month 0", "copy", "kind"]][:-1]
        return rows.assign(who=np.repeat(np.arange(n), lengths))

    tables = grouped(n_groups, False), grouped(n_groups * 30, True)
    config = config.model_copy(update={"start": start})
    with open_runtime(1, "serial") as runtime:
        out = tmp_path_factory.mktemp("groups") / "subset.parquet"
        options = {"group_key": "who", "seed": seed % 1_000, "runtime": runtime, "events": Events(None)}
        selected = select(*tables, out, config, **options)
    assert selected.accuracy >= selected.random_accuracy


def test_select__a_search_that_found_nothing_better_takes_the_random_rows(tmp_path):
    """An effort of next to nothing removes at random; of some seeds that ends below the random sample."""
    random = np.random.default_rng(3)
    tables = nasty_rows("related", 40, random, False), nasty_rows("related", 400, random, True)
    config = SelectConfig(effort=0.01, rounds="0/1", ipf_passes=0)
    reasons = {}
    with open_runtime(1, "serial") as runtime:
        for seed in range(12):
            out = tmp_path / f"{seed}.parquet"
            selected = select(*tables, out, config, seed=seed, runtime=runtime, events=Events(None))
            assert selected.accuracy >= selected.random_accuracy
            reasons.setdefault(selected.stop_reason, []).append(selected.accuracy == selected.random_accuracy)
    assert all(reasons.get("no better than random units", [True]))


@pytest.mark.parametrize(("passes", "chosen"), [(3, {"weighted", "even", "whole"}), (0, {"even", "whole"})])
def test_select__says_what_it_started_from(tmp_path, passes, chosen):
    random = np.random.default_rng(3)
    tables = nasty_rows("related", 40, random, False), nasty_rows("related", 4_000, random, True)
    heard = []
    with open_runtime(1, "serial") as runtime:
        options = {"runtime": runtime, "events": Events(None, of_records(heard.append))}
        selected = select(*tables, tmp_path / "s.parquet", SelectConfig(effort=20, ipf_passes=passes), **options)
    (told,) = [event for event in heard if event["event"] == "start"]
    assert told["chosen"] == selected.facts.start.chosen
    assert told["chosen"] in chosen
    assert told["units"] == selected.facts.start.units >= 40
    assert 40 <= selected.facts.ipf.effective_units <= 4_000
