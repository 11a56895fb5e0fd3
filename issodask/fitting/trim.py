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
times too large, batches may be so many times longer everywhere.) So the driver trims, with its own threads; workers
elsewhere can help to look up gains (gains.py), which takes nearly all of the time.

Where triples are a sample, most of a gain's look-ups are theirs, and gains in pairs alone say which picks are worth
them. (With a quarter of the picks, 100,000 rows of 80 columns are trimmed in 114 s to 0.00668, not in 162 s to 0.00661.
Of 32 columns, whose triples are all held, it costs as much accuracy as it saves time.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.fitting.gains import SCREENED, Begun, GainTable, Helpers, Looked, News, Restart
from issodask.fitting.problem import Problem, time_gains
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.team import ThreadTeam
from issodask.kernels.swaps import choose_best, draw_units, trim_groups

_CELLS_PER_UNIT_IF_SPARSE = 200  # of the subset
_TOLD = 10

GAINS_OF_LEAVING = 5
"""What the removal of a unit takes, in gains."""
WORTH_THREADS = 2_000_000
"""Look-ups between two removals from which on threads share them: about a millisecond's."""

_Deal = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Units left, their places, the first of each class, and how many are left of each: see `choose_best`."""


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
    worth_threads: int = WORTH_THREADS


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
        self._oversize = 1.0
        self._plan = plan
        self._problem = problem
        self._seed = seed
        by_id = np.argsort(start.order, kind="stable")
        self._unit_ids = start.order[by_id]
        self._n_left = start.sizes.copy()
        units = problem.gather_by(team, self._unit_ids)
        weight = units.step if start.typical_weight is None else start.typical_weight
        table = GainTable(units, start.residual, weight, problem, team)
        self._removals = _Removals(start, table, problem.objective.n_units, batches)

    @property
    def order(self) -> NDArray[np.int64]:
        """The units that are left, once per use, in the order that draws point at."""
        left, firsts = self._removals.left, self._removals.firsts
        own = zip(firsts.tolist(), self._n_left.tolist(), strict=True)
        return self._unit_ids[np.concatenate([left[first : first + n] for first, n in own])]

    @property
    def residual(self) -> NDArray[np.int32]:
        return self._removals.current.residual

    @property
    def typical_weight(self) -> int:
        """What a unit typically weighs in a cell."""
        return self._removals.current.typical_weight

    @property
    def begun(self) -> Begun:
        """What helpers begin with, that join before the next step."""
        return Begun(self._unit_ids, self.residual, self.typical_weight)

    def help_with(self, helpers: Helpers | None) -> None:
        """Let helpers, who began with `begun`, look up gains from the next step on; None: nobody any more."""
        self._removals.helpers = helpers

    def run_step(self, n_picks: int) -> Step:
        """Run the next step of the plan; each removal is the best of `n_picks`. Threads and helpers are no matter."""
        plan = self._plan
        sizes = plan.sizes(self.next_step + 1)
        size = int(sizes.sum())
        self._removals.tell(Restart(self._oversize, size / plan.n_end))
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
    share = 1.0 if units.sketch is None else units.sketch.cells_per_unit / units.cells_per_unit + 1 / SCREENED
    return share * time_gains(unit_ids, problem)


class _Removals:
    """What the removals of all steps work on; arrays as `remove_best` and `choose_best` have them.

    The table, and whoever helps, hear what changed when they are needed next: helpers while the driver does.
    """

    def __init__(self, start: TrimStart, table: GainTable, n_end: int, batches: Batches) -> None:
        self.places = np.argsort(start.order, kind="stable")
        self.left = np.argsort(self.places)
        self.firsts = np.cumsum(start.sizes) - start.sizes
        self.helpers: Helpers | None = None
        self._table = table
        self._news: list[News] = []
        self._n_end = n_end
        self._batches = batches

    @property
    def current(self) -> GainTable:
        """The table, after all that happened."""
        for news in self._news:
            self._table.hear(news)
        self._news = []
        return self._table

    def tell(self, news: News) -> None:
        """Let the table and the helpers hear this."""
        self._news.append(news)
        if self.helpers is not None:
            self.helpers.tell(news)

    def remove(self, draws: NDArray[np.float64], classes: NDArray[np.int64], n_left: NDArray[np.int64]) -> None:
        """Remove a unit of the class that each row of `draws` (float64, g x p) is for; `n_left` changes in place.

        All threads work side by side when there is enough to do between two removals (as where picks are screened),
        else one compiled loop. Where there is nothing to choose from, no gains are needed, and all units leave at once.
        """
        n_gains = draws.shape[1] if draws.shape[1] > 1 else 0
        n_all = int(n_left.sum())
        n_side_by_side = max(1, n_all // self._units_per_batch(n_all)) if n_gains else len(draws)
        table = self._table
        n_look_ups = n_side_by_side * (n_gains + GAINS_OF_LEAVING) * table.units.cells_per_unit
        deal = self.left, self.places, self.firsts, n_left
        if table.sketch is None and n_look_ups < self._batches.worth_threads:
            before = n_left.copy()
            self._remove_alone(deal, classes, draws, n_side_by_side)
            self._tell_helpers(before, n_left)
            return
        gone = np.empty(n_side_by_side, np.int64)
        for first in range(0, len(draws), n_side_by_side):
            group, own = draws[first : first + n_side_by_side], classes[first : first + n_side_by_side]
            picks = np.empty(group.shape, np.int64)
            draw_units(self.left, self.firsts, n_left, own, group, picks)
            picks, gains = self._look_up(picks) if n_gains else (picks, np.zeros(picks.shape))
            n_gone = choose_best(*deal, own, picks, gains, gone)
            self.tell(gone[:n_gone].copy())

    def _remove_alone(
        self, deal: _Deal, classes: NDArray[np.int64], draws: NDArray[np.float64], n_side_by_side: int
    ) -> None:
        table = self.current
        fixed = table.residual, table.table, table.slopes, table.typical_weight, table.units
        trim_groups(*fixed, *deal, classes, draws, n_side_by_side)

    def _tell_helpers(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> None:
        """Let helpers hear who left in the compiled loop: those that stand behind the ones that are left."""
        if self.helpers is not None:
            lots = zip(self.firsts.tolist(), after.tolist(), before.tolist(), strict=True)
            self.helpers.tell(np.concatenate([self.left[first + n : first + m] for first, n, m in lots]))

    def _look_up(self, picks: NDArray[np.int64]) -> Looked:
        """The gains of the picked units (g x p), or of the best of them: by all threads, and whoever helps."""
        if self.helpers is None:
            return self.current.look_up(picks)
        if self._table.sketch is not None:
            return self.helpers.look_up(picks, lambda: self.current, self._table.look_up)
        _, gains = self.helpers.look_up(picks.reshape(-1, 1), lambda: self.current, self._table.look_up)
        return picks, gains.reshape(picks.shape)

    def _units_per_batch(self, n_left: int) -> int:
        """How many units are left for each of those that go side by side."""
        is_sparse = len(self._table.residual) > _CELLS_PER_UNIT_IF_SPARSE * self._n_end
        in_the_end = self._batches.units_per_batch_if_sparse if is_sparse else self._batches.units_per_batch
        return max(1, in_the_end * self._n_end // n_left)
