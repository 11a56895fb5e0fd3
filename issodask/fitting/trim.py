"""From an oversized subset to the exact size: greedily, the units whose removal helps most go first.

In: how often each unit is used, and the residual of the oversized subset. Out: both, after the removals. Each removal
takes the best of some units drawn at random (stochastic greedy, Mirzasoleiman et al. 2015), on the full objective.

Three things matter. The residual is taken against the target of the size that the next few removals leave: against the
final target every cell is too full and all removals look alike. Draws grow: what is left is decided at the end. And
gains are up to date: when they came in batches of 0.5 % of the subset, computed against one residual, census ended at
0.0071 instead of 0.0044; at 0.01 %, as here, nothing is lost. That leaves no time to ask workers elsewhere, so trimming
runs on the driver's own threads, on the codes of the oversized subset.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.workbench import Workbench
from issodask.kernels.cells import removal_gains, removal_table
from issodask.kernels.swaps import draw_rows, remove_best, trim_groups
from issodask.table.blocks import Block, rows_by_block

_UNITS_PER_GROUP = 8_192
_WORTH_THREADS = 2_000_000  # look-ups, about a millisecond's
_TOLD = 10


@dataclass(frozen=True)
class Step:
    """How many units are left after a step, and now and then (else None) the objective of the subset that they are."""

    n_left: int
    objective: float | None


class Crew(Protocol):
    """Threads of the driver's own process: run `function(part)` for each part, all side by side, and wait."""

    n_threads: int

    def run(self, function: Callable[[slice], None], parts: Sequence[slice]) -> None: ...


def trim(
    uses: NDArray[np.uint16],
    residual: NDArray[np.int32],
    plan: TrimPlan,
    blocks: Sequence[Block],
    bench: Workbench,
    crew: Crew,
    seed: int,
    picks_of: Callable[[int], int],
) -> Iterator[Step]:
    """Remove units until `plan.n_end` are left; changes `uses` and `residual`, yields each step.

    `picks_of(i_step)` is asked when a step begins. The result does not depend on the number of threads.
    """
    units = np.repeat(np.arange(len(uses)), uses)
    codes = np.concatenate([bench.load_codes(block)[rows] for block, rows in rows_by_block(units, blocks)])
    left = seeds.generator(seed, "trim").permutation(len(units))
    target = bench.objective.target
    board = _Board(residual, np.empty_like(residual), codes, left, np.argsort(left), bench, crew)
    n_left = len(units)
    for i_step in range(plan.n_steps):
        size, n_before = plan.size(i_step + 1), n_left
        goal = np.rint(target * np.float32(size / plan.n_end)).astype(np.int32) if size > plan.n_end else target
        residual += goal - target
        removal_table(residual, bench.unit, board.table)
        random = seeds.generator(seed, "trim", i_step)
        n_picks = picks_of(i_step)
        while n_left > size:
            draws = random.random((n_left - size, n_picks))
            n_left = board.remove(draws, n_left)
        np.subtract.at(uses, units[left[n_left:n_before]], 1)
        told = i_step % _TOLD == _TOLD - 1 or i_step == plan.n_steps - 1
        objective = bench.objective.value(residual) * (plan.n_end / n_left) if told else None
        residual += target - goal
        yield Step(n_left, objective)


@dataclass(frozen=True)
class _Board:
    """What the removals of all steps work on; arrays as `remove_best` has them."""

    residual: NDArray[np.int32]
    table: NDArray[np.int32]
    codes: NDArray[np.uint8]
    left: NDArray[np.int64]
    places: NDArray[np.int64]
    bench: Workbench
    crew: Crew

    def remove(self, draws: NDArray[np.float64], n_left: int) -> int:
        """Remove a unit for each row of `draws` (float64, g x p); return how many are left.

        All threads work side by side when there is enough to do between two removals, else one compiled loop.
        """
        bench = self.bench
        n_side_by_side = max(1, n_left // _UNITS_PER_GROUP)
        fixed = self.residual, self.table, bench.index, bench.unit
        if n_side_by_side * draws.shape[1] * bench.objective.cliques.n_cliques < _WORTH_THREADS:
            lists = self.codes, self.left, self.places
            return int(trim_groups(*fixed, bench.arity_weights, *lists, n_left, draws, n_side_by_side))
        for first in range(0, len(draws), n_side_by_side):
            group = draws[first : first + n_side_by_side]
            rows = np.empty(group.shape, np.int64)
            draw_rows(self.left, n_left, group, rows)
            gains = self._gains(rows)
            n_left = remove_best(*fixed, self.codes, self.left, self.places, n_left, rows, gains)
        return n_left

    def _gains(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The removal gains of `codes[rows]`, by all threads."""
        flat = rows.ravel()
        gains = np.empty(len(flat))

        def compute(part: slice) -> None:
            removal_gains(self.table, self.bench.index, self.bench.arity_weights, self.codes, flat[part], gains[part])

        bounds = np.linspace(0, len(flat), self.crew.n_threads + 1).astype(int)
        self.crew.run(compute, [slice(a, b) for a, b in pairwise(bounds)])
        return gains.reshape(rows.shape)
