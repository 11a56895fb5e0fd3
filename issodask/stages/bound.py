"""Bound: what the best possible subset of the pool could reach at most.

In: the pool's codes and the objective. Out: a number that the objective of no subset goes below; kept in the search's
folder, for any search of the same pool for as many units.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import xxhash

from issodask.events import Events
from issodask.fitting.bound import N_PASSES, Passed, Prices, Relaxation, bound_of_cells, count_block, pass_block
from issodask.fitting.objective import Objective
from issodask.fitting.workbench import Workbench, total
from issodask.runtime import Runtime
from issodask.store.codes import Codes
from issodask.store.files import read_json, write_json
from issodask.store.reader import BlockReader

_VERSION = 1


def bound_objective(
    codes: Codes,
    objective: Objective,
    may_repeat: bool,
    folder: Path,
    runtime: Runtime,
    events: Events,
) -> tuple[float, float]:
    """A lower bound of the objective of any subset of the pool, and the seconds that finding it took."""
    key = _key(codes, objective, may_repeat)
    note = read_json(folder / "bound.json")
    if isinstance(note, dict) and note.get("key") == key:
        return float(note["bound"]), float(note["seconds"])
    began = monotonic()
    bench = Workbench(objective, codes.blocks, BlockReader(folder / "weights").codes, may_repeat=may_repeat)
    bound = _bound(bench, codes, runtime, events)
    seconds = round(monotonic() - began, 2)
    write_json(folder / "bound.json", {"key": key, "bound": bound, "seconds": seconds})
    return bound, seconds


def _bound(bench: Workbench, codes: Codes, runtime: Runtime, events: Events) -> float:
    objective, may_repeat, n_cells = bench.objective, bench.may_repeat, bench.objective.cliques.n_cells
    shared = runtime.share(bench)
    events.emit("bound", n=0, of=N_PASSES, bound=0.0)
    full = total(runtime.map(count_block, codes.blocks, shared, label="bound"), n_cells)
    of_cells = bound_of_cells(objective, full, may_repeat)
    relaxation = Relaxation(bench, full)

    def run_pass(prices: Prices) -> Iterator[Passed]:
        return runtime.map(pass_block, codes.blocks, runtime.share(prices), shared, label="bound")

    def tell(n: int, bound: float) -> None:
        events.emit("bound", n=n, of=N_PASSES, bound=max(bound, of_cells))

    return max(of_cells, relaxation.run(run_pass, N_PASSES, tell))


def _key(codes: Codes, objective: Objective, may_repeat: bool) -> str:
    hashes = [xxhash.xxh3_64(array.tobytes()).hexdigest() for array in (objective.target, objective.weights)]
    values = [_VERSION, codes.key, hashes, objective.n_units, objective.unit, may_repeat, N_PASSES]
    return xxhash.xxh3_64(json.dumps(values).encode()).hexdigest()
