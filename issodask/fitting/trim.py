"""From an oversized subset to the exact size: greedily, the units whose removal helps most go first.

In: the units of the oversized subset, and their residual. Out: both, after the removals. Each removal takes the best of
some units drawn at random (stochastic greedy, Mirzasoleiman et al. 2015), on the full objective.

Four things matter. The residual is taken against the target of the size that the next few removals leave: against the
final target every cell is too full and all removals look alike. Draws grow: what is left is decided at the end. The
errors of groups are softened (issodask.kernels.loss): at equal work they end at 0.0051 instead of 0.0061. (For rows
it is a matter of luck: better by a twentieth on census, worse by a quarter on ACS, with any width.) And gains are up to
date: when they came in batches of 0.5 % of the subset, computed against one residual, census ended at 0.0071 instead of
0.0044; at 0.01 %, as here, nothing is lost. (Where cells are many and units few, of 80 columns and 20,000 rows, 0.1 %
loses nothing either, and takes a fifth less time; ACS income would lose a tenth by it. As long as the subset is so many
times too large, batches may be so many times longer everywhere.) That leaves no time to ask workers elsewhere, so
trimming runs on the driver's own threads, on the units of the oversized subset.

Where triples are a sample, most of a gain's look-ups are theirs, and gains in pairs alone say which picks are worth
them. (With a quarter of the picks, 100,000 rows of 80 columns are trimmed in 114 s to 0.00668, not in 162 s to 0.00661.
Of 32 columns, whose triples are all held, it costs as much accuracy as it saves time.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.fitting.problem import Problem, time_gains
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.team import ThreadTeam, cut
from issodask.kernels.loss import ONE, retarget
from issodask.kernels.swaps import choose_best, draw_units, trim_groups
from issodask.kernels.units import Units, leave, removal_gains

_CELLS_PER_UNIT_IF_SPARSE = 200  # of the subset
_SCREENED = 4  # picks, of which the best in pairs goes on
_GAINS_OF_LEAVING = 5  # what the removal of a unit takes, in gains
_TOLD = 10
_WIDTH = np.float32(3.0)  # of the softened error, in standard deviations of a cell's noise


@dataclass(frozen=True)
class Step:
    """How many units are left after a step, and now and then (else None) the objective of the subset that they are."""

    n_left: int
    objective: float | None


@dataclass(frozen=True)
class Batches:
    """How the work of removals is dealt out.

    units_per_batch  of the final subset, for each removal whose gains are computed side by side; of sparse tables fewer
    worth_threads    look-ups from which on threads share them: about a millisecond's. It changes no result.
    """

    units_per_batch: int = 8_192
    units_per_batch_if_sparse: int = 1_024
    worth_threads: int = 2_000_000


_BATCHES = Batches()


@dataclass(frozen=True)
class TrimStart:
    """What a trimming begins from, or goes on from after an interruption.

    order           units of the pool, once per use, in the order that draws point at; it is part of the result
    residual        theirs, against the objective's target
    typical_weight  what a unit typically adds to a cell; None: as these units do
    n_by_class      where each class has its own size, how many of `order` are of each: they stand class after class
    """

    order: NDArray[np.int64]
    residual: NDArray[np.int32]
    next_step: int = 0
    typical_weight: int | None = None
    n_by_class: NDArray[np.int64] | None = None

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Units of each class: int64, (c,)."""
        return np.array([len(self.order)]) if self.n_by_class is None else self.n_by_class


class Trimming:
    """The driver's state: the units that are left, and their residual (changed in place).

    Between two steps, the residual is against the target of the size that was reached; after the last, the objective's.
    `order` (and the typical weight) is all that the rest depends on: a trimming that begins from them at step
    `next_step` ends as the one they were taken from.
    """

    def __init__(
        self,
        start: TrimStart,
        plan: TrimPlan,
        problem: Problem,
        team: ThreadTeam,
        seed: int,
        batches: Batches = _BATCHES,
    ) -> None:
        self.next_step = start.next_step
        self.residual = start.residual
        self._oversize = 1.0
        self._plan = plan
        self._problem = problem
        self._seed = seed
        by_id = np.argsort(start.order, kind="stable")
        self._unit_ids = start.order[by_id]
        self._n_left = start.sizes.copy()
        units = problem.gather_by(team, self._unit_ids)
        self._removals = _Removals.of(start, units, problem, team, batches)

    @property
    def order(self) -> NDArray[np.int64]:
        """The units that are left, once per use, in the order that draws point at."""
        left, firsts = self._removals.left, self._removals.firsts
        own = zip(firsts.tolist(), self._n_left.tolist(), strict=True)
        return self._unit_ids[np.concatenate([left[first : first + n] for first, n in own])]

    @property
    def typical_weight(self) -> int:
        """What a unit typically weighs in a cell."""
        return self._removals.typical_weight

    def run_step(self, n_picks: int) -> Step:
        """Run the next step of the plan; each removal is the best of `n_picks`. The number of threads is no matter."""
        plan = self._plan
        sizes = plan.sizes(self.next_step + 1)
        size = int(sizes.sum())
        self._removals.restart(self._oversize, size / plan.n_end)
        self._oversize = size / plan.n_end
        random = seeds.generator(self._seed, "trim", self.next_step)
        while (surplus := self._n_left - sizes).any():
            classes = np.repeat(np.arange(len(sizes)), surplus)
            if len(sizes) > 1:
                random.shuffle(classes)
            self._removals.remove(random.random((len(classes), n_picks)), classes, self._n_left)
        told = self.next_step % _TOLD == _TOLD - 1 or self.next_step == plan.n_steps - 1
        objective = self._problem.objective.value(self.residual) * (plan.n_end / size) if told else None
        self.next_step += 1
        return Step(size, objective)


def shuffled(unit_ids: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The order in which trimming begins."""
    return unit_ids[seeds.generator(seed, "trim").permutation(len(unit_ids))]


def time_picks(unit_ids: NDArray[np.int64], problem: Problem) -> float:
    """Seconds that one pick of a removal takes: those of a gain or, where picks are screened, of a part of it."""
    units = problem.gather(unit_ids[:1])
    share = 1.0 if units.sketch is None else units.sketch.cells_per_unit / units.cells_per_unit + 1 / _SCREENED
    return share * time_gains(unit_ids, problem)


@dataclass(frozen=True)
class _Removals:
    """What the removals of all steps work on; arrays as `remove_best` and `choose_best` have them.

    `sketch`, if there is one, is the units with fewer cells, by which picks are screened.
    """

    residual: NDArray[np.int32]
    table: NDArray[np.int16]
    slopes: NDArray[np.float32]
    typical_weight: int
    units: Units
    sketch: Units | None
    left: NDArray[np.int64]
    places: NDArray[np.int64]
    firsts: NDArray[np.int64]
    problem: Problem
    team: ThreadTeam
    batches: Batches

    @classmethod
    def of(
        cls,
        start: TrimStart,
        units: Units,
        problem: Problem,
        team: ThreadTeam,
        batches: Batches,
    ) -> "_Removals":
        """Begin with `units`, those of `start.order` by their ids."""
        residual = start.residual
        table = np.empty(len(residual), np.int16)
        slopes = np.empty(len(residual) if problem.objective.noise.any() else 1, np.float32)
        weight = units.step if start.typical_weight is None else start.typical_weight
        places = np.argsort(start.order, kind="stable")
        left = np.argsort(places)
        firsts = np.cumsum(start.sizes) - start.sizes
        return cls(residual, table, slopes, weight, units, units.sketch, left, places, firsts, problem, team, batches)

    def restart(self, before: float, oversize: float) -> None:
        """Take up the residual against the target of a subset `oversize` times as large as the final one."""
        objective, slopes = self.problem.objective, self.slopes
        widths = np.float32(_WIDTH * np.sqrt(oversize)) * objective.noise[: len(slopes)]
        np.divide(np.float32(ONE), np.maximum(np.float32(self.typical_weight), widths), out=slopes)

        def take_up(part: slice) -> None:
            own_slopes = slopes[part] if len(slopes) > 1 else slopes
            residual, target, table = self.residual[part], objective.target[part], self.table[part]
            retarget(residual, target, before, oversize, own_slopes, self.typical_weight, table)

        self.team.run(take_up, cut(len(self.residual), self.team.n_threads))

    def remove(self, draws: NDArray[np.float64], classes: NDArray[np.int64], n_left: NDArray[np.int64]) -> None:
        """Remove a unit of the class that each row of `draws` (float64, g x p) is for; `n_left` changes in place.

        All threads work side by side when there is enough to do between two removals (as where picks are screened),
        else one compiled loop. Where there is nothing to choose from, no gains are needed, and all units leave at once.
        """
        n_gains = draws.shape[1] if draws.shape[1] > 1 else 0
        n_all = int(n_left.sum())
        n_side_by_side = max(1, n_all // self._units_per_batch(n_all)) if n_gains else len(draws)
        n_look_ups = n_side_by_side * (n_gains + _GAINS_OF_LEAVING) * self.units.cells_per_unit
        deal = self.left, self.places, self.firsts, n_left
        if self.sketch is None and n_look_ups < self.batches.worth_threads:
            fixed = self.residual, self.table, self.slopes, self.typical_weight, self.units
            trim_groups(*fixed, *deal, classes, draws, n_side_by_side)
            return
        gone = np.empty(n_side_by_side, np.int64)
        for first in range(0, len(draws), n_side_by_side):
            group, own = draws[first : first + n_side_by_side], classes[first : first + n_side_by_side]
            picks = np.empty(group.shape, np.int64)
            draw_units(self.left, self.firsts, n_left, own, group, picks)
            if n_gains and self.sketch is not None:
                picks = self._screened(picks, self.sketch)
            gains = self._gains(picks, self.units) if n_gains else np.zeros(picks.shape)
            n_gone = choose_best(*deal, own, picks, gains, gone)
            self._leave(gone[:n_gone])

    def _units_per_batch(self, n_left: int) -> int:
        """How many units are left for each of those that go side by side."""
        n_end = self.problem.objective.n_units
        is_sparse = len(self.residual) > _CELLS_PER_UNIT_IF_SPARSE * n_end
        in_the_end = self.batches.units_per_batch_if_sparse if is_sparse else self.batches.units_per_batch
        return max(1, in_the_end * n_end // n_left)

    def _screened(self, picks: NDArray[np.int64], sketch: Units) -> NDArray[np.int64]:
        """Of each row of picks the quarter whose gains by the sketch are the highest."""
        n_kept = -(-picks.shape[1] // _SCREENED)
        ranked = np.argsort(-self._gains(picks, sketch), axis=1, kind="stable")
        return np.ascontiguousarray(np.take_along_axis(picks, ranked[:, :n_kept], axis=1))

    def _gains(self, picks: NDArray[np.int64], units: Units) -> NDArray[np.float64]:
        """The removal gains of the picked units, by all threads."""
        flat = picks.ravel()
        gains = np.empty(len(flat))

        def compute(part: slice) -> None:
            removal_gains(units, self.table, flat[part], gains[part])

        self.team.run(compute, cut(len(flat), self.team.n_threads))
        return gains.reshape(picks.shape)

    def _leave(self, gone: NDArray[np.int64]) -> None:
        """Let units leave; each thread changes cells of its own."""
        n_threads = self.team.n_threads

        def change(part: slice) -> None:
            leave(self.units, self.residual, self.table, self.slopes, self.typical_weight, gone, part.start, n_threads)

        self.team.run(change, [slice(i, i + 1) for i in range(n_threads)])
