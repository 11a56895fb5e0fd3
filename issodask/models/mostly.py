"""One generator of mostlyai's TabularARGN: trained in a folder, resumable, sampled in pieces of fixed seeds.

In: a table of plain types (see codec.py). Out: a trained model in `folder/workspace`, frames of samples. Training keeps
a copy of its best state in `folder/checkpoint-NNNNNN`; one that was interrupted goes on from there.

The columns are learnt in one fixed order, helpers first, rather than in random orders, which only serve to fill in
columns afterwards: at equal time the samples' overall accuracy was 0.011 to 0.038 higher on three real tables.

mostlyai.engine keeps state in its process (random numbers, threads, environment): one training per process at a time.
"""

import fcntl
import json
import os
import random
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from issodask import seeds
from issodask.models.device import Device

Report = Callable[..., None]
"""Takes a phase and fields of it: see ProgressLog.write."""

REPORT_EVERY_S = 2.0
SAMPLE_BATCH_ROWS = 10_000
SAMPLE_BATCH_BYTES = 400_000_000

# The engine sizes its batches by the memory that is free at the moment; a fixed number makes runs repeatable.
_MEMORY_FOR_HEURISTICS = "16g"
_CACHE = "issodask-engine-"
_ALIVE = ".alive"
_PREPARED = "prepared.json"
_STATE = "state.json"


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


def train(table: pd.DataFrame, folder: Path, training: Training, device: Device, report: Report) -> None:
    """Train a generator of `table` in `folder`, from its last checkpoint if there is one.

    Never pass rows that were repeated: a value counts as rare by the number of its rows.
    """
    with _engine(folder, device.n_threads) as (engine, workspace):
        if not (folder / _PREPARED).exists():
            report("prepare")
            _prepare(engine, workspace, table, training.seed)
            (folder / _PREPARED).write_text(json.dumps({"columns": list(table.columns)}), encoding="utf-8")
        checkpoints = _Checkpoints(folder)
        epoch = checkpoints.restore()
        progress = _Progress(report, checkpoints, epoch, training.max_epochs)
        report("train", epoch=epoch, max_epochs=training.max_epochs)
        engine.set_random_state(seeds.integer(training.seed, "train", round(100 * epoch)))
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
            upload_model_data_callback=progress.keep_checkpoint,
        )
        checkpoints.settle()


def tidy(folder: Path) -> None:
    """Remove what only training needs: checkpoints, and the engine's copies of the table, which are private."""
    for path in (*folder.glob("checkpoint*"), _workspace(folder) / "OriginalData"):
        shutil.rmtree(path, ignore_errors=True)


def begin_anew(folder: Path) -> None:
    """Forget all training in `folder`."""
    tidy(folder)
    shutil.rmtree(_workspace(folder), ignore_errors=True)
    (folder / _PREPARED).unlink(missing_ok=True)


def model_files(folder: Path) -> list[Path]:
    """The files of a trained generator, which are all that sampling needs."""
    return sorted(path for path in (_workspace(folder) / "ModelStore").rglob("*") if path.is_file())


def sample(folder: Path, n_rows: int, i_chunk: int, sampling: Sampling, device: Device) -> pd.DataFrame:
    """Draw the rows of one chunk: the same rows for the same number, whatever was drawn before."""
    with _engine(folder, device.n_threads) as (engine, workspace):
        engine.set_random_state(seeds.integer(sampling.seed, "sample", i_chunk))
        engine.generate(
            sample_size=n_rows,
            batch_size=_batch_rows(folder),
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


def _prepare(engine: ModuleType, workspace: Path, table: pd.DataFrame, seed: int) -> None:
    """The steps before training; they take no checkpoints, so an interrupted preparation starts anew."""
    for path in workspace.iterdir():
        shutil.rmtree(path)
    engine.set_random_state(seeds.integer(seed, "prepare"))
    engine.split(table, workspace_dir=workspace)
    engine.analyze(workspace_dir=workspace)
    engine.encode(workspace_dir=workspace)


def _workspace(folder: Path) -> Path:
    return folder / "workspace"


def _batch_rows(folder: Path) -> int:
    """Rows to draw at a time: fewer when one row's probabilities are many (columns of many categories)."""
    stats_path = _workspace(folder) / "ModelStore" / "tgt-stats" / "stats.json"
    columns = json.loads(stats_path.read_text(encoding="utf-8"))["columns"].values()
    n_probabilities = sum(sum(column.get("cardinalities", {}).values()) for column in columns)
    return int(np.clip(SAMPLE_BATCH_BYTES // (4 * max(1, n_probabilities)), 100, SAMPLE_BATCH_ROWS))


class _Checkpoints:
    """Copies of the engine's best state so far, whole or absent.

    The engine writes its own files in place, and takes the first state after a resumption for the best; these copies
    outlive a death in the middle of writing, and keep the best of all attempts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._model = _workspace(folder) / "ModelStore" / "model-data"
        self._best_loss = float("inf")

    def restore(self) -> float:
        """Bring the engine back to the best state, or to none; return its epoch."""
        shutil.rmtree(self._model, ignore_errors=True)
        last = self._last()
        if last is None:
            self._model.mkdir(parents=True)
            return 0.0
        shutil.copytree(last, self._model, ignore=shutil.ignore_patterns(_STATE))
        state = json.loads((last / _STATE).read_text(encoding="utf-8"))
        self._best_loss = state["val_loss"]
        return float(state["epoch"])

    def keep(self, epoch: float, val_loss: float) -> bool:
        """Copy the engine's state if it is the best so far."""
        if not val_loss < self._best_loss:
            return False
        self._best_loss = val_loss
        earlier = self._all()
        number = int(earlier[-1].name.rpartition("-")[2]) + 1 if earlier else 0
        work = self._folder / "checkpoint.work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self._model, work)
        (work / _STATE).write_text(json.dumps({"epoch": epoch, "val_loss": val_loss}), encoding="utf-8")
        work.rename(self._folder / f"checkpoint-{number:06d}")
        for path in earlier:
            shutil.rmtree(path)
        return True

    def settle(self) -> None:
        """Make the best state of all attempts the trained one."""
        best = self._last()
        if best is not None:
            shutil.copyfile(best / "model-weights.pt", self._model / "model-weights.pt")
        for name in ("optimizer.pt", "lr-scheduler.pt"):
            (self._model / name).unlink(missing_ok=True)

    def _last(self) -> Path | None:
        return next(iter(reversed(self._all())), None)

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("checkpoint-*"))


@dataclass(frozen=True)
class _Pace:
    time_s: float
    completed: int
    total: int


class _Progress:
    """The engine's callback at every training step: reports each epoch, and the time left in between."""

    def __init__(self, report: Report, checkpoints: _Checkpoints, epoch: float, max_epochs: float) -> None:
        self._report = report
        self._checkpoints = checkpoints
        self._max_epochs = max_epochs
        self._first = _Pace(0.0, 0, 0)
        self._last_report_s = 0.0
        self._message: dict[str, Any] = {"epoch": epoch}

    def __call__(
        self, total: int | None = None, completed: int | None = None, message: dict[str, Any] | None = None, **_: Any
    ) -> None:
        now_s = time.monotonic()
        if message is not None:
            self._message = message
        if message is None and now_s - self._last_report_s < REPORT_EVERY_S:
            return
        seconds_left = self._seconds_left(now_s, completed or 0, total or 0)
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

    def keep_checkpoint(self) -> None:
        """Called by the engine after each epoch's report."""
        if self._message.get("is_checkpoint") and self._message.get("val_loss") is not None:
            self._checkpoints.keep(self._message["epoch"], self._message["val_loss"])

    def _seconds_left(self, now_s: float, completed: int, total: int) -> float | None:
        """From the pace since this attempt's first step."""
        if total != self._first.total:  # the engine counts steps or seconds, whichever ends training first
            self._first = _Pace(now_s, completed, total)
        done = completed - self._first.completed
        if done <= 0:
            return None
        return round((now_s - self._first.time_s) / done * max(0, total - completed), 1)


@contextmanager
def _engine(folder: Path, n_threads: int) -> Iterator[tuple[ModuleType, Path]]:
    """mostlyai.engine, and the workspace in `folder` for it; the process is as before once the block ends."""
    _sweep_caches()
    with _cache() as cache, warnings.catch_warnings(), _environment(cache):
        warnings.simplefilter("ignore")
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
    with tempfile.TemporaryDirectory(prefix=_CACHE) as cache, (Path(cache) / _ALIVE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield cache


def _sweep_caches() -> None:
    """Remove what processes that were killed left behind: the engine's reader copies the table there."""
    for path in Path(tempfile.gettempdir()).glob(f"{_CACHE}*"):
        try:
            with (path / _ALIVE).open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # it lives, is just being made or removed, or is somebody else's
            continue
        shutil.rmtree(path, ignore_errors=True)


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
