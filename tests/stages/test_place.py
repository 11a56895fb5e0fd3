"""In how many processes a pool is made."""

import pandas as pd
import pytest

from issodask.config import GenerateConfig
from issodask.stages import place
from issodask.stages.place import PoolSize, n_processes, place_to_make
from issodask.store.tables import as_table

SMALL, LARGE = PoolSize(480_000, 10), PoolSize(10_000_000, 30)


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """Of 16 processors and 64 GB."""
    monkeypatch.setattr(place, "n_processors", lambda: 16)
    monkeypatch.setattr(place, "memory_bytes", lambda: 64_000_000_000)


@pytest.mark.parametrize(
    ("generators", "workers", "size", "expected"),
    [
        (2, None, SMALL, 2),  # one for each generator
        (1, None, SMALL, 1),
        (1, None, None, 1),
        (1, None, LARGE, 16),  # 25 minutes of sampling
        (1, 4, LARGE, 4),
        (4, 2, SMALL, 2),
        (1, None, PoolSize(1_000_000, 30), 5),  # 150 s: half a minute for each
        (1, None, PoolSize(300_000, 2_000), 3),  # no more than there are chunks
    ],
)
def test_place__more_processes_where_sampling_pays_for_them(generators, workers, size, expected):
    config = GenerateConfig(generators=generators)
    assert place_to_make(config, workers, None, size) == (expected, "processes")


def test_place__processes_fit_in_half_of_the_memory(monkeypatch):
    monkeypatch.setattr(place, "memory_bytes", lambda: 8_000_000_000)
    assert n_processes(GenerateConfig(generators=1), 16, LARGE) == 5
    assert n_processes(GenerateConfig(generators=8), 16, LARGE) == 8


def test_place__a_generator_of_ones_own_samples_by_itself():
    assert n_processes(GenerateConfig(generators=1, source="python:own:draw"), 16, LARGE) == 1


def test_place__what_is_asked_for_and_a_pool_that_is_there_stay(tmp_path):
    assert place_to_make(GenerateConfig(generators=1), 3, "tcp://host:1", LARGE) == (3, "tcp://host:1")
    assert place_to_make(GenerateConfig(source=str(tmp_path)), 3, None, LARGE) == (1, "serial")


def test_pool_size__counts_the_rows_of_groups():
    table = as_table(pd.DataFrame({"who": [1, 1, 1, 2], "x": [1, 2, 3, 4]}))
    assert PoolSize.of(table, 100, None) == PoolSize(100, 2)
    assert PoolSize.of(table, 100, "who") == PoolSize(200, 2)
