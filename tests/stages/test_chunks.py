"""Chunks of samples as tasks: in which order, on any number of workers, and what one that died costs."""

import os
import signal
import threading
from typing import Any

import pandas as pd
import pytest

from issodask.config import GenerateConfig
from issodask.event import Event
from issodask.events import GeneratorTold
from issodask.models import mostly
from issodask.models.progress_log import read_progress
from issodask.runtime import open_runtime
from issodask.stages import generate as stage
from issodask.stages import generator_work
from issodask.stages.chunk_work import make_chunk
from issodask.stages.generate import generate
from issodask.stages.generator_task import AbandonedError
from tests.stages.generating import (
    CONFIG,
    ORIGINAL,
    Heard,
    bytes_of,
    make,
    make_groups,
    tasks_of_a_dead_driver,
    tree,
)


def test_chunks__come_after_the_first_of_each_generator_which_trains(tmp_path, engine):
    make(tmp_path)
    first = [call for g in "01" for call in (f"train 0{g}", f"sample 0{g}/0")]
    assert engine.calls == [*first, *(f"sample 0{g}/{i}" for g in "01" for i in (1, 2))]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("of", ["rows", "groups"])
def test_chunks__in_any_order_same_bytes(tmp_path, monkeypatch, of):
    made = make if of == "rows" else make_groups
    expected = bytes_of(made(tmp_path / "one"))
    in_order = stage._in_order
    monkeypatch.setattr(stage, "_in_order", lambda chunks: in_order(chunks)[::-1])
    assert bytes_of(made(tmp_path / "other")) == expected


def test_chunks__of_threads_are_drawn_one_at_a_time(tmp_path, engine):
    with open_runtime(4, "threads") as runtime:
        pool = generate(ORIGINAL, CONFIG, 450, tmp_path / "threads", 1, runtime)
    assert engine.calls.count("train 00") == engine.calls.count("train 01") == 1
    assert bytes_of(pool) == bytes_of(make(tmp_path / "serial"))


def test_chunks__tell_how_far_they_are(tmp_path, engine):
    heard = Heard()
    make(tmp_path, events=heard)
    told = [event for event in heard.events if event.get("index") == 0 and event["phase"] in ("sample", "done")]
    assert [event["n_rows"] for event in told] == [0, 100, 200, 225]
    assert {event["of_rows"] for event in told[:-1]} == {225}
    assert told[-1]["phase"] == "done"


def test_chunks__that_a_successor_outruns_write_nothing(tmp_path, engine, monkeypatch):
    """The settings change while a task of a dead driver samples."""
    orphan = tasks_of_a_dead_driver(tmp_path)[0]
    draw, before = engine.sample, {}

    def slow(*arguments: Any) -> pd.DataFrame:
        monkeypatch.setattr(mostly, "sample", draw)
        make(tmp_path, CONFIG.model_copy(update={"temperature": 0.9}))
        before.update(tree(tmp_path / "pool"))
        return draw(*arguments)

    monkeypatch.setattr(mostly, "sample", slow)
    with pytest.raises(AbandonedError, match="with other settings"):
        make_chunk(orphan)
    assert tree(tmp_path / "pool") == before


def test_chunks__that_are_there_are_not_drawn_again(tmp_path, engine):
    tasks = tasks_of_a_dead_driver(tmp_path)
    pool = make(tmp_path)
    before = tree(pool.folder)
    engine.calls.clear()
    for task in tasks:
        make_chunk(task)
    assert engine.calls == []
    assert tree(pool.folder) == before


@pytest.mark.usefixtures("engine")
def test_chunks__without_a_note_are_made_again(tmp_path, engine):
    """Of a run that was killed between a part and its note nobody knows whose the part is."""
    pool = make(tmp_path)
    before = bytes_of(pool)
    (tmp_path / "generators/01/chunks/0001.json").unlink()
    pool.path(pool.parts[4]).write_bytes(b"of another run")
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == ["sample 01/1"]


def test_chunks__of_an_engine_that_is_not_known_are_told(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(generator_work, "knows_engine", lambda: False)
    heard = Heard()
    make(tmp_path, events=heard)
    told = [event for event in heard.events if event.get("phase") == "own draws"]
    assert told == [{"event": "generator", "index": 0, "phase": "own draws"}]
    (line,) = GeneratorTold.from_record(told[0]).said()
    assert line.startswith("this version of mostlyai-engine is not known here")


class Killer(Heard):
    """Kills the worker that made the first chunk, in its next one."""

    def __init__(self) -> None:
        super().__init__()
        self.killed: int | None = None
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        super().emit(event)
        with self._lock:
            if self.killed is None and self.events[-1].get("phase") == "sample" and self.events[-1]["n_rows"] > 0:
                self.killed = self.events[-1]["pid"]
                os.kill(self.killed, signal.SIGKILL)


@pytest.mark.training
def test_chunks__of_a_killed_worker_are_drawn_by_others(tmp_path):
    """One real training and two worker processes, one of which dies while both sample."""
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=1, part_rows=1_000)
    undisturbed = bytes_of(make(tmp_path / "serial", config, n_units=12_000))
    killer = Killer()
    with open_runtime(2, "processes") as runtime:
        pool = generate(ORIGINAL, config, 12_000, tmp_path / "killed", 1, runtime, killer)
    assert bytes_of(pool) == undisturbed
    progress = read_progress(tmp_path / "killed/generators/00")
    sampled = [record for record in progress if record["phase"] == "sample" and record["n_rows"]]
    assert sum(record["phase"] == "start" for record in progress) == 1, "no generator was lost"
    assert [record["n_rows"] for record in sampled] == list(range(1_000, 12_000, 1_000)), "nor a finished chunk"
    assert {record["pid"] for record in sampled} - {killer.killed}, "another one sampled too"
