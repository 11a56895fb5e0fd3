"""One generator of mostlyai's TabularARGN: trained in a folder, resumable, sampled in pieces of fixed seeds.

In: a table of plain types (see codec.py). Out: a trained model in `folder/workspace`, frames of samples. A training
that was interrupted goes on from its last leg (see legs.py), and ends in the bytes of one that was not.

A sequential table is learnt by two models. One knows the columns that never change within a group (a flat table of one
row per group, in `folder/groups`), the other makes the rows of a group from these. With all columns in one model, rows
contradict what the first one said; the overall accuracy of nlswork's samples was 0.004 lower (three seeds each).

The columns are learnt in one fixed order, helpers first, rather than in random orders, which only serve to fill in
columns afterwards: at equal time the samples' overall accuracy was 0.011 to 0.038 higher on three real tables.
"""

import json
import shutil
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.errors import InputError
from issodask.models.codec import GROUP
from issodask.models.device import Device
from issodask.models.draws import quicker_draws
from issodask.models.engine import engine_in, quicker_steps, rare_by_group, workspace_of
from issodask.models.gpu_memory import in_batches_that_fit, memory_faults_of_training
from issodask.models.legs import WORK, Legs, carried_over, epochs_per_leg, remove_legs
from issodask.models.progress_log import PROGRESS
from issodask.models.training import NowAndThen, Report, Training, TrainingProgress

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

_GROUPS = "groups"
_PREPARED = "prepared.json"
_TRAINED = "trained"


@dataclass(frozen=True)
class Sampling:
    """How its samples are drawn."""

    temperature: float
    top_p: float
    seed: int
    rebalancing: Mapping[str, Any] | None = None
    """Shares of the values of the column that is learnt first, as the engine has it."""


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
    on_kept: Callable[[], None] = lambda: None,
) -> None:
    """Train a generator of `table` in `folder`, from its last leg if there is one; `report` may raise to stop it.

    `on_kept` is called whenever there is more in `folder` to go on from.

    A table with the column GROUP is sequential; `names_of_groups` are the columns that never change within a group.
    Never pass units that were repeated: a value counts as rare by the number of its units.
    """
    if GROUP not in table:
        return _train(table, folder, training, device, report, on_kept)
    groups = table[[GROUP, *names_of_groups]].drop_duplicates(GROUP)
    if names_of_groups:
        time_min = TIME_SHARE_OF_GROUPS * training.max_time_min
        training = replace(training, max_time_min=training.max_time_min - time_min)
        of_groups = replace(training, max_time_min=time_min)
        _train(groups.drop(columns=GROUP), folder / _GROUPS, of_groups, device, _told_of_groups(report), on_kept)
    _train(table.drop(columns=list(names_of_groups)), folder, training, device, report, on_kept, groups)


def _train(
    table: pd.DataFrame,
    folder: Path,
    training: Training,
    device: Device,
    report: Report,
    on_kept: Callable[[], None],
    groups: pd.DataFrame | None = None,
) -> None:
    """One model: of a flat table, or of the rows of `groups`."""
    if (folder / _TRAINED).exists():
        return
    with engine_in(folder, device.n_threads) as (engine, workspace):
        if not (folder / _PREPARED).exists():
            _prepare(engine, workspace, table, groups, training.seed, report)
            (folder / _PREPARED).write_text(json.dumps({"columns": list(table.columns)}), encoding="utf-8")
        legs = Legs(folder, workspace_of(folder) / "ModelStore" / "model-data", on_kept)
        _train_in_legs(engine, workspace, legs, training, device, report, epochs_per_leg(table.size))
    (folder / _TRAINED).touch()
    on_kept()


def _train_in_legs(
    engine: ModuleType,
    workspace: Path,
    legs: Legs,
    training: Training,
    device: Device,
    report: Report,
    n_epochs: int,
) -> None:
    """Leg by leg, from the last one that is whole, to the one that ends early or by a limit."""
    leg = legs.restore()
    report("train", epoch=leg.epoch, max_epochs=training.max_epochs)
    while True:
        progress = TrainingProgress(report, leg, leg.epoch + n_epochs, training)
        engine.set_random_state(seeds.integer(training.seed, "train", leg.n_before))
        with carried_over(leg) as ending, quicker_steps(), memory_faults_of_training():
            engine.train(
                model=training.model,
                max_epochs=training.max_epochs,
                max_training_time=training.max_time_min,
                batch_size=training.batch_size,
                enable_flexible_generation=training.flexible,
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


def pack(folder: Path, file: Path) -> None:
    """Write what there is to go on from, or to sample from, as one file; nothing in it is the original's."""
    with tarfile.open(file, "w") as packed:
        for path in sorted(folder.iterdir()):
            packed.add(path, path.name, filter=_travels)


def unpack(file: Path, folder: Path) -> None:
    """Make `folder` what it was when the file was packed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(file) as packed:
        packed.extractall(folder, filter="data")


def _travels(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Not the engine's copies of the table, nor that they are there, nor what is half written."""
    is_left = {"OriginalData", _PREPARED, PROGRESS, WORK}.intersection(Path(entry.name).parts)
    return None if is_left else entry


def preload(folder: Path, device: Device) -> None:
    """Import the engine, which takes seconds, while another process trains the generator in `folder`."""
    with engine_in(folder, device.n_threads, is_trained=True):
        pass


def tidy(folder: Path) -> None:
    """Remove what only training needs: its legs, and the engine's copies of the table, which are private."""
    for model in _models(folder):
        remove_legs(model)
        shutil.rmtree(workspace_of(model) / "OriginalData", ignore_errors=True)


def begin_anew(folder: Path) -> None:
    """Forget all training in `folder`."""
    for model in _models(folder):  # first what says that something is finished
        (model / _TRAINED).unlink(missing_ok=True)
        (model / _PREPARED).unlink(missing_ok=True)
    tidy(folder)
    for model in _models(folder):
        shutil.rmtree(workspace_of(model), ignore_errors=True)


def model_files(folder: Path) -> list[Path]:
    """The files of a trained generator, which are all that sampling needs."""
    paths = [path for model in _models(folder) for path in (workspace_of(model) / "ModelStore").rglob("*")]
    return sorted(path for path in paths if path.is_file())


def sample(folder: Path, n_units: int, i_chunk: int, sampling: Sampling, device: Device) -> pd.DataFrame:
    """Draw the units of one chunk: the same units for the same number, whatever was drawn before.

    Sequential samples have the column GROUP, counting from 0; each group's rows lie together.
    """
    if not (workspace_of(folder) / "ModelStore" / "ctx-stats").exists():
        return _draw(folder, n_units, seeds.integer(sampling.seed, "sample", i_chunk), sampling, device)
    groups = pd.DataFrame({GROUP: np.arange(n_units)})
    if (folder / _GROUPS).exists():
        seed = seeds.integer(sampling.seed, "sample groups", i_chunk)
        groups = groups.join(_draw(folder / _GROUPS, n_units, seed, sampling, device))
    seed = seeds.integer(sampling.seed, "sample", i_chunk)
    rows = _draw(folder, n_units, seed, sampling, device, groups)
    rows = rows.sort_values(GROUP, kind="stable", ignore_index=True)  # the engine draws first rows, second rows, ...
    return rows.merge(groups, on=GROUP, how="left")


def fill(folder: Path, known: pd.DataFrame, names: Sequence[str], seed: int, device: Device) -> pd.DataFrame:
    """Draw the columns `names` for each row of `known`, which has all others, by a model that is flexible.

    None of what is drawn is missing. Rows keep their order.
    """
    imputation = {"columns": list(names)}
    return _generated(folder, seed, device, seed_data=known, imputation=imputation)


def _drawn(workspace: Path) -> pd.DataFrame:
    """What the engine wrote."""
    frames = [pd.read_parquet(path) for path in sorted((workspace / "SyntheticData").glob("*.parquet"))]
    return pd.concat(frames, ignore_index=True)


def _draw(
    folder: Path,
    n_units: int,
    seed: int,
    sampling: Sampling,
    device: Device,
    groups: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Samples of one model: of a flat table, or the rows of `groups`."""
    return _generated(
        folder,
        seed,
        device,
        ctx_data=groups,
        sample_size=n_units,
        sampling_temperature=sampling.temperature,
        sampling_top_p=sampling.top_p,
        rebalancing=sampling.rebalancing,
    )


def _generated(folder: Path, seed: int, device: Device, **asked: Any) -> pd.DataFrame:
    """What the engine generates when it is asked so."""
    with engine_in(folder, device.n_threads, is_trained=True) as (engine, workspace), quicker_draws():

        def draw(batch_size: int) -> None:
            engine.set_random_state(seed)
            engine.generate(
                **asked,
                batch_size=batch_size,
                rare_category_replacement_method="SAMPLE",
                device=device.kind,
                workspace_dir=workspace,
            )

        in_batches_that_fit(draw, _batch_units(folder))
        return _drawn(workspace)


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
    now_and_then = NowAndThen(report)
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


def _batch_units(folder: Path) -> int:
    """Units to draw a row of at a time: fewer when one row's probabilities are many (columns of many categories)."""
    stats_path = workspace_of(folder) / "ModelStore" / "tgt-stats" / "stats.json"
    columns = json.loads(stats_path.read_text(encoding="utf-8"))["columns"].values()
    n_probabilities = sum(sum(column.get("cardinalities", {}).values()) for column in columns)
    return int(np.clip(SAMPLE_BATCH_BYTES // (4 * max(1, n_probabilities)), 100, SAMPLE_BATCH_UNITS))
