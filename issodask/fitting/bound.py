"""How good a subset of this pool could be at best: a number that the objective of none of them can go below.

In: the pool by blocks. Out: two lower bounds; what subset was found does not matter.

`bound_of_cells` looks at one cell at a time: what all units of the pool together can't fill stays empty.

`Relaxation` lets units be used in part. The objective is the sum of w |t - Ax| over cells. For any prices y, |y| <= w,
no x of n units can have less than

    y t - (the sum of the n largest scores),  the score of a unit being the sum of y over its cells

and with y t - n h - sum(max(0, score - h)) for any height h, blocks can be summed without sorting (linear duality). The
prices are found by the primal-dual hybrid gradient method (Chambolle and Pock 2011) with diagonal steps (Pock and
Chambolle 2011), that begins with an equal share of all units. Each unit's share is taken from its score under the mean
of all prices so far (as in Nesterov's dual averaging, 2009), so no unit has a state of its own: a table of prices goes
out to the blocks, a histogram of scores and a table of counts come back. Some units, which the driver holds, tell where
shares have to begin so that their sum is n. How good the prices are decides how tight the bound is; it always holds.

(Measured on 100,000 rows of census' pool, 32 passes: projected subgradients with Polyak's steps had found nothing above
0, from zero prices, from those of the subset's residual, and from those of cells that the pool can't fill; this 5e-4,
and the same method with a share kept for each unit 1.1e-3. On all 600,000 rows the first 40 passes say no more than
single cells do, 4e-5; after 56 it is 8e-5.)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.problem import Problem
from issodask.kernels.loss import ONE
from issodask.kernels.units import RowUnits, Units, add_shares, removal_gains
from issodask.table.cliques import Cliques

N_PASSES = 64
_STRIDE = 40.0
"""How far shares move in a pass, against prices: times the part of the pool that is needed."""
_WHOLE = 4_096  # a unit in full, in parts of which its share is counted
_STRIP_UNITS = 8_192
_SAMPLE_UNITS = 8_192
_N_BINS = 65_536
_ROUNDING = 1e-11  # of float sums, far more than they lose


@dataclass(frozen=True)
class Prices:
    """What goes out to the blocks.

    table   int32, (n_cells,): price of each cell, of |residual| = ONE, as a share of its weight
    reach   scores are looked at between -reach and reach
    slope   a unit's share is slope * score - shift, held between 0 and `most`; with slope 0 they are not counted
    """

    table: NDArray[np.int32]
    reach: float
    slope: float
    shift: float
    most: float


@dataclass
class Passed:
    """What comes back from a block, and then of all: scores by bin, and what the shares weigh in each cell.

    n_units  int64, (bins,)
    sums     float64, (bins,): of the scores
    highest  the highest score
    counts   int64, (n_cells,): times _WHOLE
    shared   int64: the sum of shares, times _WHOLE
    """

    n_units: NDArray[np.int64]
    sums: NDArray[np.float64]
    highest: float
    counts: NDArray[np.int64] | None
    shared: int

    def add(self, other: "Passed") -> None:
        self.n_units += other.n_units
        self.sums += other.sums
        self.highest = max(self.highest, other.highest)
        self.shared += other.shared
        if self.counts is not None and other.counts is not None:
            self.counts += other.counts


def count_block(block: Any, problem: Problem) -> NDArray[np.int64]:
    """Marginals of all units of a block: int64, (n_cells,)."""
    counts = np.zeros(problem.objective.cliques.n_cells, np.int64)
    problem.objective.cliques.count(problem.load_codes(block), counts)
    return counts


def pass_block(block: Any, prices: Prices, problem: Problem) -> Passed:
    """A block's share of a pass."""
    counts = np.zeros(problem.objective.cliques.n_cells, np.int64) if prices.slope > 0 else None
    passed = Passed(np.zeros(_N_BINS, np.int64), np.zeros(_N_BINS), -np.inf, counts, 0)
    for start in range(0, block.n_units, _STRIP_UNITS):
        n_units = min(_STRIP_UNITS, block.n_units - start)
        units = problem.gather(block.first_unit + np.arange(start, start + n_units))
        scores = _scores(units, prices.table)
        places = np.clip((scores + prices.reach) * (_N_BINS / (2 * prices.reach)), 0, _N_BINS - 1).astype(np.int64)
        passed.n_units += np.bincount(places, minlength=_N_BINS)
        passed.sums += np.bincount(places, scores, minlength=_N_BINS)
        passed.highest = max(passed.highest, float(scores.max()))
        if counts is not None:
            shares = np.clip(prices.slope * scores - prices.shift, 0, prices.most)
            parts = np.rint(_WHOLE * shares).astype(np.int64)
            add_shares(units, parts, counts)
            passed.shared += int(parts.sum())
    return passed


class Relaxation:
    """The driver's state: prices, their mean over all passes, and the best bound so far."""

    def __init__(self, problem: Problem, full: NDArray[np.int64]) -> None:
        """Begin with `full`, the marginals (int64, n_cells) of all units of the pool."""
        self.bound = 0.0
        objective = problem.objective
        n_pool = sum(block.n_units for block in problem.blocks)
        spread = np.unique(np.linspace(0, n_pool - 1, min(n_pool, _SAMPLE_UNITS)).astype(np.int64))
        self._sample = problem.gather(spread)
        self._part = objective.n_units / n_pool
        self._objective = objective
        self._may_repeat = problem.may_repeat
        self._most = float(objective.n_units) if problem.may_repeat else 1.0
        weights = np.repeat(objective.weights, np.diff(objective.cliques.family_starts))
        weighing = (objective.unit // objective.cliques.unit * full).astype(np.float64)
        held = np.maximum(1.0, weighing)
        per_unit = float(weights @ held) / n_pool
        stride = _STRIDE * min(1.0, self._part)
        self._reach = 2 * per_unit
        self._slope = stride / per_unit
        self._price_steps = per_unit * n_pool / held.sum() / (stride * held * np.maximum(weights, np.finfo(float).tiny))
        self._target = objective.target.astype(np.float64)
        self._prices = np.zeros(len(held))
        self._sum = np.zeros(len(held))
        self._n_priced = 0
        self._counted = weighing * self._part

    def run(
        self,
        run_pass: Callable[[Prices], Iterable[Passed]],
        n_passes: int = N_PASSES,
        tell: Callable[[int, float], None] = lambda n, bound: None,
    ) -> float:
        """Improve the prices in `n_passes` passes and return the bound; `run_pass` yields what each block says.

        The last pass looks at the final prices, the others at the mean of all.
        """
        self._step(self._counted)
        for n in range(1, n_passes):
            passed = self._pass(run_pass, self._slope * self._n_priced)
            if passed.counts is not None:
                counted = passed.counts * (self._objective.n_units / max(1, passed.shared))
                self._step(2 * counted - self._counted)
                self._counted = counted
            tell(n, self.bound)
        self._sum, self._n_priced = self._prices, 1
        self._pass(run_pass, 0.0)
        tell(n_passes, self.bound)
        return self.bound

    def _step(self, counted: NDArray[np.float64]) -> None:
        self._prices = np.clip(self._prices + self._price_steps * (self._target - counted), -1, 1)
        self._sum = self._sum + self._prices
        self._n_priced += 1

    def _pass(self, run_pass: Callable[[Prices], Iterable[Passed]], slope: float) -> Passed:
        table = np.rint(self._sum * (ONE / self._n_priced)).astype(np.int32)
        shift = self._shift(slope * _scores(self._sample, table))
        blocks = iter(run_pass(Prices(table, self._reach, slope, shift, self._most)))
        total = next(blocks)
        for passed in blocks:
            total.add(passed)
        self.bound = max(self.bound, self._value(table, total))
        return total

    def _shift(self, raw: NDArray[np.float64]) -> float:
        """The shift with which the shares of the sample's units have the mean that they should have."""
        low, high = raw.min() - self._most, raw.max()
        for _ in range(60):
            middle = (low + high) / 2
            if np.clip(raw - middle, 0, self._most).mean() > self._part:
                low = middle
            else:
                high = middle
        return float(low)

    def _value(self, table: NDArray[np.int32], passed: Passed) -> float:
        objective = self._objective
        paid = float(
            objective.cliques.sum_by_family(table.astype(np.int64) * objective.target) @ objective.weights / ONE
        )
        n = objective.n_units
        if self._may_repeat:
            earned = n * passed.highest
        else:
            edges = np.linspace(-self._reach, self._reach, _N_BINS + 1)[1:-1]
            above = _from_above(passed.n_units)[1:]
            earned = float((n * edges + _from_above(passed.sums)[1:] - above * edges).min())
        return paid - earned - _ROUNDING * (abs(paid) + abs(earned))


def _scores(units: Units, table: NDArray[np.int32]) -> NDArray[np.float64]:
    """The score of each unit: float64, (u,)."""
    scores = np.empty(units.n_units)
    removal_gains(units, table, np.arange(units.n_units), scores)
    return scores * ((units.unit if isinstance(units, RowUnits) else 1) / ONE)


def bound_of_cells(objective: Objective, full: NDArray[np.int64], may_repeat: bool) -> float:
    """What the objective can't go below for single cells: `full` (int64, n_cells) are the whole pool's marginals.

    A cell that should hold t and of which the whole pool has less stays short of t by the rest; units that are rows
    come in whole numbers, so it is off by the distance to the nearest count that can be. In a clique of rows, what
    some cells are short of, others must have too much of.
    """
    target = objective.target.astype(np.int64)
    scale = objective.unit // objective.cliques.unit
    most = np.where(full > 0, np.iinfo(np.int64).max // (2 * scale), 0) if may_repeat else full
    short = np.maximum(0, target - scale * most)
    if not isinstance(objective.cliques, Cliques):
        return float(objective.cliques.sum_by_family(short) @ objective.weights)
    unit = objective.unit
    nearest = np.minimum((target + unit // 2) // unit, most)
    off = np.abs(target - unit * nearest)
    bound = 0.0
    sums = [objective.cliques.sum_by_clique(cells) for cells in (off, short, target)]
    for arity in sums[0]:
        off_by, short_by, total = (by_arity[arity] for by_arity in sums)
        both_ways = 2 * short_by - (total - unit * objective.n_units)
        bound += float(np.maximum(off_by, both_ways).sum() * objective.weights[arity - 1])
    return bound


def _from_above(values: NDArray[Any]) -> NDArray[Any]:
    """The sum of each value and all after it."""
    return np.cumsum(values[::-1])[::-1]
