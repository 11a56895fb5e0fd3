"""Trimming with help from workers on other hosts: the same bytes, though they join late or die on the way."""

import os
import signal

import numpy as np
import pandas as pd
import pytest

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.fitting import gains
from issodask.runtime import open_runtime
from issodask.stages import trim
from issodask.stages.select import select
from tests.heard import of_records

pytestmark = pytest.mark.slow

CONFIG = SelectConfig(aim="original", effort=600, ipf_passes=1, checkpoint_s=0.05)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with an original of 32 columns and a pool: each pick takes thousands of look-ups."""
    folder = tmp_path_factory.mktemp("world")
    for name, n_rows, tilt in (("original", 400, 0.0), ("pool", 3_200, 0.3)):
        random = np.random.default_rng(n_rows)
        factors, loadings = random.normal(tilt, 1, (n_rows, 3)), np.random.default_rng(1).normal(size=(3, 32))
        values = factors @ loadings + random.normal(size=(n_rows, 32))
        frame = pd.DataFrame(values.round(2), columns=[f"x{i}" for i in range(32)])
        frame.to_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def expected(world):
    return chosen(world, world / "serial", "serial")[0]


@pytest.fixture(autouse=True)
def _worth_help(monkeypatch):
    """However little there is to do."""
    monkeypatch.setattr(trim, "_WORTH_HELP", 0.0)
    monkeypatch.setattr(gains, "_LEAST_S", 0.0)
    monkeypatch.setattr(gains, "_WAITED_S", np.inf)
    monkeypatch.setattr(gains, "_seconds", lambda act: act() and 0.0)


def chosen(world, folder, runtime, listener=lambda record: None):
    """The bytes of the lineage, and what was told of helpers."""
    told = []

    def hear(record):
        if record["event"] == "helped":
            told.append(record["workers"])
        listener(record)

    with open_runtime(2, runtime) as opened:
        places = world / "original.parquet", world / "pool.parquet", folder / "s.parquet"
        select(*places, CONFIG, runtime=opened, events=Events(None, of_records(hear)))
    return (folder / "s.lineage.parquet").read_bytes(), told


@pytest.fixture
def as_if_elsewhere(monkeypatch):
    """The workers of this host's cluster count as those of others; so many of them at a time."""

    def do(runtime, n_now):
        kind = type("Elsewhere", (type(runtime),), {"n_elsewhere": property(lambda self: n_now())})
        monkeypatch.setattr(runtime, "__class__", kind)

    return do


def test_helped__by_nobody_here(world, tmp_path, expected):
    found, told = chosen(world, tmp_path / "threads", "threads")
    assert found == expected
    assert told == []


def test_helped__by_workers_that_join_on_the_way(world, tmp_path, expected, two_processes, as_if_elsewhere):
    n_there = [0]

    def join(record):
        if record["event"] == "trim":
            n_there[0] = 1 if record["n"] < record["of"] / 2 else 2

    as_if_elsewhere(two_processes, lambda: n_there[0])
    found, told = chosen(world, tmp_path / "join", two_processes, join)
    assert found == expected
    assert told == [1, 2]


def test_helped__by_one_that_is_killed(world, tmp_path, expected, as_if_elsewhere):
    with open_runtime(2, "processes") as runtime:
        pids = runtime.client.run(os.getpid)

        def kill(record):
            if record["event"] == "trim" and record["n"] == record["of"] * 4 // 5 and len(pids) == 2:
                os.kill(pids.popitem()[1], signal.SIGKILL)

        as_if_elsewhere(runtime, lambda: len(pids))
        found, told = chosen(world, tmp_path / "killed", runtime, kill)
    assert found == expected
    assert told[0] == 2
    assert 1 in told[1:]
