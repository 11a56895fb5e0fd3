"""Select: the subset of a pool whose marginals match the original, written in the original's shape.

In: the original, a pool, where to write. Out: subset and lineage as Parquet, and what there is to say about the search.
Read, encode, target, search, write; the search itself is in `search.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from issodask.config import SelectConfig
from issodask.errors import InputError
from issodask.events import Events
from issodask.fitting.budget import read_rounds
from issodask.report.copies import Fingerprints
from issodask.report.metrics import copies_record
from issodask.report.tables import Table
from issodask.runtime import Runtime, open_runtime
from issodask.runtime.local import Crew
from issodask.stages.bound import bound_objective
from issodask.stages.context import SearchContext
from issodask.stages.encode import READING, EncodedPart, encode_pool
from issodask.stages.original import KnownOriginal
from issodask.stages.search import Found, search
from issodask.stages.write import write_subset
from issodask.store.codes import Codes, read_note
from issodask.store.dialects import Dialect
from issodask.store.files import file_hash, read_json, sole_writer, write_json
from issodask.store.folders import describe_csv
from issodask.store.frames import key_codes, to_frame
from issodask.store.pool import Pool, as_pool, check_pool
from issodask.store.subset import check_out, lineage_path
from issodask.store.tables import as_table, check_place, read_table
from issodask.table.keys import new_keys

if TYPE_CHECKING:
    from issodask.runtime.base import Client


@dataclass(frozen=True)
class Selected:
    """What a selection made and found, and the accuracy of as many random units of the pool.

    `facts` is what the report tells of it (keys: see report.page.render_page). No subset of the pool can have a higher
    accuracy than `highest_accuracy`; None when config.bound is off.
    """

    out: Path
    n_units: int
    accuracy: float
    random_accuracy: float
    stop_reason: str
    rounds: str
    facts: dict[str, Any]
    highest_accuracy: float | None = None


def select(
    original: Any,
    pool: Any,
    out: str | Path,
    config: SelectConfig | None = None,
    *,
    group_key: str | None = None,
    seed: int = 1,
    folder: str | Path | None = None,
    runtime: "Runtime | Client | None" = None,
    events: Events | None = None,
    csv: Mapping[str, Any] | None = None,
    pool_csv: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    held_out: Any | None = None,
) -> Selected:
    """Select a subset of `pool` that matches `original`, and write it to `out` (Parquet).

    original, pool  paths, or pandas, Arrow or Dask tables (a pool in memory is written to `folder` first)
    group_key       the column that says which rows belong together, when whole groups are to be chosen
    folder          what can be resumed is kept there; default: `<out without its ending>.work`
    runtime         where the work runs: a runtime, or a Dask client; default: threads, one per processor
    csv, pool_csv   how CSV files of the original and of the pool are written, where that can't be found in them:
                    separator, decimal (sign) and encoding, such as {"encoding": "cp1250"}
    columns         roles of columns, by name, that are not found right: see table/roles.py
    held_out        rows that were split off the same table: the subset has none of their ids and keys either

    Raises InputError for input that can't be used; what an earlier run wrote to `out` stays untouched then.
    """
    if not isinstance(runtime, Runtime):
        with open_runtime(scheduler=runtime) as runtime:
            return select(
                original,
                pool,
                out,
                config,
                group_key=group_key,
                seed=seed,
                folder=folder,
                runtime=runtime,
                events=events,
                csv=csv,
                pool_csv=pool_csv,
                columns=columns,
                held_out=held_out,
            )
    config = config or SelectConfig()
    out = Path(out)
    check_out(out)
    folder = Path(folder) if folder is not None else out.with_suffix(".work")
    _check_config(config, group_key)
    for table in (original, pool):
        check_place(table)
    events = events or Events(folder / "events.jsonl")

    with sole_writer(folder / "select"):
        return _select(
            original, pool, out, config, group_key, columns, held_out, seed, folder, runtime, events, csv, pool_csv
        )


def _select(
    original: Any,
    pool: Any,
    out: Path,
    config: SelectConfig,
    group_key: str | None,
    roles: Mapping[str, str] | None,
    held_out: Any | None,
    seed: int,
    folder: Path,
    runtime: Runtime,
    events: Events,
    csv: Mapping[str, Any] | None,
    pool_csv: Mapping[str, Any] | None,
) -> Selected:
    runtime.keep_in(folder)
    timings: dict[str, float] = {}
    began = monotonic()
    table = as_table(original, csv=csv)
    held_out = None if held_out is None else as_table(held_out, where="the table of held-out rows")
    known = KnownOriginal.of(table, group_key, roles, held_out)
    facts_of_columns = known.columns.facts()
    events.emit("columns", **facts_of_columns, told=known.columns.told())
    fingerprints = Fingerprints.of(_units(table, group_key), facts_of_columns["left_out"])
    del table
    needed = known.columns.needed
    opened = pool if isinstance(pool, Pool) else as_pool(pool, folder / "pool", needed, group_key, pool_csv)
    timings["read"] = round(monotonic() - began, 2)
    runtime.check_seen(folder, opened.folder)
    _tell_csv(original, csv, opened, events)

    n_units = config.units or known.n_units
    if known.group_key is not None and known.keys is not None:
        new_keys(known.schema[known.group_key], known.keys, n_units)  # say now if there are too few
    for ids in known.columns.ids:
        if group_key is None or ids.of_group:
            ids.check(n_units, seed)  # say now if there are too few
    check_pool(opened, needed, group_key)
    _check_units(opened, opened.n_rows if group_key is None else opened.n_units, n_units, config)
    codes = _encode(opened, known, folder, runtime, events, timings)
    _check_units(opened, codes.n_units, n_units, config)
    with Crew.beside(runtime) as crew:
        objective, marginals = known.target(known.cliques(n_units, codes.counts), n_units, crew)
    context = SearchContext(codes, objective, marginals, config, seed, folder / "select", runtime, events)
    found = search(context)
    timings |= found.timings
    bound = None
    if config.bound:
        bound, timings["bound"] = bound_objective(context)

    began = monotonic()
    used = np.flatnonzero(found.uses)
    unit_ids = np.repeat(used, found.uses[used])
    _write(opened, codes, unit_ids, known, seed, out, folder / "select" / "written.json", runtime, events)
    timings["write"] = round(monotonic() - began, 2)
    began = monotonic()
    copies = fingerprints.copies_in(_units(read_table(out), group_key))
    timings["compare"] = round(monotonic() - began, 2)

    facts = _facts(found, codes, opened, known, unit_ids, config, seed, timings)
    facts["objective_bound"] = bound
    facts["roles"] = facts_of_columns
    facts["copies"] = copies_record(copies, "row" if group_key is None else "group")
    events.emit(
        "selected",
        out=str(out),
        accuracy=1 - found.objective,
        rounds=found.rounds,
        reason=found.stop_reason,
        copies=facts["copies"],
    )
    return Selected(
        out,
        n_units,
        1 - found.objective,
        1 - found.random_objective,
        found.stop_reason,
        found.rounds,
        facts,
        None if bound is None else 1 - bound,
    )


def _units(table: Any, group_key: str | None) -> Table:
    """The units of an Arrow table, as they are compared."""
    rows = to_frame(table)
    if group_key is None:
        return Table.flat(rows)
    return Table.grouped(rows.drop(columns=[group_key]), key_codes(table, group_key), "the table")


def _tell_csv(original: Any, csv: Mapping[str, Any] | None, pool: Pool, events: Events) -> None:
    """Say what was found of CSV files that are not written as usual."""
    path = Path(original) if isinstance(original, str | Path) and Path(original).exists() else None
    texts = [describe_csv(path, Dialect.given(csv)) if path is not None else None, pool.describe_csv()]
    for text in filter(None, texts):
        events.emit("csv", text=text)


def _check_config(config: SelectConfig, group_key: str | None) -> None:
    """Say what is wrong before anything starts."""
    if config.rounds is not None:
        read_rounds(config.rounds)
    if config.start == "coherence" and group_key is None:
        raise InputError("[select] start is 'coherence', but only groups have coherence: give a group_key, or 'trim'")


def _encode(
    pool: Pool,
    known: KnownOriginal,
    folder: Path,
    runtime: Runtime,
    events: Events,
    timings: dict[str, float],
) -> Codes:
    began = monotonic()
    n_done = 0

    def tell(part: EncodedPart) -> None:
        nonlocal n_done
        n_done += 1
        events.emit("encode", n=n_done, of=len(pool.parts), part=part.name, rows=part.n_rows, state=part.state)

    schema, constants = known.columns.needed, known.columns.plain_constants
    codes = encode_pool(pool, known.bins, schema, folder / "codes", runtime, tell, known.group_key, constants)
    timings["encode"] = round(monotonic() - began, 2)
    return codes


def _check_units(pool: Pool, n_pool: int | None, n_units: int, config: SelectConfig) -> None:
    """Once before encoding, where the pool's parts say how many rows they have, and once after."""
    if n_pool is not None and n_pool < n_units and not config.allow_repeats:
        raise InputError(
            f"pool {pool.place} has {n_pool:,} units but the subset needs {n_units:,}: generate more, or lower units"
        )


def _write(
    pool: Pool,
    codes: Codes,
    unit_ids: NDArray[np.int64],
    known: KnownOriginal,
    seed: int,
    out: Path,
    note: Path,
    runtime: Runtime,
    events: Events,
) -> None:
    """Write subset and lineage, unless they are there as an earlier run wrote them, from the same rows."""
    notes = [read_note(codes.folder, part.name) for part in pool.parts]
    made_from = {
        "reading": READING,
        "units": xxhash.xxh3_64(unit_ids.tobytes()).hexdigest(),
        "parts": [
            (part.name, part.generator, n.part_xxh3 if n else None) for part, n in zip(pool.parts, notes, strict=True)
        ],
        "schema": known.schema.to_dict(),
        "columns": known.columns.made_from(),
        "keys": (known.group_key, [] if known.keys is None else [str(key) for key in known.keys.tolist()]),
        "seed": seed,
    }
    name = xxhash.xxh3_128(json.dumps(made_from).encode()).hexdigest()
    if read_json(note) == _written(name, out):
        return
    events.emit("write", n=0, of=1, units=len(unit_ids))
    write_subset(pool, unit_ids, known.schema, out, runtime, known.group_key, known.keys, known.columns, seed)
    write_json(note, _written(name, out))


def _written(name: str, out: Path) -> dict[str, Any]:
    files = (out, lineage_path(out))
    return {"from": name, "files": [file_hash(path) if path.is_file() else None for path in files]}


def _facts(
    found: Found,
    codes: Codes,
    pool: Pool,
    known: KnownOriginal,
    unit_ids: NDArray[np.int64],
    config: SelectConfig,
    seed: int,
    timings: dict[str, float],
) -> dict[str, Any]:
    return {
        "pool_units": codes.n_units,
        "objective": found.objective,
        "stop_reason": found.stop_reason,
        "rounds": found.rounds,
        "seed": seed,
        "timings": timings,
        "ipf": {**asdict(found.ipf), "unfillable": len(found.ipf.unfillable)},
        "start": found.start,
        "unsupported": _unsupported(found, known),
        "lineage": _lineage(codes, pool, unit_ids),
        "select": config.model_dump(),
    }


def _unsupported(found: Found, known: KnownOriginal) -> dict[str, Any]:
    """Target cells of pairs that no unit of the pool can fill."""
    bins = known.bins
    cells = found.ipf.unfillable
    return {
        "cells": len(cells),
        "share": sum(cell[4] for cell in cells) / max(1, found.ipf.n_pairs),
        "worst": [
            {
                "columns": [bins.names[a], bins.names[b]],
                "bins": [bins.labels[a][bin_a], bins.labels[b][bin_b]],
                "rows": round(share * known.n_units),
            }
            for a, b, bin_a, bin_b, share in cells[:50]
        ],
    }


def _lineage(codes: Codes, pool: Pool, unit_ids: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Units of the pool and of the subset by generator (parts of a foreign pool have none)."""
    stops = np.cumsum(codes.part_units)
    chosen = np.diff(np.searchsorted(unit_ids, stops), prepend=0)
    rows: dict[int | None, list[int]] = {}
    for part, n_pool, n_chosen in zip(pool.parts, codes.part_units, chosen, strict=True):
        counts = rows.setdefault(part.generator, [0, 0])
        counts[0] += n_pool
        counts[1] += int(n_chosen)
    return [
        {"generator": generator, "pool_units": n_pool, "units": n_chosen}
        for generator, (n_pool, n_chosen) in rows.items()
    ]
