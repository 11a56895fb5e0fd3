"""From an oversized subset to the exact size: greedily, the units whose removal helps most go first.

In: how often each unit is used, and the residual of the oversized subset. Out: both, after the removals. Each removal
takes the best of some units drawn at random (stochastic greedy, Mirzasoleiman et al. 2015), on the full objective.

Three things matter. The residual is taken against the target of the size that the next few removals leave: against the
final target every cell is too full and all removals look alike. Draws grow: what is left is decided at the end. And
gains are always up to date: when workers computed them in batches of 0.5 % of the subset against an older residual,
census ended at 0.0071 instead of 0.0044. So this runs where the driver runs, on the codes of the oversized subset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.fitting.workbench import Workbench
from issodask.kernels.cells import removal_table
from issodask.kernels.swaps import trim_units
from issodask.table.blocks import Block, rows_by_block

_RISE = 64.0


@dataclass(frozen=True)
class TrimPlan:
    """From `n_start` to `n_end` units in `n_steps` steps; a removal is the best of `picks(i_step)` draws."""

    n_start: int
    n_end: int
    n_steps: int
    first_picks: float

    @classmethod
    def for_effort(cls, n_start: int, n_end: int, n_steps: int, gains_per_unit: float) -> "TrimPlan":
        """The plan that computes about `gains_per_unit` gains per unit of the subset."""
        plan = cls(n_start, n_end, n_steps, 1.0)
        return cls(n_start, n_end, n_steps, max(1.0, gains_per_unit * n_end / max(1.0, plan.n_gains)))

    @property
    def n_gains(self) -> float:
        """Gains that are computed in all."""
        return sum((self.size(i) - self.size(i + 1)) * self.picks(i) for i in range(self.n_steps))

    def size(self, i_step: int) -> int:
        """Units when step `i_step` begins."""
        if i_step == self.n_steps:
            return self.n_end
        return round(self.n_start * (self.n_end / self.n_start) ** (i_step / self.n_steps))

    def picks(self, i_step: int) -> int:
        """Units drawn per unit removed: from `first_picks` to 64 times that."""
        return max(1, round(self.first_picks * _RISE ** (i_step / max(1, self.n_steps - 1))))


def trim(
    uses: NDArray[np.uint16],
    residual: NDArray[np.int32],
    plan: TrimPlan,
    blocks: Sequence[Block],
    bench: Workbench,
    seed: int,
) -> Iterator[int]:
    """Remove units until `plan.n_end` are left; changes `uses` and `residual`, yields after each step how many are."""
    units = np.repeat(np.arange(len(uses)), uses)
    codes = np.concatenate([bench.load_codes(block)[rows] for block, rows in rows_by_block(units, blocks)])
    left = seeds.generator(seed, "trim").permutation(len(units))
    target = bench.objective.target
    table = np.empty_like(residual)
    n_left = len(units)
    for i_step in range(plan.n_steps):
        size = plan.size(i_step + 1)
        goal = np.rint(target * np.float32(size / plan.n_end)).astype(np.int32) if size > plan.n_end else target
        residual += goal - target
        removal_table(residual, bench.unit, table)
        picks = seeds.generator(seed, "trim", i_step).random((n_left - size, plan.picks(i_step)))
        n_before = n_left
        n_left = trim_units(residual, table, bench.index, bench.unit, bench.arity_weights, codes, left, n_left, picks)
        np.subtract.at(uses, units[left[n_left:n_before]], 1)
        residual += target - goal
        yield n_left
