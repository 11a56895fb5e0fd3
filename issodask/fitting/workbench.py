"""What every task of a selection needs, shared once: the layout, the scale, and how to read codes and weights."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.table.blocks import Block
from issodask.table.cliques import CellIndex
from issodask.table.marginals import count_marginals


class MapTasks(Protocol):
    """Run `function(item, *shared)` for each item, somewhere; results in the order of the items."""

    def __call__(self, function: Callable[..., Any], items: Sequence[Any], *shared: Any) -> Iterable[Any]: ...


@dataclass(frozen=True)
class Workbench:
    """Small and read-only; travels to each worker once per stage.

    load_codes(block) -> uint8 (u x d), load_weights(block) -> float64 (u,): the block's IPF weights, mean 1 over the pool.
    """

    objective: Objective
    load_codes: Callable[[Block], NDArray[np.uint8]]
    load_weights: Callable[[Block], NDArray[np.float64]]
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


def count_chosen(item: tuple[Block, NDArray[np.int64]], bench: Workbench) -> NDArray[np.int64]:
    """Marginals of the chosen rows of a block: int64, (n_cells,); item: (block, rows)."""
    block, rows = item
    return count_marginals([bench.load_codes(block)[rows]], bench.objective.cliques)


def total(counts: Iterator[NDArray[np.int64]] | Iterable[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Add up the blocks' marginals as they come."""
    result = np.zeros(n_cells, np.int64)
    for part in counts:
        result += part
    return result
