"""Impute: fill missing values with what a generator, asked for them, draws given all other columns.

In: a table, and the columns to fill. Out: the same table, `draws` times, without gaps in them; what was observed stays.

One generator is trained so that any columns can be asked for given the others. Rows that lack the same columns are
filled together; their values are drawn, not averaged, so that a column keeps its distribution.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.config import GenerateConfig
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import Imputing
from issodask.host import check_installed
from issodask.models import mostly
from issodask.models.codec import Codec
from issodask.models.device import choose_device, look_around, pinned
from issodask.models.training import Training
from issodask.runtime import Runtime
from issodask.stages.roles import KnownColumns
from issodask.store.casts import cast_table
from issodask.store.copies import stand_in
from issodask.store.files import sole_writer
from issodask.store.frames import table_hash, to_frame
from issodask.store.places import folder_of_run
from issodask.store.receipts import Receipt, key_of
from issodask.store.run_folder import RunFolder
from issodask.store.subset import in_types, missing_in, with_values_where
from issodask.store.tables import as_table, read_table, write_rows
from issodask.store.types import noted_as
from issodask.table.controls import check_column
from issodask.table.schema import Schema, quoted

MOST_COLUMNS = 60


def impute(
    original: Any,
    columns: Sequence[str],
    config: GenerateConfig,
    folder: Path,
    runtime: Runtime,
    *,
    seed: int = 1,
    draws: int = 1,
    roles: Mapping[str, str] | None = None,
    events: Events | None = None,
) -> list[Any]:
    """The table without gaps in `columns`, as Arrow, once per draw; what is done is kept in `folder`.

    `config` says how the generator is trained: its time, epochs, model and device.
    Raises InputError for columns that are not there, ids, and columns without any value.
    """
    check_installed("mostlyai.engine", "imputation")
    table = as_table(original, where="the original")
    known = KnownColumns.of(table, None, roles)
    gaps = _gaps(table, columns, known)
    folder = folder_of_run(folder.absolute())
    place = RunFolder(folder)
    paths = [place.imputed(i) for i in range(draws)]
    with sole_writer(folder):
        settings = config.model_dump(include={"model", "max_epochs", "max_training_time_min", "batch_size", "device"})
        key = key_of(table_hash(table), sorted(gaps), known.schema.to_dict(), settings, seed)
        receipt = Receipt(place.imputed_note, key_of(key, draws), paths)
        if not receipt.is_valid():
            task = _Task(place.imputer(key[:16]), config, seed, tuple(gaps), draws, runtime.n_workers)
            for path, filled in zip(
                paths, _filled(table, gaps, known, task, runtime, events or Events(None)), strict=True
            ):
                write_rows(filled, path)
            receipt.write()
    return [read_table(path) for path in paths]


def _gaps(table: Any, columns: Sequence[str], known: KnownColumns) -> dict[str, NDArray[np.bool_]]:
    """Which rows lack each of the columns; those that lack none are left out."""
    if not 0 < len(columns) <= MOST_COLUMNS:
        raise InputError(f"{len(columns)} columns to fill were named: name 1 to {MOST_COLUMNS}")
    gaps = {}
    for name in columns:
        check_column(name, known.schema)
        missing = missing_in(table, name)
        if missing.all():
            raise InputError(f"column {name!r} has no value at all: nothing shows what to fill it with")
        if missing.any():
            gaps[name] = missing
    return gaps


def _filled(
    table: Any,
    gaps: Mapping[str, NDArray[np.bool_]],
    known: KnownColumns,
    task: "_Task",
    runtime: Runtime,
    events: Events,
) -> list[Any]:
    """The table, in its own types, once per draw."""
    filled = [cast_table(table, known.schema, "the original")] * task.draws
    if gaps:
        events.emit(Imputing(n=0, of=1, what=f"a generator learns to fill {quoted(gaps)}"))
        shared = runtime.share(table), runtime.share(known.schema)
        (found,) = runtime.map(_fill, [task], *shared, label="impute", exclusive=True, retries=task.config.retries)
        for i, values in enumerate(found):
            for name, missing in gaps.items():
                filled[i] = with_values_where(filled[i], name, missing, values[name], known.schema[name])
    n = sum(int(missing.sum()) for missing in gaps.values())
    events.emit(Imputing(n=1, of=1, what=f"{n:,} missing values filled in {len(gaps)} columns"))
    return [noted_as(in_types(own, known.schema), known.schema) for own in filled]


@dataclass(frozen=True)
class _Task:
    folder: Path
    config: GenerateConfig
    seed: int
    names: tuple[str, ...]
    draws: int
    n_workers: int


def _fill(task: _Task, table: Any, schema: Schema) -> list[dict[str, pd.Series]]:
    """Per draw, the values of each column in the rows that lack it, in their order. Runs on a worker."""
    frame = to_frame(table, schema)
    codec = Codec.fit(frame, schema)
    by_name = {item.column.name: item for item in codec.learnt}
    names = [name for name in task.names if by_name[name].form not in ("absent", "constant")]
    device = choose_device(task.config.device, look_around(task.n_workers), frame.size)
    device = replace(device, n_threads=1) if device.kind == "cpu" else device
    config, folder = task.config, stand_in(task.folder)
    limits = config.max_epochs, config.max_training_time_min, config.batch_size
    training = Training(config.model, *limits, seeds.integer(task.seed, "impute"), flexible=True)
    with pinned(device, 0):
        mostly.train(codec.encode(frame), folder, training, device, lambda phase, **fields: None)
        mostly.tidy(folder)
        encoded = codec.encode(frame, known=names)
        missing = frame[list(task.names)].isna()
        found = []
        for draw in range(task.draws):
            values = {name: frame[name].copy().astype(object) for name in task.names}
            for pattern, rows in _patterns(missing.to_numpy()):
                lacking = [name for i, name in enumerate(task.names) if pattern >> i & 1]
                asked = [by_name[name].name for name in lacking if name in names]
                own = encoded.iloc[rows].reset_index(drop=True)
                if asked:
                    one = seeds.integer(task.seed, "fill", draw, pattern)
                    drawn = mostly.fill(folder, own.drop(columns=asked), asked, one, device)
                    own = own.assign(**{name: drawn[name] for name in asked})
                decoded = codec.decode(own, seeds.integer(task.seed, "decode", draw, pattern))
                for name in lacking:
                    values[name].iloc[rows] = decoded[name].astype(object).to_numpy()
            found.append({name: _of_dtype(values[name][missing[name]], frame[name]) for name in task.names})
    return found


def _patterns(missing: NDArray[np.bool_]) -> list[tuple[int, NDArray[np.int64]]]:
    """Which columns are missing together, as the bits of a number, and in which rows; not those that lack none."""
    numbers = missing @ (1 << np.arange(missing.shape[1], dtype=np.int64))
    return [(number, np.flatnonzero(numbers == number)) for number in np.unique(numbers).tolist() if number]


def _of_dtype(values: pd.Series, column: pd.Series) -> pd.Series:
    values = values.reset_index(drop=True)
    return values.astype(column.dtype) if column.dtype != object else values
