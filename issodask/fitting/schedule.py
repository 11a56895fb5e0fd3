"""How long and how hot: the plan of a search, a function of one number, so that anyone can repeat it.

Work is counted in gains: one gain is the change of the whole objective by one unit. A plan of N rounds spends about
20 N gains per unit of the subset, most of them on trimming.
"""

from dataclasses import dataclass

from issodask.fitting.trim import TrimPlan

_GAINS_PER_ROUND = 20.0
_TRIM_SHARE = 0.92
_TRIM_STEPS = 400
_FIRST_ROUND, _LAST_ROUND = 1 / 16, 1.0
_WARM_UP = 2


@dataclass(frozen=True)
class Plan:
    """Trimming, then `n_rounds` rounds of swaps: a short warm-up, then linear cooling to zero while rounds grow longer.

    Early rounds swap many units, so they are short: all lanes work against the residual of the round's beginning.
    Rounds after the last of the plan are at zero temperature.
    """

    n_rounds: int

    @classmethod
    def for_effort(cls, gains_per_unit: float) -> "Plan":
        """The plan that computes about `gains_per_unit` gains per unit of the subset."""
        return cls(max(1, round(gains_per_unit / _GAINS_PER_ROUND)))

    def trimming(self, n_start: int, n_end: int) -> TrimPlan:
        """How to trim from `n_start` to `n_end` units."""
        return TrimPlan.for_effort(n_start, n_end, _TRIM_STEPS, self.n_rounds * _GAINS_PER_ROUND * _TRIM_SHARE)

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
