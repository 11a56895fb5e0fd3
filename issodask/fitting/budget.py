"""How much a search may spend: rounds, gains per unit (effort), or time. Decided once, when it begins.

In: what the job says. Out: a `Budget`, which says how many rounds the parts of a search have, and when it ends.

A time limit changes the number of rounds while trimming goes on, at the beginning of each segment. The numbers are
written down (`write_rounds`), and whoever passes them on repeats the search without a clock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from issodask.errors import InputError
from issodask.fitting.schedule import GAINS_PER_ROUND, N_SEGMENTS, Cooling, TrimPlan

GAINS_PER_SWAP_ROUND = 8.0
"""A round of a long cooling has 0.375 trials per unit on average. A trial walks the cells of four units; before that,
the cells of all units that a lane may touch are listed anew."""
_USUAL_EFFORT, _USUAL_LOOK_UPS = 340.0, 1.06e6
_TRIM_SHARE = 0.85  # of a time limit; the rest is for refinement and for slow moments
_FEWEST_TIMED_SWAP_ROUNDS = 3
_SHORTEST_ROUND_S = 1e-3  # when no more units than the subset has are left, no gains are

Began = tuple[float, int, int]
"""Time, step and rounds of a segment of the trimming, when it began."""


class Budget(Protocol):
    """What a search may spend."""

    def pace(self, plan: TrimPlan, speed: "Speed", began: Began | None = None) -> "Pace":
        """How many rounds the segments of a trimming have; `began` is the last one's of an interrupted trimming."""

    def swap_rounds(self, seconds_per_round: Callable[[], float]) -> int:
        """Rounds of swaps of a search that does not trim."""

    def reason_to_stop(self, n_done: int, n_planned: int, has_converged: bool, elapsed_s: float) -> str:
        """Why refinement stops after `n_done` rounds of `n_planned`; empty while it goes on."""

    def seconds(self, seconds_of: Callable[[int], float]) -> float:
        """How long a search takes, when one that is planned for n rounds takes `seconds_of(n)`."""


@dataclass(frozen=True)
class Speed:
    """What a time limit has to know: seconds since the search began, and how long one pick of a removal takes."""

    elapsed_s: Callable[[], float]
    seconds_per_pick: Callable[[], float]


def budget_of(
    rounds: str | None, effort: float | None, time_limit_s: float | None, cells_per_unit: float
) -> "GivenRounds | TimeLimit | Effort":
    """The budget that the first of these gives; without any, the usual effort for units of so many cells."""
    if rounds is not None:
        return GivenRounds(*read_rounds(rounds))
    if time_limit_s is not None:
        return TimeLimit(time_limit_s)
    return Effort(effort if effort is not None else usual_effort(cells_per_unit))


@dataclass(frozen=True)
class GivenRounds:
    """Exactly as many rounds as an earlier run named: `n_swap_rounds` after trimming to plans of `planned` rounds."""

    n_swap_rounds: int
    planned: Sequence[int]

    def pace(self, plan: TrimPlan, speed: Speed, began: Began | None = None) -> "Pace":
        return GivenPace(plan, self.planned)

    def swap_rounds(self, seconds_per_round: Callable[[], float]) -> int:
        return self.planned[0]

    def reason_to_stop(self, n_done: int, n_planned: int, has_converged: bool, elapsed_s: float) -> str:
        return "rounds done" if n_done >= self.n_swap_rounds else ""

    def seconds(self, seconds_of: Callable[[int], float]) -> float:
        return seconds_of(max(self.planned))


@dataclass(frozen=True)
class Effort:
    """So many gains per unit of the subset, or fewer where nothing changes any more."""

    gains_per_unit: float

    @property
    def n_rounds(self) -> int:
        """Rounds of the plan that computes about so many gains."""
        return max(1, round(self.gains_per_unit / GAINS_PER_ROUND))

    def pace(self, plan: TrimPlan, speed: Speed, began: Began | None = None) -> "Pace":
        return GivenPace(plan, [self.n_rounds] * N_SEGMENTS)

    def swap_rounds(self, seconds_per_round: Callable[[], float]) -> int:
        return max(1, round(self.gains_per_unit / GAINS_PER_SWAP_ROUND))

    def reason_to_stop(self, n_done: int, n_planned: int, has_converged: bool, elapsed_s: float) -> str:
        if has_converged:
            return "converged"
        return "effort spent" if n_done >= n_planned else ""

    def seconds(self, seconds_of: Callable[[int], float]) -> float:
        return seconds_of(self.n_rounds)


@dataclass(frozen=True)
class TimeLimit:
    """So many seconds, or fewer where nothing changes any more."""

    limit_s: float

    def pace(self, plan: TrimPlan, speed: Speed, began: Began | None = None) -> "Pace":
        return TimedPace(plan, _TRIM_SHARE * self.limit_s, speed.elapsed_s, speed.seconds_per_pick(), began)

    def swap_rounds(self, seconds_per_round: Callable[[], float]) -> int:
        return max(_FEWEST_TIMED_SWAP_ROUNDS, int(_TRIM_SHARE * self.limit_s / seconds_per_round()))

    def reason_to_stop(self, n_done: int, n_planned: int, has_converged: bool, elapsed_s: float) -> str:
        if has_converged:
            return "converged"
        return "time limit" if elapsed_s > self.limit_s else ""

    def seconds(self, seconds_of: Callable[[int], float]) -> float:
        return self.limit_s


class Pace(Protocol):
    """Says, when a segment of the trimming begins, how many rounds its plan has."""

    began: Began | None
    """The last segment's, where that matters; a pace can go on from it."""

    def n_rounds(self, i_step: int) -> int: ...


class GivenPace:
    """The rounds that were asked for."""

    began: Began | None = None

    def __init__(self, plan: TrimPlan, planned: Sequence[int]) -> None:
        self._plan = plan
        self._planned = planned

    def n_rounds(self, i_step: int) -> int:
        return self._planned[self._plan.segment(i_step)]


class TimedPace:
    """As many rounds as the time left allows, at the speed of the last segment."""

    def __init__(
        self,
        plan: TrimPlan,
        limit_s: float,
        elapsed_s: Callable[[], float],
        seconds_per_gain: float,
        began: Began | None = None,
    ) -> None:
        self._plan = plan
        self._limit_s = limit_s
        self._elapsed_s = elapsed_s
        self._seconds_per_gain = seconds_per_gain
        self.began = began

    def n_rounds(self, i_step: int) -> int:
        now = self._elapsed_s()
        if self.began is not None:
            began, first_step, n_rounds = self.began
            n_gains = n_rounds * (self._plan.gains_left(first_step) - self._plan.gains_left(i_step))
            self._seconds_per_gain = (now - began) / max(1.0, n_gains)
        seconds_per_round = max(_SHORTEST_ROUND_S, self._seconds_per_gain * self._plan.gains_left(i_step))
        n_rounds = max(1, int((self._limit_s - now) / seconds_per_round))
        self.began = now, i_step, n_rounds
        return n_rounds


def usual_effort(cells_per_unit: float) -> float:
    """Gains per unit of the subset that serve a table nobody tuned for.

    Where a gain takes many look-ups it is more of them that help least: 20,000 rows of 80 columns end at an error of
    0.0185 with an effort of 60, at 0.0181 with 400; 100,000 rows of 32 at 0.00120, 0.00117, 0.00115 with 60, 193, 300.
    """
    return min(_USUAL_EFFORT, _USUAL_LOOK_UPS / max(1.0, cells_per_unit))


def write_rounds(n_done: int, planned: Sequence[int]) -> str:
    """`M/N`: M rounds of swaps after trimming to a plan of N rounds; `M/N-N-...` when a time limit changed N."""
    same = len(set(planned)) == 1
    return f"{n_done}/{planned[0]}" if same else f"{n_done}/{'-'.join(map(str, planned))}"


def read_rounds(text: str) -> tuple[int, list[int]]:
    """What `write_rounds` wrote, or `N` alone for all rounds of a plan of N. Raises InputError for anything else."""
    done, _, plans = text.rpartition("/")
    numbers = plans.split("-")
    if not all(number.isdecimal() and int(number) for number in numbers) or not (done or "0").isdecimal():
        raise InputError(f"rounds is {text!r}: give N, or what an earlier run named, such as 38/40")
    if len(numbers) not in (1, N_SEGMENTS):
        raise InputError(f"rounds names {len(numbers)} plans: give one, or {N_SEGMENTS} as an earlier run named them")
    planned = [int(number) for number in numbers] * (1 if len(numbers) > 1 else N_SEGMENTS)
    return (int(done) if done else Cooling.of(planned[-1]).n_rounds), planned
