"""What every task of a selection needs, shared once: the layout, the scale, and how to read codes and weights."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.kernels.cells import removal_gains
from issodask.table.blocks import Block
from issodask.table.cliques import CellIndex
from issodask.table.marginals import count_marginals

_TIMED = 4_096


class MapLanes(Protocol):
    """Run `function(item, residual, bench)` for each item, somewhere; results in the order of the items."""

    def __call__(
        self, function: Callable[..., Any], items: Sequence[Any], residual: NDArray[np.int32]
    ) -> Iterable[Any]: ...


@dataclass(frozen=True)
class Workbench:
    """Small and read-only; travels to each worker once per stage.

    load_codes(block) -> uint8 (u x d); load_weights(block) -> float64 (u,): its IPF weights, mean 1 over the pool.
    """

    objective: Objective
    load_codes: Callable[[Any], NDArray[np.uint8]]
    load_weights: Callable[[Any], NDArray[np.float64]]
    may_repeat: bool = False

    @property
    def index(self) -> CellIndex:
        return self.objective.cliques.index

    @property
    def unit(self) -> int:
        return self.objective.unit

    @property
    def arity_weights(self) -> NDArray[np.float64]:
        return self.objective.arity_weights


def time_gains(codes: NDArray[np.uint8], bench: Workbench) -> float:
    """Seconds that one gain takes on this machine now, in batches, with everything compiled; tried on some `codes`."""
    codes = np.ascontiguousarray(codes[:_TIMED])
    rows = np.arange(len(codes))
    table = np.zeros(bench.objective.cliques.n_cells, np.int32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        removal_gains(table, bench.index, bench.arity_weights, codes, rows, np.empty(len(codes)))
        seconds.append(time.perf_counter() - start)
    return min(seconds) / len(codes)


def count_chosen(item: tuple[Block, NDArray[np.int64]], bench: Workbench) -> NDArray[np.int64]:
    """Marginals of the chosen rows of a block: int64, (n_cells,); item: (block, rows)."""
    block, rows = item
    return count_marginals([bench.load_codes(block)[rows]], bench.objective.cliques)


def total(counts: Iterable[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Add up the blocks' marginals as they come."""
    result = np.zeros(n_cells, np.int64)
    for part in counts:
        result += part
    return result
