"""What every task of a selection needs, shared once: the layout, the scale, and how to read codes and weights."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.kernels.units import Units, removal_gains
from issodask.table.blocks import Block, rows_by_block

_TIMED = 4_096
LEAST_COUNTED = 4_096
"""Units for each thread that counts: it takes a table of all cells for them."""


class MapLanes(Protocol):
    """Run `function(item, residual, bench)` for each item, somewhere; results in the order of the items."""

    def __call__(
        self, function: Callable[..., Any], items: Sequence[Any], residual: NDArray[np.int32]
    ) -> Iterable[Any]: ...


class Crew(Protocol):
    """Threads of the driver's own process: run `function(part)` for each part, all side by side, and wait."""

    n_threads: int

    def run(self, function: Callable[[slice], None], parts: Sequence[slice]) -> None: ...


def even_weights(block: Block) -> NDArray[np.float64]:
    """Weights where none were fitted."""
    return np.ones(block.n_units)


@dataclass(frozen=True)
class Workbench:
    """Small and read-only; travels to each worker once per stage.

    load_codes(block) -> uint8 (u x d), or SequenceCodes of u groups
    load_weights(block) -> float64 (u,): its IPF weights, mean 1 over the units that they were fitted on
    """

    objective: Objective
    blocks: Sequence[Any]
    load_codes: Callable[[Any], Any]
    load_weights: Callable[[Any], NDArray[np.float64]] = even_weights
    may_repeat: bool = False

    def gather(self, unit_ids: NDArray[np.int64]) -> Units:
        """The given units (ascending, may repeat) for the kernels."""
        pieces = [(self.load_codes(block), rows) for block, rows in rows_by_block(unit_ids, self.blocks)]
        return self.objective.cliques.gather(pieces, self.objective.unit, self.objective.weights)

    def gather_by(self, crew: Crew, unit_ids: NDArray[np.int64]) -> Units:
        """The same, by all threads."""
        parts: dict[int, Units] = {}

        def gather(part: slice) -> None:
            parts[part.start] = self.gather(unit_ids[part])

        crew.run(gather, cut(len(unit_ids), crew.n_threads))
        ordered = [parts.pop(start) for start in sorted(parts)]
        return type(ordered[0]).stack(ordered)  # type: ignore[arg-type]

    def residual_by(
        self, crew: Crew, unit_ids: NDArray[np.int64], least_counted: int = LEAST_COUNTED
    ) -> NDArray[np.int32]:
        """The residual of a subset of the given units (ascending, may repeat), counted by all threads."""
        cliques = self.objective.cliques

        def count(part: slice, cells: NDArray[np.int64]) -> None:
            for block, rows in rows_by_block(unit_ids[part], self.blocks):
                cliques.count(self.load_codes(block), cells, rows)

        return self.objective.residual(count_by(crew, count, len(unit_ids), cliques.n_cells, least_counted))


def count_by(
    crew: Crew,
    count: Callable[[slice, NDArray[np.int64]], None],
    n_units: int,
    n_cells: int,
    least_counted: int = LEAST_COUNTED,
) -> NDArray[np.int64]:
    """Marginals, int64, (n_cells,), by all threads: `count(part, cells)` adds those of a part of the units."""
    counted: list[NDArray[np.int64]] = []

    def count_part(part: slice) -> None:
        cells = np.zeros(n_cells, np.int64)
        count(part, cells)
        counted.append(cells)

    crew.run(count_part, cut(n_units, min(crew.n_threads, 1 + n_units // least_counted)))
    return total(counted, n_cells)


def cut(n: int, n_parts: int) -> list[slice]:
    """[0, n) in at most so many parts of about the same length, none of them empty."""
    bounds = [n * i // n_parts for i in range(n_parts + 1)]
    return [slice(a, b) for a, b in pairwise(bounds) if a < b]


def time_gains(unit_ids: NDArray[np.int64], bench: Workbench) -> float:
    """Seconds that one gain takes on this machine now, in batches, with everything compiled; tried on some units."""
    units = bench.gather(unit_ids[:_TIMED])
    places = np.arange(units.n_units)
    table = np.zeros(bench.objective.cliques.n_cells, np.int16)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        removal_gains(units, table, places, np.empty(len(places)))
        seconds.append(time.perf_counter() - start)
    return min(seconds) / len(places)


def total(counts: Iterable[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Add up the blocks' marginals as they come."""
    result = np.zeros(n_cells, np.int64)
    for part in counts:
        result += part
    return result
