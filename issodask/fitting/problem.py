"""The problem that a selection solves: which units there are, how to read them, and what the subset should look like.

In: blocks of the pool, wherever they lie. Out: `Problem`, which every task of a selection gets, once.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.team import LEAST_COUNTED, ThreadTeam, count_by, cut
from issodask.kernels.units import Units, removal_gains
from issodask.table.blocks import Block, rows_by_block

_TIMED = 4_096


class MapLanes(Protocol):
    """Run `function(lane, residual, problem)` for each lane, somewhere; results in the order of the lanes."""

    def __call__(
        self, function: Callable[..., Any], lanes: Sequence[Any], residual: NDArray[np.int32]
    ) -> Iterable[Any]: ...


def even_weights(block: Block) -> NDArray[np.float64]:
    """Weights where none were fitted."""
    return np.ones(block.n_units)


@dataclass(frozen=True)
class Problem:
    """Small and read-only; travels to each worker once per stage.

    load_codes(block) -> uint8 (u x d), or SequenceCodes of u groups
    load_weights(block) -> float64 (u,): its IPF weights, mean 1 over the units that they were fitted on
    load_classes(block) -> int32 (u,): units are swapped for others of their class only; None: for any
    """

    objective: Objective
    blocks: Sequence[Any]
    load_codes: Callable[[Any], Any]
    load_weights: Callable[[Any], NDArray[np.float64]] = even_weights
    may_repeat: bool = False
    load_classes: Callable[[Any], NDArray[np.int32]] | None = None

    def gather(self, unit_ids: NDArray[np.int64]) -> Units:
        """The given units (ascending, may repeat) for the kernels."""
        pieces = [(self.load_codes(block), rows) for block, rows in rows_by_block(unit_ids, self.blocks)]
        return self.objective.cliques.gather(pieces, self.objective.unit, self.objective.weights)

    def gather_by(self, team: ThreadTeam, unit_ids: NDArray[np.int64]) -> Units:
        """The same, by all threads."""
        parts: dict[int, Units] = {}

        def gather(part: slice) -> None:
            parts[part.start] = self.gather(unit_ids[part])

        team.run(gather, cut(len(unit_ids), team.n_threads))
        ordered = [parts.pop(start) for start in sorted(parts)]
        return type(ordered[0]).stack(ordered)  # type: ignore[arg-type]

    def residual_by(
        self, team: ThreadTeam, unit_ids: NDArray[np.int64], least_counted: int = LEAST_COUNTED
    ) -> NDArray[np.int32]:
        """The residual of a subset of the given units (ascending, may repeat), counted by all threads."""
        cliques = self.objective.cliques

        def count(part: slice, cells: NDArray[np.int64]) -> None:
            for block, rows in rows_by_block(unit_ids[part], self.blocks):
                cliques.count(self.load_codes(block), cells, rows)

        return self.objective.residual(count_by(team, count, len(unit_ids), cliques.n_cells, least_counted))


def time_gains(unit_ids: NDArray[np.int64], problem: Problem) -> float:
    """Seconds that one gain takes on this machine now, in batches, with everything compiled; tried on some units."""
    units = problem.gather(unit_ids[:_TIMED])
    places = np.arange(units.n_units)
    table = np.zeros(problem.objective.cliques.n_cells, np.int16)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        removal_gains(units, table, places, np.empty(len(places)))
        seconds.append(time.perf_counter() - start)
    return min(seconds) / len(places)
