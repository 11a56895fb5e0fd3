"""Pools for tests of generators: made by a stand-in of the engine, or by real trainings as short as they get."""

import hashlib
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from issodask.config import GenerateConfig
from issodask.errors import LostError
from issodask.event import Event
from issodask.models.codec import GROUP
from issodask.runtime import open_runtime
from issodask.runtime.local import Serial
from issodask.stages.generate import generate
from issodask.table.groups import Groups
from tests.models.tables import sequences

ORIGINAL = pd.DataFrame(
    {"n": np.arange(200) % 7, "x": np.linspace(0, 1, 200), "flag": np.arange(200) % 3 == 0, "kind": ["a", "b"] * 100}
)
CONFIG = GenerateConfig(generators=2, part_rows=100, model="MOSTLY_AI/Small", max_epochs=1)


class Heard:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def emit(self, event: Event) -> None:
        self.events.append({name: value for name, value in event.record().items() if name != "time"})


class FakeEngine:
    """Stands in for models.mostly: counts what it is asked for, and fails where it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures: list[str] = []
        self.trains = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def train(self, table, folder, training, device, report, names_of_groups=(), on_kept=lambda: None):
        self._note(f"train {folder.name}")
        self.trains.set()
        assert self.goes_on.wait(60)
        report("train", epoch=1.0, max_epochs=1.0)
        path = folder / "workspace" / "ModelStore" / "weights"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{training} {len(table)}")
        self.table = table
        on_kept()

    def sample(self, folder, n_units, i_chunk, sampling, device):
        self._note(f"sample {folder.name}/{i_chunk}")
        seed = hashlib.sha256(f"{sampling} {i_chunk}".encode()).digest()[0]
        if GROUP not in self.table:
            return self.table.sample(n_units, replace=True, random_state=seed)
        groups = Groups.of(self.table[GROUP])
        drawn = np.random.default_rng(seed).integers(0, groups.n_groups, n_units)
        rows = self.table.iloc[groups.rows_of(drawn)]
        return rows.assign(**{GROUP: np.repeat(np.arange(n_units), groups.lengths[drawn])}).reset_index(drop=True)

    def _note(self, call):
        self.calls.append(call)
        if call in self.failures:
            self.failures.remove(call)
            raise RuntimeError(f"{call} failed")


def make(folder, config=CONFIG, original=ORIGINAL, n_units=450, seed=1, events=None, group_key=None):
    with open_runtime(1, "serial") as runtime:
        return generate(original, config, n_units, folder, seed, runtime, events, group_key)


def bytes_of(pool):
    return {part.name: pool.path(part).read_bytes() for part in pool.parts}


SEQUENCES = sequences()


UNITS_PER_CHUNK = 100 * 120 // len(SEQUENCES)


def make_groups(folder, config=CONFIG, original=SEQUENCES, n_units=150, **more):
    return make(folder, config, original, n_units, group_key="person", **more)


class DyingDriver(Serial):
    """Hands tasks out, and dies."""

    def __init__(self) -> None:
        self.tasks: list[Any] = []

    def map(self, function, items, *shared, label, exclusive=False, retries=0):
        self.tasks = list(items)
        raise LostError("the driver died")


def tasks_of_a_dead_driver(folder, config=CONFIG):
    runtime = DyingDriver()
    with pytest.raises(LostError):
        generate(ORIGINAL, config, 450, folder, 1, runtime)
    return runtime.tasks


def tree(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
