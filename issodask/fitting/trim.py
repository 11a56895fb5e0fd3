"""From an oversized subset to the exact size: greedily, the units whose removal helps most go first.

In: how often each unit is used, and the residual of the oversized subset. Out: both, after the removals. Each removal
takes the best of some units drawn at random (stochastic greedy, Mirzasoleiman et al. 2015), on the full objective.

Four things matter. The residual is taken against the target of the size that the next few removals leave: against the
final target every cell is too full and all removals look alike. Draws grow: what is left is decided at the end. The
errors of groups are softened (issodask.kernels.errors): at equal work they end at 0.0051 instead of 0.0061. (For rows
it is a matter of luck: better by a twentieth on census, worse by a quarter on ACS, with any width.) And gains are up to
date: when they came in batches of 0.5 % of the subset, computed against one residual, census ended at 0.0071 instead of
0.0044; at 0.01 %, as here, nothing is lost. That leaves no time to ask workers elsewhere, so trimming runs on the
driver's own threads, on the units of the oversized subset.
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
from issodask.kernels.errors import ONE, removal_table
from issodask.kernels.swaps import draw_units, remove_best, trim_groups
from issodask.kernels.units import Units, removal_gains

_UNITS_PER_GROUP = 8_192
_WORTH_THREADS = 2_000_000  # look-ups, about a millisecond's
_TOLD = 10
_WIDTH = np.float32(3.0)  # of the softened error, in standard deviations of a cell's noise


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
    bench: Workbench,
    crew: Crew,
    seed: int,
    picks_of: Callable[[int], int],
) -> Iterator[Step]:
    """Remove units until `plan.n_end` are left; changes `uses` and `residual`, yields each step.

    `picks_of(i_step)` is asked when a step begins. The result does not depend on the number of threads.
    """
    unit_ids = np.repeat(np.arange(len(uses)), uses)
    left = seeds.generator(seed, "trim").permutation(len(unit_ids))
    target = bench.objective.target
    board = _Board.of(residual, _gather(unit_ids, bench, crew), left, bench, crew)
    n_left = len(unit_ids)
    for i_step in range(plan.n_steps):
        size, n_before = plan.size(i_step + 1), n_left
        goal = np.rint(target * np.float32(size / plan.n_end)).astype(np.int32) if size > plan.n_end else target
        residual += goal - target
        board.restart(size / plan.n_end)
        random = seeds.generator(seed, "trim", i_step)
        n_picks = picks_of(i_step)
        while n_left > size:
            draws = random.random((n_left - size, n_picks))
            n_left = board.remove(draws, n_left)
        np.subtract.at(uses, unit_ids[left[n_left:n_before]], 1)
        told = i_step % _TOLD == _TOLD - 1 or i_step == plan.n_steps - 1
        objective = bench.objective.value(residual) * (plan.n_end / n_left) if told else None
        residual += target - goal
        yield Step(n_left, objective)


def _gather(unit_ids: NDArray[np.int64], bench: Workbench, crew: Crew) -> Units:
    """The units for the kernels, by all threads."""
    bounds = np.linspace(0, len(unit_ids), crew.n_threads + 1).astype(int)
    parts: dict[int, Units] = {}

    def gather(part: slice) -> None:
        parts[part.start] = bench.gather(unit_ids[part])

    crew.run(gather, [slice(a, b) for a, b in pairwise(bounds) if a < b])
    ordered = [parts.pop(start) for start in sorted(parts)]
    return type(ordered[0]).stack(ordered)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Board:
    """What the removals of all steps work on; arrays as `remove_best` has them."""

    residual: NDArray[np.int32]
    table: NDArray[np.int32]
    slopes: NDArray[np.float32]
    step: int
    units: Units
    left: NDArray[np.int64]
    places: NDArray[np.int64]
    bench: Workbench
    crew: Crew

    @classmethod
    def of(
        cls, residual: NDArray[np.int32], units: Units, left: NDArray[np.int64], bench: Workbench, crew: Crew
    ) -> "_Board":
        slopes = np.empty(len(residual), np.float32)
        return cls(residual, np.empty_like(residual), slopes, units.step, units, left, np.argsort(left), bench, crew)

    def restart(self, oversize: float) -> None:
        """Take up a residual against another target: that of a subset so many times as large as the final one."""
        widths = np.float32(_WIDTH * np.sqrt(oversize)) * self.bench.objective.noise
        np.divide(np.float32(ONE), np.maximum(np.float32(self.step), widths), out=self.slopes)
        removal_table(self.residual, self.slopes, self.step, self.table)

    def remove(self, draws: NDArray[np.float64], n_left: int) -> int:
        """Remove a unit for each row of `draws` (float64, g x p); return how many are left.

        All threads work side by side when there is enough to do between two removals, else one compiled loop.
        """
        n_side_by_side = max(1, n_left // _UNITS_PER_GROUP)
        fixed = self.residual, self.table, self.slopes, self.step, self.units, self.left, self.places
        if n_side_by_side * draws.shape[1] * self.units.cells_per_unit < _WORTH_THREADS:
            return int(trim_groups(*fixed, n_left, draws, n_side_by_side))
        for first in range(0, len(draws), n_side_by_side):
            group = draws[first : first + n_side_by_side]
            picks = np.empty(group.shape, np.int64)
            draw_units(self.left, n_left, group, picks)
            n_left = remove_best(*fixed, n_left, picks, self._gains(picks))
        return n_left

    def _gains(self, picks: NDArray[np.int64]) -> NDArray[np.float64]:
        """The removal gains of the picked units, by all threads."""
        flat = picks.ravel()
        gains = np.empty(len(flat))

        def compute(part: slice) -> None:
            removal_gains(self.units, self.table, flat[part], gains[part])

        bounds = np.linspace(0, len(flat), self.crew.n_threads + 1).astype(int)
        self.crew.run(compute, [slice(a, b) for a, b in pairwise(bounds)])
        return gains.reshape(picks.shape)
