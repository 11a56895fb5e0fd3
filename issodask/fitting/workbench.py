"""What every task of a selection needs, shared once: the layout, the scale, and how to read codes and weights."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.kernels.units import Units, removal_gains
from issodask.table.blocks import Block, rows_by_block

_TIMED = 4_096


class MapLanes(Protocol):
    """Run `function(item, residual, bench)` for each item, somewhere; results in the order of the items."""

    def __call__(
        self, function: Callable[..., Any], items: Sequence[Any], residual: NDArray[np.int32]
    ) -> Iterable[Any]: ...


def even_weights(block: Block) -> NDArray[np.float64]:
    """Weights where none were fitted."""
    return np.ones(block.n_units)


@dataclass(frozen=True)
class Workbench:
    """Small and read-only; travels to each worker once per stage.

    load_codes(block) -> uint8 (u x d), or SequenceCodes of u groups
    load_weights(block) -> float64 (u,): its IPF weights, mean 1 over the pool
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


def count_chosen(item: tuple[Block, NDArray[np.int64]], bench: Workbench) -> NDArray[np.int64]:
    """Marginals of the chosen units of a block: int64, (n_cells,); item: (block, positions in it)."""
    block, chosen = item
    cliques = bench.objective.cliques
    counts = np.zeros(cliques.n_cells, np.int64)
    cliques.count(bench.load_codes(block), counts, chosen)
    return counts


def total(counts: Iterable[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Add up the blocks' marginals as they come."""
    result = np.zeros(n_cells, np.int64)
    for part in counts:
        result += part
    return result
