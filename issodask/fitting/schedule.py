"""How hot and how long: the plan of an annealing, a function of the round's number alone, so that anyone can repeat it."""

from dataclasses import dataclass

_WARM_UP = 2
_FIRST_ROUND, _LAST_ROUND = 1 / 16, 1.0
SHORTEST = 20
"""Rounds of the shortest plan that a time limit makes; below it the warm-up would depend on the plan."""


@dataclass(frozen=True)
class Plan:
    """`n_rounds` rounds: a short warm-up at full temperature, then linear cooling to zero while rounds grow longer.

    Early rounds swap many units, so they are short: all lanes work against the residual of the round's beginning.
    Rounds after the last of the plan are at zero temperature.
    """

    n_rounds: int

    @classmethod
    def for_effort(cls, trials_per_unit: float) -> "Plan":
        """The plan whose trials come nearest to `trials_per_unit` per unit of the subset."""
        mean = _FIRST_ROUND + (_LAST_ROUND - _FIRST_ROUND) / 3
        return cls(max(1, round(trials_per_unit / mean)))

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

    def trials_left(self, i_round: int) -> float:
        """Trials per unit from round `i_round` to the end of the plan."""
        return sum(self.trials_per_unit(i) for i in range(i_round, self.n_rounds))
