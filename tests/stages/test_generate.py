import hashlib
import os
import shutil
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client

from issodask.config import GenerateConfig
from issodask.errors import InputError, LostError
from issodask.event import Event
from issodask.models import mostly
from issodask.models.codec import GROUP
from issodask.models.device import Device
from issodask.models.progress_log import read_progress
from issodask.runtime import open_runtime
from issodask.runtime.base import attempt
from issodask.runtime.local import Serial
from issodask.stages import generator_task, generator_work
from issodask.stages.chunk_work import make_chunk
from issodask.stages.generate import generate
from issodask.stages.generator_task import AbandonedError, ChunkTask
from issodask.stages.generator_work import make_share
from issodask.table.groups import Groups
from tests.models.dying import died
from tests.models.in_legs import InLegs
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

    def train(self, table, folder, training, device, report, names_of_groups=()):
        self._note(f"train {folder.name}")
        self.trains.set()
        assert self.goes_on.wait(60)
        report("train", epoch=1.0, max_epochs=1.0)
        path = folder / "workspace" / "ModelStore" / "weights"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{training} {len(table)}")
        self.table = table

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


@pytest.fixture
def engine(monkeypatch):
    fake = FakeEngine()
    monkeypatch.setattr(mostly, "train", fake.train)
    monkeypatch.setattr(mostly, "sample", fake.sample)
    return fake


def make(folder, config=CONFIG, original=ORIGINAL, n_units=450, seed=1, events=None, group_key=None):
    with open_runtime(1, "serial") as runtime:
        return generate(original, config, n_units, folder, seed, runtime, events, group_key)


def bytes_of(pool):
    return {part.name: pool.path(part).read_bytes() for part in pool.parts}


@pytest.mark.usefixtures("engine")
def test_generate__shares_the_rows_out_in_bounded_parts(tmp_path):
    pool = make(tmp_path)
    assert pool.n_rows == 450
    assert [(part.generator, part.n_rows) for part in pool.parts] == [(g, n) for g in (0, 1) for n in (100, 100, 25)]
    assert len({part.seed for part in pool.parts}) == 2
    frame = pd.read_parquet(pool.path(pool.parts[0]))
    assert list(frame.columns) == list(ORIGINAL.columns)
    assert frame.dtypes.equals(ORIGINAL.dtypes)


@pytest.mark.usefixtures("engine")
def test_generate__seeds_depend_on_the_job(tmp_path):
    one, again, other = (make(tmp_path / name, seed=seed) for name, seed in [("one", 1), ("again", 1), ("other", 2)])
    assert bytes_of(one) == bytes_of(again) != bytes_of(other)


def test_generate__keeps_what_is_finished(tmp_path, engine):
    before = bytes_of(make(tmp_path))
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == []


def test_generate__resumed_sampling_gives_the_same_bytes(tmp_path, engine):
    whole = bytes_of(make(tmp_path / "whole"))
    engine.failures = ["sample 00/1", "sample 01/0"]
    engine.calls.clear()
    pool = make(tmp_path / "failed", CONFIG.model_copy(update={"retries": 1}))
    assert engine.calls.count("sample 00/0") == 1
    assert engine.calls.count("sample 00/1") == 2
    assert engine.calls.count("train 01") == 1
    assert bytes_of(pool) == whole


def test_generate__failed_run_is_taken_up_by_the_next(tmp_path, engine):
    engine.failures = ["sample 01/1"]
    with pytest.raises(RuntimeError, match="sample 01/1 failed"):
        make(tmp_path / "run", CONFIG.model_copy(update={"retries": 0}))
    engine.calls.clear()
    pool = make(tmp_path / "run")
    assert engine.calls == ["sample 01/1", "sample 01/2"]
    assert bytes_of(pool) == bytes_of(make(tmp_path / "whole"))


def test_generate__damaged_part_is_named_and_made_again(tmp_path, engine):
    pool = make(tmp_path)
    before = bytes_of(pool)
    path = pool.path(pool.parts[1])
    damaged = bytearray(path.read_bytes())
    damaged[50] ^= 1
    path.write_bytes(damaged)
    engine.calls.clear()
    heard = Heard()
    assert bytes_of(make(tmp_path, events=heard)) == before
    assert engine.calls == ["sample 00/1"]
    assert heard.events[1] == {"event": "damaged", "file": str(path), "generator": 0}


def test_generate__damaged_model_is_trained_again(tmp_path, engine):
    before = bytes_of(make(tmp_path))
    (tmp_path / "generators/00/workspace/ModelStore/weights").write_text("something else")
    (tmp_path / "pool/g00-part-0002.parquet").unlink()
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == ["train 00", "sample 00/2"]
    named = [record["file"] for record in read_progress(tmp_path / "generators/00") if record["phase"] == "damaged"]
    assert named == [str(tmp_path / "generators/00/workspace/ModelStore/weights")]


@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({"config": {"temperature": 0.9}}, ["sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"config": {"max_epochs": 2.0}}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"seed": 2}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"original": ORIGINAL.head(150)}, ["train 00", "sample 00/0", "sample 00/1", "sample 00/2"]),
        ({"config": {"retries": 5, "device": "cpu"}}, []),
    ],
)
def test_generate__other_settings_make_anew_what_depends_on_them(tmp_path, engine, change, calls):
    make(tmp_path / "changed")
    engine.calls.clear()
    config = CONFIG.model_copy(update=change.pop("config", {}))
    pool = make(tmp_path / "changed", config, **change)
    assert [call for call in engine.calls if " 00" in call] == calls
    assert bytes_of(pool) == bytes_of(make(tmp_path / "fresh", config, **change))


@pytest.mark.usefixtures("engine")
def test_generate__fewer_generators_leave_nothing_of_the_others(tmp_path):
    make(tmp_path)
    pool = make(tmp_path, CONFIG.model_copy(update={"generators": 1}))
    assert {part.generator for part in pool.parts} == {0}
    assert pool.n_rows == 450
    assert not (tmp_path / "generators/01").exists()


@pytest.mark.usefixtures("engine")
def test_generate__keeps_no_copy_of_the_original(tmp_path):
    make(tmp_path)
    assert {path.parent.name for path in tmp_path.rglob("*.parquet")} == {"pool"}


@pytest.mark.usefixtures("engine")
def test_generate__fewer_units_than_generators(tmp_path):
    assert [part.n_rows for part in make(tmp_path, n_units=1).parts] == [1]


def test_generate__nothing_to_learn(tmp_path, engine):
    original = pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]})
    pool = make(tmp_path, original=original, n_units=5)
    assert pool.n_rows == 5
    assert engine.calls == []


def test_generate__ids_are_neither_learnt_nor_in_the_pool(tmp_path, engine):
    original = ORIGINAL.assign(customer_id=[f"C-{i:05d}" for i in range(0, 60_000, 300)])
    heard = Heard()
    pool = make(tmp_path, original=original, events=heard)
    assert list(pool.columns) == list(ORIGINAL.columns)
    assert engine.table.shape[1] == ORIGINAL.shape[1]
    assert heard.events[0]["left_out"] == ["customer_id"]
    assert heard.events[0]["told"][0].startswith("ids, new in the subset")
    with open_runtime(1, "serial") as runtime:
        named = generate(original, CONFIG, 450, tmp_path, 1, runtime, columns={"customer_id": "text"})
    assert list(named.columns) == list(original.columns)
    assert engine.calls.count("train 00") == 2


def test_generate__folder_is_used_as_it_is(tmp_path):
    ORIGINAL.to_parquet(tmp_path / "elsewhere.parquet")
    pool = make(tmp_path / "run", GenerateConfig(source=str(tmp_path)))
    assert pool.folder == tmp_path
    assert not (tmp_path / "run").exists()


def test_generate__missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        make(tmp_path / "run", GenerateConfig(source=str(tmp_path / "absent")))


@pytest.fixture
def own_source(tmp_path, monkeypatch):
    lines = ["def drawn(original, n, seed):", "    return original.sample(n, replace=True, random_state=seed)"]
    (tmp_path / "own_generator.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    yield "python:own_generator:drawn"
    sys.modules.pop("own_generator", None)


def test_generate__callable_is_called_once_per_generator(tmp_path, own_source):
    config = CONFIG.model_copy(update={"source": own_source})
    pool = make(tmp_path / "run", config)
    assert [part.n_rows for part in pool.parts] == [100, 100, 25, 100, 100, 25]
    frames = [pd.read_parquet(pool.path(part)) for part in pool.parts]
    assert not frames[0].equals(frames[3])
    assert bytes_of(make(tmp_path / "again", config)) == bytes_of(pool)


def test_generate__bad_callable_leaves_earlier_results(tmp_path, own_source):
    pool = make(tmp_path / "run", CONFIG.model_copy(update={"source": own_source}))
    with pytest.raises(InputError, match="has no function 'absent'"):
        make(tmp_path / "run", CONFIG.model_copy(update={"source": "python:own_generator:absent"}))
    assert all(pool.path(part).exists() for part in pool.parts)


SEQUENCES = sequences()


UNITS_PER_CHUNK = 100 * 120 // len(SEQUENCES)


def make_groups(folder, config=CONFIG, original=SEQUENCES, n_units=150, **more):
    return make(folder, config, original, n_units, group_key="person", **more)


@pytest.mark.usefixtures("engine")
def test_groups__are_shared_out_whole(tmp_path):
    pool = make_groups(tmp_path)
    frames = {part.name: pd.read_parquet(pool.path(part)) for part in pool.parts}
    whole = pd.concat(frames.values(), ignore_index=True)
    assert pool.n_units == whole["person"].nunique() == 150
    assert whole["person"].dtype == "int64"
    assert list(whole.columns) == list(SEQUENCES.columns)
    for generator in (0, 1):
        own = [frames[part.name] for part in pool.parts if part.generator == generator]
        assert sum(frame["person"].nunique() for frame in own) == 75, "no group lies in two parts"
        assert [frame["person"].nunique() for frame in own[:-1]] == [UNITS_PER_CHUNK] * (len(own) - 1)
    assert whole.groupby("person")["step"].apply(lambda steps: steps.tolist() == list(range(len(steps)))).all()


def test_groups__of_a_chunk_have_the_rows_of_a_part_on_average(tmp_path, engine):
    pool = make_groups(tmp_path)
    n_chunks = -(-75 // UNITS_PER_CHUNK)
    assert sorted(engine.calls) == sorted(
        call
        for generator in ("00", "01")
        for call in [f"train {generator}", *(f"sample {generator}/{i_chunk}" for i_chunk in range(n_chunks))]
    )
    assert len(pool.parts) == 2 * n_chunks
    assert np.mean([part.n_rows for part in pool.parts if part.n_units == UNITS_PER_CHUNK]) == pytest.approx(100, 0.2)


def test_chunks__come_after_the_first_of_each_generator_which_trains(tmp_path, engine):
    make(tmp_path)
    first = [call for g in "01" for call in (f"train 0{g}", f"sample 0{g}/0")]
    assert engine.calls == [*first, *(f"sample 0{g}/{i}" for g in "01" for i in (1, 2))]


@pytest.mark.parametrize("i_chunk", [0, 1, 2])
def test_groups__resumed_sampling_gives_the_same_bytes(tmp_path, engine, i_chunk):
    whole = bytes_of(make_groups(tmp_path / "whole"))
    engine.failures = [f"sample 00/{i_chunk}"]
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path / "failed", CONFIG.model_copy(update={"retries": 1}))) == whole
    assert engine.calls.count("train 00") == 1
    assert engine.calls.count(f"sample 00/{i_chunk}") == 2


def test_groups__damaged_part_is_made_again(tmp_path, engine):
    pool = make_groups(tmp_path)
    before = bytes_of(pool)
    pool.path(pool.parts[1]).unlink()
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path)) == before
    assert engine.calls == ["sample 00/1"]
    engine.calls.clear()
    assert bytes_of(make_groups(tmp_path)) == before
    assert engine.calls == []


@pytest.mark.usefixtures("engine")
def test_groups__another_key_makes_all_anew(tmp_path, engine):
    make(tmp_path, original=SEQUENCES)
    engine.calls.clear()
    pool = make_groups(tmp_path)
    assert {"train 00", "train 01"} < set(engine.calls)
    assert pool.n_units == 150


@pytest.mark.parametrize(
    ("original", "group_key", "message"),
    [
        (SEQUENCES, "name", "the original has no column 'name' for the group key"),
        (SEQUENCES.assign(person=[None, *SEQUENCES["person"][1:]]), "person", r"has no group key \('person'\) in 1 of"),
        (SEQUENCES[SEQUENCES["person"].isin(["p1", "p2"])], "person", "has 2 groups, but mostlyai needs 20"),
    ],
)
def test_groups__that_cannot_be_learnt_are_named_before_anything_starts(tmp_path, engine, original, group_key, message):
    with pytest.raises(InputError, match=message):
        make(tmp_path / "run", original=original, group_key=group_key)
    assert engine.calls == []
    assert not (tmp_path / "run").exists()


def test_groups__from_a_callable(tmp_path, own_source):
    lines = [
        "import pandas as pd",
        "def groups(original, n, seed):",
        "    keys = original['person'].drop_duplicates().sample(n + 1, replace=True, random_state=seed)",
        "    picked = [original[original['person'] == key].assign(person=i) for i, key in enumerate(keys)]",
        "    return pd.concat(picked)",
    ]
    (tmp_path / "own_groups.py").write_text("\n".join(lines))
    pool = make_groups(
        tmp_path / "run", CONFIG.model_copy(update={"source": f"python:{tmp_path}/own_groups.py:groups"})
    )
    assert pool.n_units == 150
    keys = pd.concat([pd.read_parquet(pool.path(part))["person"] for part in pool.parts])
    assert keys.nunique() == 150


def test_groups__nothing_to_learn(tmp_path, engine):
    original = SEQUENCES[["person"]].assign(a=np.nan)
    pool = make_groups(tmp_path, original=original, n_units=5)
    assert (pool.n_units, pool.n_rows, engine.calls) == (5, 5, [])


@pytest.mark.training
def test_groups__are_learnt_and_drawn(tmp_path):
    """A real training of one epoch."""
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=1, part_rows=200)
    pool = make_groups(tmp_path, config, n_units=200)
    whole = pd.concat([pd.read_parquet(pool.path(part)) for part in pool.parts])
    assert whole["person"].nunique() == pool.n_units == 200
    assert len(pool.parts) > 1
    assert (whole.groupby("person")["sex"].nunique() == 1).all()


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
    config = GenerateConfig(generators=1, model="MOSTLY_AI/Small", max_epochs=12, batch_size=8)
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


def tree(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


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
        for name, config, expected in [("to new", other, new), ("to old", CONFIG, old)]:
            folder = tmp_path / f"{name} {n_changes}"
            shutil.copytree(tmp_path / "old", folder)
            is_over = not died(n_changes, partial(make, folder, other))
            pool = make(folder, config)
            assert bytes_of(pool) == expected, n_changes
            assert {path.name for path in pool.folder.glob("*.parquet")} == set(expected)
        n_changes += 1
    assert n_changes > 20


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", "half"])
def test_notes__that_are_not_whole_are_not_trusted(tmp_path, engine, note):
    before = bytes_of(make(tmp_path))
    for name in ("chunks/0001.json", "trained.json"):
        path = tmp_path / "generators/00" / name
        text = path.read_text()
        path.write_text(text[: len(text) // 2] if note == "half" else note)
    engine.calls.clear()
    assert bytes_of(make(tmp_path)) == before
    assert engine.calls == ["train 00", "sample 00/1"]


def test_device__threads_do_not_follow_from_the_workers(tmp_path, engine, monkeypatch):
    """Another number of threads gives other last digits."""
    devices = []
    monkeypatch.setattr(generator_work, "choose_device", lambda *_: Device("cpu", 4))
    monkeypatch.setattr(mostly, "train", lambda *args, **_: devices.append(args[3]) or engine.train(*args))
    make(tmp_path)
    assert devices == [Device("cpu", 1)] * 2
