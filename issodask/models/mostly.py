"""One generator of mostlyai's TabularARGN: trained in a folder, resumable, sampled in pieces of fixed seeds.

In: a table of plain types (see codec.py). Out: a trained model in `folder/workspace`, frames of samples. A training
that was interrupted goes on from its last leg (see legs.py), and ends in the bytes of one that was not.

A sequential table is learnt by two models. One knows the columns that never change within a group (a flat table of one
row per group, in `folder/groups`), the other makes the rows of a group from these. With all columns in one model, rows
contradict what the first one said; the overall accuracy of nlswork's samples was 0.004 lower (three seeds each).

The columns are learnt in one fixed order, helpers first, rather than in random orders, which only serve to fill in
columns afterwards: at equal time the samples' overall accuracy was 0.011 to 0.038 higher on three real tables.

mostlyai.engine keeps state in its process (random numbers, threads, environment): one training per process at a time.
"""

import json
import os
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.errors import InputError
from issodask.host import hide_if_broken, lock_at, take
from issodask.models.codec import GROUP
from issodask.models.device import Device
from issodask.models.engine import quicker_steps, rare_by_group
from issodask.models.legs import Leg, Legs, carried_over, epochs_per_leg, remove_legs

Report = Callable[..., None]
"""Takes a phase and fields of it: see ProgressLog.write."""

REPORT_EVERY_S = 2.0
SAMPLE_BATCH_UNITS = 10_000
SAMPLE_BATCH_BYTES = 400_000_000
TIME_SHARE_OF_GROUPS = 0.2

# With fewer groups the engine takes every length for private: each sample would be a group of one row.
MIN_GROUPS = 20
# A sample's groups grow row by row, 6 to 15 ms a row however many groups there are: 100,000 rows would take 20 minutes
# for each chunk. The engine cuts the longest groups to the length of one that is sixth to eighth in length.
MAX_GROUP_ROWS = 10_000
N_LONGEST_CUT = 5

# The engine encodes one partition at a time, and sequences as Python lists: 60 bytes a value.
PARTITION_ROWS = 100_000
PARTITION_GROUPS = 1_000

# The engine sizes its batches by the memory that is free at the moment; a fixed number makes runs repeatable.
_MEMORY_FOR_HEURISTICS = "16g"
_CACHE = "issodask-engine-"
_ALIVE = ".alive"
_GROUPS = "groups"
_PREPARED = "prepared.json"
_TRAINED = "trained"


@dataclass(frozen=True)
class Training:
    """How one generator is trained."""

    model: str
    max_epochs: float
    max_time_min: float
    batch_size: int | None
    seed: int


@dataclass(frozen=True)
class Sampling:
    """How its samples are drawn."""

    temperature: float
    top_p: float
    seed: int


def check_lengths(lengths: NDArray[np.int64]) -> None:
    """Raise InputError for groups that the engine can't learn or would take too long to make.

    `lengths`: rows of each group. One group of any length among shorter ones is fine: samples will not have its like.
    """
    if lengths.max() == 1:
        return
    if len(lengths) < MIN_GROUPS:
        raise InputError(
            f"the original has {len(lengths):,} groups, but mostlyai needs {MIN_GROUPS} to learn how long groups are: "
            "give more groups, cut them into shorter ones, or let another source make the pool"
        )
    longest = int(np.sort(lengths)[-1 - N_LONGEST_CUT])
    if longest > MAX_GROUP_ROWS:
        raise InputError(
            f"the original has groups of {longest:,} rows and more, but mostlyai makes groups of up to "
            f"{MAX_GROUP_ROWS:,} rows in bearable time: cut them into shorter ones (such as one per subject and "
            "month), or let another source make the pool"
        )


def train(
    table: pd.DataFrame,
    folder: Path,
    training: Training,
    device: Device,
    report: Report,
    names_of_groups: Sequence[str] = (),
) -> None:
    """Train a generator of `table` in `folder`, from its last leg if there is one; `report` may raise to stop it.

    A table with the column GROUP is sequential; `names_of_groups` are the columns that never change within a group.
    Never pass units that were repeated: a value counts as rare by the number of its units.
    """
    if GROUP not in table:
        return _train(table, folder, training, device, report)
    groups = table[[GROUP, *names_of_groups]].drop_duplicates(GROUP)
    if names_of_groups:
        time_min = TIME_SHARE_OF_GROUPS * training.max_time_min
        training = replace(training, max_time_min=training.max_time_min - time_min)
        of_groups = replace(training, max_time_min=time_min)
        _train(groups.drop(columns=GROUP), folder / _GROUPS, of_groups, device, _told_of_groups(report))
    _train(table.drop(columns=list(names_of_groups)), folder, training, device, report, groups)


def _train(
    table: pd.DataFrame,
    folder: Path,
    training: Training,
    device: Device,
    report: Report,
    groups: pd.DataFrame | None = None,
) -> None:
    """One model: of a flat table, or of the rows of `groups`."""
    if (folder / _TRAINED).exists():
        return
    with _engine(folder, device.n_threads) as (engine, workspace):
        if not (folder / _PREPARED).exists():
            _prepare(engine, workspace, table, groups, training.seed, report)
            (folder / _PREPARED).write_text(json.dumps({"columns": list(table.columns)}), encoding="utf-8")
        _train_in_legs(engine, workspace, folder, training, device, report, epochs_per_leg(table.size))
    (folder / _TRAINED).touch()


def _train_in_legs(
    engine: ModuleType,
    workspace: Path,
    folder: Path,
    training: Training,
    device: Device,
    report: Report,
    n_epochs: int,
) -> None:
    """Leg by leg, from the last one that is whole, to the one that ends early or by a limit."""
    legs = Legs(folder, _workspace(folder) / "ModelStore" / "model-data")
    leg = legs.restore()
    report("train", epoch=leg.epoch, max_epochs=training.max_epochs)
    while True:
        progress = _Progress(report, leg, leg.epoch + n_epochs, training)
        engine.set_random_state(seeds.integer(training.seed, "train", leg.n_before))
        with carried_over(leg) as ending, quicker_steps():
            engine.train(
                model=training.model,
                max_epochs=training.max_epochs,
                max_training_time=training.max_time_min,
                batch_size=training.batch_size,
                enable_flexible_generation=False,
                model_state_strategy="RESUME",
                device=device.kind,
                workspace_dir=workspace,
                update_progress=progress,
            )
        if ending.stopped_early or not progress.is_at_end_of_leg:
            ending.take_last()
            return legs.settle(leg, ending)
        legs.keep(leg, progress.epoch, progress.seconds, ending)
        leg = legs.restore()


def _told_of_groups(report: Report) -> Report:
    return lambda phase, **fields: report(f"{phase} groups", **fields)


def tidy(folder: Path) -> None:
    """Remove what only training needs: its legs, and the engine's copies of the table, which are private."""
    for model in _models(folder):
        remove_legs(model)
        shutil.rmtree(_workspace(model) / "OriginalData", ignore_errors=True)


def begin_anew(folder: Path) -> None:
    """Forget all training in `folder`."""
    for model in _models(folder):  # first what says that something is finished
        (model / _TRAINED).unlink(missing_ok=True)
        (model / _PREPARED).unlink(missing_ok=True)
    tidy(folder)
    for model in _models(folder):
        shutil.rmtree(_workspace(model), ignore_errors=True)


def model_files(folder: Path) -> list[Path]:
    """The files of a trained generator, which are all that sampling needs."""
    paths = [path for model in _models(folder) for path in (_workspace(model) / "ModelStore").rglob("*")]
    return sorted(path for path in paths if path.is_file())


def sample(folder: Path, n_units: int, i_chunk: int, sampling: Sampling, device: Device) -> pd.DataFrame:
    """Draw the units of one chunk: the same units for the same number, whatever was drawn before.

    Sequential samples have the column GROUP, counting from 0; each group's rows lie together.
    """
    if not (_workspace(folder) / "ModelStore" / "ctx-stats").exists():
        return _draw(folder, n_units, seeds.integer(sampling.seed, "sample", i_chunk), sampling, device)
    groups = pd.DataFrame({GROUP: np.arange(n_units)})
    if (folder / _GROUPS).exists():
        seed = seeds.integer(sampling.seed, "sample groups", i_chunk)
        groups = groups.join(_draw(folder / _GROUPS, n_units, seed, sampling, device))
    seed = seeds.integer(sampling.seed, "sample", i_chunk)
    rows = _draw(folder, n_units, seed, sampling, device, groups)
    rows = rows.sort_values(GROUP, kind="stable", ignore_index=True)  # the engine draws first rows, second rows, ...
    return rows.merge(groups, on=GROUP, how="left")


def _draw(
    folder: Path,
    n_units: int,
    seed: int,
    sampling: Sampling,
    device: Device,
    groups: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Samples of one model: of a flat table, or the rows of `groups`."""
    with _engine(folder, device.n_threads) as (engine, workspace):
        engine.set_random_state(seed)
        engine.generate(
            ctx_data=groups,
            sample_size=n_units,
            batch_size=_batch_units(folder),
            sampling_temperature=sampling.temperature,
            sampling_top_p=sampling.top_p,
            rare_category_replacement_method="SAMPLE",
            device=device.kind,
            workspace_dir=workspace,
        )
        drawn = workspace / "SyntheticData"
        frames = [pd.read_parquet(path) for path in sorted(drawn.glob("*.parquet"))]
        shutil.rmtree(drawn)
    return pd.concat(frames, ignore_index=True)


def _prepare(
    engine: ModuleType,
    workspace: Path,
    table: pd.DataFrame,
    groups: pd.DataFrame | None,
    seed: int,
    report: Report,
) -> None:
    """The steps before training; they leave nothing to go on from, so an interrupted preparation starts anew."""
    report("prepare")
    now_and_then = _NowAndThen(report)
    for path in workspace.iterdir():
        shutil.rmtree(path)
    key = None if groups is None else GROUP
    engine.set_random_state(seeds.integer(seed, "prepare"))
    engine.split(
        table,
        tgt_context_key=key,
        ctx_data=groups,
        ctx_primary_key=key,
        n_partitions=1 if groups is None else 1 + min(len(table) // PARTITION_ROWS, len(groups) // PARTITION_GROUPS),
        workspace_dir=workspace,
        update_progress=now_and_then,
    )
    with rare_by_group():
        engine.analyze(workspace_dir=workspace, update_progress=now_and_then)
    engine.encode(workspace_dir=workspace, update_progress=now_and_then)


def _models(folder: Path) -> tuple[Path, Path]:
    return folder, folder / _GROUPS


def _workspace(folder: Path) -> Path:
    return folder / "workspace"


def _batch_units(folder: Path) -> int:
    """Units to draw a row of at a time: fewer when one row's probabilities are many (columns of many categories)."""
    stats_path = _workspace(folder) / "ModelStore" / "tgt-stats" / "stats.json"
    columns = json.loads(stats_path.read_text(encoding="utf-8"))["columns"].values()
    n_probabilities = sum(sum(column.get("cardinalities", {}).values()) for column in columns)
    return int(np.clip(SAMPLE_BATCH_BYTES // (4 * max(1, n_probabilities)), 100, SAMPLE_BATCH_UNITS))


class _NowAndThen:
    """The engine's callback while it prepares: whoever listens can still stop it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last_report_s = time.monotonic()

    def __call__(self, **_: Any) -> None:
        if time.monotonic() - self._last_report_s >= REPORT_EVERY_S:
            self._last_report_s = time.monotonic()
            self._report("prepare")


@dataclass(frozen=True)
class _Pace:
    time_s: float
    completed: int
    total: int


class _Progress:
    """The engine's callback at every step of a leg: reports each epoch, the time left in between, and ends the leg."""

    def __init__(self, report: Report, leg: Leg, end_of_leg: float, training: Training) -> None:
        self._report = report
        self._end_of_leg = end_of_leg
        self._max_epochs = training.max_epochs
        self._began_s = time.monotonic()
        self._seconds_allowed = 60 * training.max_time_min - leg.seconds
        self._first = _Pace(0.0, 0, 0)
        self._last_report_s = 0.0
        self._message: dict[str, Any] = {"epoch": leg.epoch}
        self.is_at_end_of_leg = False

    @property
    def epoch(self) -> float:
        return float(self._message["epoch"])

    @property
    def seconds(self) -> float:
        """Time of this and earlier legs, as the engine counts it."""
        return float(self._message["total_time"])

    def __call__(
        self, total: int | None = None, completed: int | None = None, message: dict[str, Any] | None = None, **_: Any
    ) -> dict[str, bool]:
        """Called with a message at the end of each epoch, and now and then in between."""
        self._tell(total or 0, completed or 0, message)
        is_epoch = message is not None and message["val_loss"] is not None
        self.is_at_end_of_leg |= is_epoch and self._end_of_leg <= self.epoch < self._max_epochs
        return {"stopExecution": self.is_at_end_of_leg}

    def _tell(self, total: int, completed: int, message: dict[str, Any] | None) -> None:
        now_s = time.monotonic()
        if message is not None:
            self._message = message
        if message is None and now_s - self._last_report_s < REPORT_EVERY_S:
            return
        seconds_left = self._seconds_left(now_s, completed, total)
        if message is not None:
            self._last_report_s = now_s
            self._report(
                "train",
                epoch=message["epoch"],
                max_epochs=self._max_epochs,
                loss=message["val_loss"] or message["trn_loss"],
                train_loss=message["trn_loss"],
                val_loss=message["val_loss"],
                seconds_left=seconds_left,
            )
        elif seconds_left is not None:
            self._last_report_s = now_s
            last = self._message
            self._report(
                "train",
                epoch=last["epoch"],
                max_epochs=self._max_epochs,
                loss=last.get("val_loss") or last.get("trn_loss"),
                seconds_left=seconds_left,
            )

    def _seconds_left(self, now_s: float, completed: int, total: int) -> float | None:
        """From the pace since this leg's first step, and the time that all legs are given."""
        if total != self._first.total:  # the engine counts steps or seconds, whichever ends training first
            self._first = _Pace(now_s, completed, total)
        done = completed - self._first.completed
        if done <= 0:
            return None
        by_pace = (now_s - self._first.time_s) / done * max(0, total - completed)
        by_limit = self._seconds_allowed - (now_s - self._began_s)
        return round(max(0.0, min(by_pace, by_limit)), 1)


@contextmanager
def _engine(folder: Path, n_threads: int) -> Iterator[tuple[ModuleType, Path]]:
    """mostlyai.engine, and the workspace in `folder` for it; the process is as before once the block ends."""
    _sweep_caches()
    with _cache() as cache, warnings.catch_warnings(), _environment(cache):
        warnings.simplefilter("ignore")
        hide_if_broken("torchvision")
        import datasets  # type: ignore[import-untyped]
        import torch
        from mostlyai import engine

        datasets.config.HF_DATASETS_CACHE = Path(cache)  # read from the environment at the first import only
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        n_threads_before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        try:
            yield engine, _plainly_named(_workspace(folder), Path(cache))
        finally:
            torch.set_num_threads(n_threads_before)
            torch.set_flush_denormal(False)  # the engine's training turns it on, for all that this thread does later
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])


@contextmanager
def _cache() -> Iterator[str]:
    """A temporary folder that goes at the end; a lock in it says that its process lives."""
    with tempfile.TemporaryDirectory(prefix=_CACHE) as cache, lock_at(Path(cache) / _ALIVE):
        yield cache


def _sweep_caches() -> None:
    """Remove what processes that were killed left behind: the engine's reader copies the table there."""
    for path in Path(tempfile.gettempdir()).glob(f"{_CACHE}*"):
        if not (path / _ALIVE).exists():  # it is just being made, or removed
            continue
        lock = lock_at(path / _ALIVE)
        with suppress(OSError):  # it is somebody else's
            if take(lock):
                shutil.rmtree(path, ignore_errors=True)
                lock.release()


def _plainly_named(workspace: Path, cache: Path) -> Path:
    """A link to the workspace; the engine's reader takes [, * and :: in a path for patterns."""
    workspace.mkdir(parents=True, exist_ok=True)
    link = cache / "workspace"
    link.symlink_to(workspace.absolute())
    return link


@contextmanager
def _environment(cache: str) -> Iterator[None]:
    settings = {
        "HF_DATASETS_CACHE": cache,
        "HF_HUB_OFFLINE": "1",
        "LOKY_MAX_CPU_COUNT": "1",  # no child processes: they would draw other numbers, and outlive a killed worker
        "MOSTLY_ENGINE_AVAILABLE_RAM_FOR_HEURISTICS": _MEMORY_FOR_HEURISTICS,
        "MOSTLYAI_ENGINE_SEED": "0",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
