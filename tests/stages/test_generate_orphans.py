"""Tasks that outlive their driver, workers that die, runs that die at any moment: no byte changes."""

import os
import shutil
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from distributed import Client

from issodask.config import GenerateConfig
from issodask.errors import LostError
from issodask.event import Event
from issodask.models import mostly
from issodask.models.progress_log import read_progress
from issodask.runtime import open_runtime
from issodask.runtime.base import attempt
from issodask.stages import generator_task
from issodask.stages.chunk_work import make_chunk
from issodask.stages.generate import generate
from issodask.stages.generator_task import AbandonedError, ChunkTask
from issodask.stages.generator_work import make_share
from tests.models.dying import died
from tests.models.in_legs import InLegs
from tests.stages.generating import (
    CONFIG,
    ORIGINAL,
    DyingDriver,
    FakeEngine,
    Heard,
    bytes_of,
    make,
    make_groups,
    tasks_of_a_dead_driver,
    tree,
)


class Killer(Heard):
    """Kills the worker that trains, once, after its third epoch."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.killed: int | None = None
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        super().emit(event)
        with self._lock:
            if self.killed is None and self.events[-1].get("epoch", 0) >= 3:
                self.killed = read_progress(self.folder)[0]["pid"]
                os.kill(self.killed, signal.SIGKILL)


@pytest.mark.training
def test_generate__killed_worker_changes_no_byte(tmp_path):
    """A real training in a worker process, which dies in its second leg."""
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=6, batch_size=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mostly, "epochs_per_leg", lambda _: 2)
        undisturbed = bytes_of(make(tmp_path / "undisturbed", config, n_units=1000))
    folder = tmp_path / "killed/generators/00"
    killer = Killer(folder)
    with open_runtime(1, "processes") as runtime:
        runtime.client.register_plugin(InLegs(2))
        pool = generate(ORIGINAL, config, 1000, tmp_path / "killed", 1, runtime, killer)
    progress = read_progress(folder)
    starts = [i for i, record in enumerate(progress) if record["phase"] == "start"]
    assert len(starts) == 2
    assert progress[starts[0]]["pid"] == killer.killed != progress[starts[1]]["pid"]
    assert next(record["epoch"] for record in progress[starts[1] :] if "epoch" in record) >= 2
    assert bytes_of(pool) == undisturbed
    assert killer.events[-1] == {"event": "generator", "index": 0, "phase": "done", "n_rows": 1000}


# tasks that outlive their driver


class Orphan(threading.Thread):
    """A task whose driver died, still running."""

    def __init__(self, task: ChunkTask) -> None:
        super().__init__(name="orphan", daemon=True)
        self.task = task
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            make_chunk(self.task)
        except Exception as error:
            self.error = error

    def ended_with(self) -> Exception | None:
        self.join(60)
        assert not self.is_alive()
        return self.error


class Listening(Heard):
    """Lets go on who is waited for."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__()
        self.engine = engine

    def emit(self, event: Event) -> None:
        super().emit(event)
        if self.events[-1].get("phase") == "wait":
            self.engine.goes_on.set()


@pytest.fixture
def orphans_are_abandoned(monkeypatch):
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: threading.current_thread().name == "orphan")


def started_orphan(folder, engine, config=CONFIG):
    """An orphan in the middle of its training."""
    engine.goes_on.clear()
    orphan = Orphan(tasks_of_a_dead_driver(folder, config)[0])
    orphan.start()
    assert engine.trains.wait(60)
    return orphan


def test_orphans__successor_waits_and_goes_on_from_what_they_finish(tmp_path, engine):
    whole = bytes_of(make(tmp_path / "whole"))
    engine.calls.clear()
    engine.trains.clear()
    orphan = started_orphan(tmp_path / "run", engine)
    heard = Listening(engine)
    assert bytes_of(make(tmp_path / "run", events=heard)) == whole
    assert orphan.ended_with() is None
    assert set(engine.calls) == {
        call for g in "01" for call in [f"train 0{g}", *(f"sample 0{g}/{i}" for i in range(3))]
    }
    assert engine.calls.count("train 00") == 1
    assert {"event": "generator", "index": 0, "phase": "wait"} in heard.events
    phases = [record["phase"] for record in read_progress(tmp_path / "run/generators/00")]
    assert phases[:4] == ["start", "wait", "train", "sample"]
    assert phases[-1] == "done"


@pytest.mark.usefixtures("orphans_are_abandoned")
def test_orphans__end_at_their_next_report(tmp_path, engine, monkeypatch):
    whole = bytes_of(make(tmp_path / "whole"))
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: False)
    engine.trains.clear()
    orphan = started_orphan(tmp_path / "run", engine)
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: threading.current_thread().name == "orphan")
    assert bytes_of(make(tmp_path / "run", events=Listening(engine))) == whole
    assert isinstance(orphan.ended_with(), AbandonedError)
    assert [record["phase"] for record in read_progress(tmp_path / "run/generators/00")][:4] == [
        "start",
        "wait",
        "start",
        "train",
    ]


def test_orphans__of_other_settings_are_waited_for_before_anything_is_removed(tmp_path, engine, monkeypatch):
    other = CONFIG.model_copy(update={"max_epochs": 2.0, "generators": 1})
    fresh = bytes_of(make(tmp_path / "fresh", other))
    engine.trains.clear()
    orphan = started_orphan(tmp_path / "run", engine)
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: threading.current_thread().name == "orphan")
    heard = Listening(engine)
    assert bytes_of(make(tmp_path / "run", other, events=heard)) == fresh
    assert heard.events[1] == {"event": "generator", "index": 0, "phase": "wait"}
    assert isinstance(orphan.ended_with(), AbandonedError)
    assert not (tmp_path / "run/generators/01").exists()


def test_orphans__between_chunks_end_with_whole_parts(tmp_path, engine, monkeypatch):
    whole = bytes_of(make(tmp_path / "whole"))
    tasks = tasks_of_a_dead_driver(tmp_path / "run")
    first, second = (task for task in tasks if task.generator.index == 0 and task.i_chunk < 2)
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: "sample 00/1" in engine.calls)
    engine.calls.clear()
    make_chunk(first)
    with pytest.raises(AbandonedError):
        attempt(make_chunk, second, (), 3)
    assert engine.calls == ["train 00", "sample 00/0", "sample 00/1"]
    assert [path.name for path in (tmp_path / "run/pool").iterdir()] == ["g00-part-0000.parquet"]
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: False)
    assert bytes_of(make(tmp_path / "run")) == whole


@pytest.mark.training
def test_orphans__on_a_cluster_end_soon_and_change_no_byte(tmp_path):
    """A real training, whose driver goes; the next driver's task starts while it runs."""
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=12, batch_size=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mostly, "epochs_per_leg", lambda _: 2)
        undisturbed = bytes_of(make(tmp_path / "undisturbed", config))
    (task,) = tasks_of_a_dead_driver(tmp_path / "run", config)
    with open_runtime(2, "processes") as runtime:
        runtime.client.register_plugin(InLegs(2))
        with Client(runtime.client.scheduler.address, set_as_default=False) as driver:
            left = driver.submit(make_chunk, task, resources={"generator": 1})
            while not any(record.get("epoch", 0) >= 1 for record in read_progress(task.generator.folder)):
                assert left.status == "pending"
                time.sleep(0.02)
        pool = generate(ORIGINAL, config, 450, tmp_path / "run", 1, runtime)
    progress = read_progress(task.generator.folder)
    starts = [i for i, record in enumerate(progress) if record["phase"] == "start"]
    assert len(starts) == 2
    assert not {"sample", "done"} & {record["phase"] for record in progress[: starts[1]]}
    assert bytes_of(pool) == undisturbed


@pytest.mark.parametrize("is_told", [True, False])
def test_orphans__that_start_late_change_nothing(tmp_path, engine, monkeypatch, is_told):
    """Whether the cluster told them already, or not yet."""
    task = tasks_of_a_dead_driver(tmp_path)[1]
    make(tmp_path, CONFIG.model_copy(update={"max_epochs": 2.0}))
    before = tree(tmp_path)
    engine.calls.clear()
    monkeypatch.setattr(generator_task, "is_abandoned", lambda: is_told)
    with pytest.raises(AbandonedError):
        attempt(make_chunk, task, (), 3)
    assert tree(tmp_path) == before
    assert engine.calls == []


def test_orphans__of_a_generator_that_is_gone_leave_nothing(tmp_path, engine):
    task = tasks_of_a_dead_driver(tmp_path)[1]
    make(tmp_path, CONFIG.model_copy(update={"generators": 1}))
    engine.calls.clear()
    with pytest.raises(AbandonedError, match="generator 1 is not wanted any more"):
        make_chunk(task)
    assert engine.calls == []
    assert not task.generator.folder.exists()


def test_orphans__of_a_finished_run_write_nothing_again(tmp_path, own_source):
    config = CONFIG.model_copy(update={"source": own_source})
    tasks = tasks_of_a_dead_driver(tmp_path, config)
    pool = make(tmp_path, config)
    before = tree(pool.folder)
    assert [make_share(task) for task in tasks] == [0, 1]
    assert tree(pool.folder) == before


def test_orphans__never_learn_another_original(tmp_path, engine):
    task = tasks_of_a_dead_driver(tmp_path)[0]
    other = DyingDriver()
    with pytest.raises(LostError):
        generate(ORIGINAL.head(150), CONFIG, 450, tmp_path, 1, other)
    assert task.generator.original_key != other.tasks[0].generator.original_key
    assert [path.name for path in (tmp_path / "generators").glob("original*")] == [
        f"original-{other.tasks[0].generator.original_key}"
    ]


# runs that die at any moment


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("of", ["rows", "groups"])
def test_dying__at_any_moment_changes_no_byte(tmp_path, of):
    made = make if of == "rows" else make_groups
    whole = bytes_of(made(tmp_path / "whole"))
    n_changes = 0
    while died(n_changes, partial(made, tmp_path / f"{n_changes}")):
        assert bytes_of(made(tmp_path / f"{n_changes}")) == whole, n_changes
        n_changes += 1
    assert n_changes > 20


@pytest.mark.slow
@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("change", [{"temperature": 0.9}, {"max_epochs": 2.0}, {"generators": 1}])
def test_dying__at_any_moment_of_a_change_of_settings(tmp_path, change):
    """The next run has the new settings, or the old ones again."""
    other = CONFIG.model_copy(update=change)
    old, new = bytes_of(make(tmp_path / "old")), bytes_of(make(tmp_path / "new", other))
    n_changes = 0
    is_over = False
    while not is_over:
        left = tmp_path / f"left {n_changes}"
        shutil.copytree(tmp_path / "old", left)
        is_over = not died(n_changes, partial(make, left, other))
        for name, config, expected in [("to new", other, new), ("to old", CONFIG, old)]:
            folder = tmp_path / f"{name} {n_changes}"
            shutil.copytree(left, folder)
            pool = make(folder, config)
            assert bytes_of(pool) == expected, n_changes
            assert {path.name for path in pool.folder.glob("*.parquet")} == set(expected)
        n_changes += 1
    assert n_changes > 20
