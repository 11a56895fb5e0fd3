"""How long and how hot: the plan of a search, a function of a few numbers, so that anyone can repeat it.

Work is counted in gains: one gain is the change of the whole objective by one unit. Trimming to a plan of N rounds
spends 20 N gains per unit of the subset. How many rounds there are is the budget's to say (`budget.py`).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

N_SEGMENTS = 16
GAINS_PER_ROUND = 20.0
_UNITS_PER_LAST_STEP = 128
_FEWEST_STEPS, _MOST_STEPS = 200, 4_000
_RISE = 64.0
_MOST_PICKS_OF_FEW = 256
_FIRST_ROUND, _LAST_ROUND = 1 / 16, 1.0
_WARM_UP = 2
_TRIM_ROUNDS_PER_ROUND = 4
_MOST_ROUNDS = 40
_LEAST_OVERSIZE, _MOST_OVERSIZE = 2.0, 8.0
_MOST_OVERSIZE_IF_EVEN = 64.0


@dataclass(frozen=True)
class TrimPlan:
    """From `n_start` to `n_end` units in steps of the same share of 1 / size: the larger the subset, the longer.

    A removal is the best of some picks, in the end of 64 times as many as in the beginning.
    """

    n_start: int
    n_end: int
    n_steps: int
    by_class: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    """Where each class of units shrinks by itself: its units (c,) in the beginning and in the end, at least 1."""

    @classmethod
    def of(
        cls, n_start: int, n_end: int, by_class: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
    ) -> "TrimPlan":
        """The plan whose last steps remove 128 units each, in 200 to 4,000 steps.

        Removals of a step look ahead to the target of its end. (Measured: 300, 150, 75 units ahead in the last steps
        of ACS income end at 0.00161, 0.00150, 0.00152; 250, 125, 62 of census at 0.0048, 0.0046, 0.0046; 290, 140, 70
        of 20,000 rows of 80 columns at 0.0194, 0.0192, 0.0193. Twice as many steps, that shrink the subset by the same
        factor each, end better by 1 % on ACS, worse by 1 % on census, and the same at 80 columns.)
        """
        n_steps = round((n_end - n_end**2 / max(n_start, 1)) / _UNITS_PER_LAST_STEP)
        return cls(n_start, n_end, min(_MOST_STEPS, max(_FEWEST_STEPS, n_steps)), by_class)

    def size(self, i_step: int) -> int:
        """Units when step `i_step` begins."""
        if self.by_class is not None:
            return int(self.sizes(i_step).sum())
        if i_step == self.n_steps:
            return self.n_end
        done = i_step / self.n_steps
        return round(1 / ((1 - done) / self.n_start + done / self.n_end))

    def sizes(self, i_step: int) -> NDArray[np.int64]:
        """The same by class: int64, (c,); where classes are no matter, there is one."""
        if self.by_class is None:
            return np.array([self.size(i_step)])
        starts, ends = self.by_class
        done = i_step / self.n_steps
        return np.rint(1 / ((1 - done) / starts + done / ends)).astype(np.int64) if done < 1 else ends

    def segment(self, i_step: int) -> int:
        """The segment that a step belongs to."""
        return i_step * N_SEGMENTS // self.n_steps

    def picks(self, i_step: int, n_rounds: float) -> int:
        """Units picked per unit removed, when the plan is one of `n_rounds` rounds."""
        most = max(self.n_end, _MOST_PICKS_OF_FEW)
        return min(most, max(1, round(n_rounds * self._picks_per_round * self._rise(i_step))))

    def gains_left(self, i_step: int) -> float:
        """Gains per round of the plan, from step `i_step` to the end."""
        return self._picks_per_round * self._risen_from(i_step)

    @cached_property
    def _picks_per_round(self) -> float:
        return GAINS_PER_ROUND * self.n_end / max(1.0, self._risen_from(0))

    def _risen_from(self, i_step: int) -> float:
        return sum((self.size(i) - self.size(i + 1)) * self._rise(i) for i in range(i_step, self.n_steps))

    def _rise(self, i_step: int) -> float:
        if self.n_start == self.n_end:
            return 1.0
        return float(_RISE ** (math.log(self.n_start / self.size(i_step)) / math.log(self.n_start / self.n_end)))


@dataclass(frozen=True)
class Cooling:
    """Rounds of swaps: a short warm-up, then linear cooling to zero while rounds grow longer.

    Early rounds swap many units, so they are short: all lanes work against the residual of the round's beginning.
    Rounds after the last of the plan are at zero temperature. Trimming makes more of the same time, so it gets most.
    """

    n_rounds: int

    @classmethod
    def of(cls, n_rounds: int) -> "Cooling":
        """The cooling that goes with a plan of `n_rounds` rounds."""
        return cls(min(-(-n_rounds // _TRIM_ROUNDS_PER_ROUND), _MOST_ROUNDS))

    @property
    def warm_up(self) -> int:
        """Rounds at full temperature."""
        return min(_WARM_UP, self.n_rounds // 10)

    def progress(self, i_round: int) -> float:
        """How far the annealing has come when round `i_round` begins, 0 to 1."""
        if i_round < self.warm_up:
            return 0.0
        return min(1.0, (i_round - self.warm_up) / (self.n_rounds - self.warm_up))

    def heat(self, i_round: int) -> float:
        """The round's temperature as a share of the first one, 1 to 0."""
        return 1.0 - self.progress(i_round)

    def trials_per_unit(self, i_round: int) -> float:
        """Swap trials of the round, per unit of the subset."""
        return _FIRST_ROUND + (_LAST_ROUND - _FIRST_ROUND) * self.progress(i_round) ** 2


def units_to_start_from(n_pool: int, n_units: int, oversize: float | None, have_weights: bool) -> int:
    """How many units trimming starts from, if memory allows; `oversize` per unit of the subset, if it is given.

    Of a pool with weights the third is enough that they favour: all of it would take longer and end no better (a tenth
    worse on ACS income at equal effort). Without weights there is nothing to prefer, and the whole pool is the best
    start: 3,521 rows from a pool of twenty times as many end at an error of 0.052, from a third of it at 0.069.
    """
    if oversize is None:
        share = min(_MOST_OVERSIZE, max(_LEAST_OVERSIZE, n_pool / (3 * n_units)))
        oversize = share if have_weights else _MOST_OVERSIZE_IF_EVEN
    return int(n_units * oversize)
