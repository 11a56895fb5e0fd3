"""Refinement: annealed single swaps on the full objective, in lanes that work side by side, checked by one driver.

In: a subset (how often each unit is used) and its residual. Out: both, better. In a round the pool's strips are dealt
to lanes; each lane works on a private copy of the residual for a bounded burst of swaps among its own units, and
proposes the swaps that it took. The driver re-checks all proposals in fixed order against the true residual, with a
little slack: what a lane accepted as a fair risk should not be filtered twice. Candidates are drawn in proportion to
their IPF weight: on census that is worth four times as many uniform trials.

Lanes, strips and seeds depend on the job and the round alone, so any number of workers gives the same subset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.fitting.problem import MapLanes, Problem
from issodask.fitting.schedule import Cooling
from issodask.kernels.swaps import burst, settle_swaps, swap_gains
from issodask.table.blocks import Strip, cut_strips

_SLACK = 4.0
_PICKS = 1
_CANDIDATES = 2
_MOST_SWAPPED = 0.16
_LANE_UNITS = 65_536
_PROBES = 4_096
_HEAVIEST, _LIGHTEST = 20.0, 0.02


HEAT_OF_TRIMMED = 0.03
HEAT_OF_RANDOM = 0.14
"""Shares of the spread of random swaps' gains that make the best first temperature of a subset of either kind."""


@dataclass(frozen=True)
class Lane:
    """One lane's work in a round: its strips, its units of the subset (once per use), its share."""

    strips: tuple[Strip, ...]
    members: NDArray[np.int64]  # positions among the lane's units
    n_trials: int
    most_swaps: int
    temperature: float
    random: np.random.SeedSequence


@dataclass(frozen=True)
class Proposals:
    """The swaps that a lane took: units of the pool that leave and join (s x 2), and thresholds (s,)."""

    swaps: NDArray[np.int64]
    thresholds: NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """What a round did, for progress and for the report."""

    i_round: int
    n_rounds: int
    objective: float
    temperature: float
    n_trials: int
    n_proposed: int
    n_kept: int


class Refinement:
    """The driver's state: how often each unit is used, and the residual that follows from it; both change in place."""

    def __init__(
        self,
        uses: NDArray[np.uint16],
        residual: NDArray[np.int32],
        problem: Problem,
        map_lanes: MapLanes,
        seed: int,
        n_lanes: int,
    ) -> None:
        self.uses = uses
        self.residual = residual
        self.objective = problem.objective.value(residual)
        self._problem = problem
        self._map = map_lanes
        self._seed = seed
        self._n_units = int(uses.sum())
        self._n_lanes = max(1, min(n_lanes, self._n_units // 32))
        self._strips = cut_strips(problem.blocks, int(np.clip(len(uses) // (8 * self._n_lanes), 1, 4096)))

    @property
    def is_perfect(self) -> bool:
        """Whether every cell holds what it should (exactly so, whatever rounding `objective` has gathered)."""
        return not self.residual.any()

    def run_round(self, i_round: int, plan: Cooling, hottest: float) -> Round:
        """Run one round of the plan, in which `hottest` is the temperature at heat 1."""
        temperature = hottest * plan.heat(i_round)
        lanes = self._deal(i_round, plan.trials_per_unit(i_round), temperature)
        proposals = list(self._map(run_lane, lanes, self.residual))
        n_proposed, n_kept = self._settle(proposals, temperature)
        return Round(
            i_round,
            plan.n_rounds,
            self.objective,
            temperature,
            sum(lane.n_trials for lane in lanes),
            n_proposed,
            n_kept,
        )

    def hottest(self, heat: float) -> float:
        """The temperature to begin with: a share of the spread of random swaps' gains, as they are now."""
        lanes = self._deal(-1, _PROBES / self._n_units, 0.0)
        gains = np.concatenate(list(self._map(measure_spread, lanes, self.residual)) or [np.zeros(1)])
        return heat * float(gains.std())

    def _deal(self, i_round: int, trials_per_unit: float, temperature: float) -> list[Lane]:
        order = seeds.generator(self._seed, "deal", i_round + 1).permutation(len(self._strips))
        lanes = []
        for i_lane in range(self._n_lanes):
            strips, n_units = [], 0
            for i_strip in order[i_lane :: self._n_lanes]:
                if n_units >= _LANE_UNITS:
                    break
                strips.append(self._strips[i_strip])
                n_units += strips[-1].n_units
            strips.sort(key=lambda strip: strip.first_unit)
            members = self._members(strips) if strips else np.zeros(0, np.int64)
            if not len(members) or (len(members) == n_units and not self._problem.may_repeat):
                continue
            lanes.append(
                Lane(
                    tuple(strips),
                    members,
                    max(1, round(trials_per_unit * len(members))),
                    max(4, int(_MOST_SWAPPED * len(members))),
                    temperature,
                    seeds.derive(self._seed, "refine", i_round + 1, i_lane),
                )
            )
        return lanes

    def _members(self, strips: Sequence[Strip]) -> NDArray[np.int64]:
        own = np.concatenate([self.uses[s.first_unit : s.first_unit + s.n_units] for s in strips])
        return np.repeat(np.arange(len(own)), own)

    def _settle(self, proposals: Sequence[Proposals], temperature: float) -> tuple[int, int]:
        rank = np.concatenate([np.arange(len(p.swaps)) for p in proposals]) if proposals else np.zeros(0, int)
        if not len(rank):
            return 0, 0
        order = np.argsort(rank, kind="stable")  # the first swap of each lane, then the second of each, ...
        swaps = np.concatenate([p.swaps for p in proposals])[order]
        thresholds = np.concatenate([p.thresholds for p in proposals])[order] + _SLACK * temperature
        kept = np.empty(len(order), np.bool_)
        problem = self._problem
        unit_ids, places = np.unique(swaps, return_inverse=True)
        units, places = problem.gather(unit_ids), places.reshape(swaps.shape)
        settle_swaps(self.residual, units, places, self.uses, problem.may_repeat, swaps, thresholds, kept)
        self.objective = problem.objective.value(self.residual)  # a running sum would drift, and miss 0
        return len(order), int(kept.sum())


def run_lane(lane: Lane, residual: NDArray[np.int32], problem: Problem) -> Proposals:
    """Run a lane's burst on a private copy of the residual."""
    unit_ids, weights = _units_of(lane, problem)
    random = np.random.Generator(np.random.PCG64(lane.random))
    shape = (lane.n_trials, _CANDIDATES)
    if problem.load_classes is None:
        candidates = _draw_candidates(weights, shape, random)
        picks = random.integers(len(lane.members), size=(lane.n_trials, _PICKS))
    else:
        classes = _classes_of(lane, problem.load_classes, problem.blocks)
        picks = random.integers(len(lane.members), size=(lane.n_trials, 1))
        candidates = _draw_of_classes(weights, classes, classes[lane.members[picks[:, 0]]], shape, random)
    thresholds = lane.temperature * random.standard_exponential(lane.n_trials)
    touched, members, candidates = _touched(lane.members, candidates)
    swaps = np.empty((lane.most_swaps, 3), np.int64)
    n_swaps = burst(
        residual.copy(),
        problem.gather(unit_ids[touched]),
        members,
        np.bincount(members, minlength=len(touched)),
        problem.may_repeat,
        picks,
        candidates,
        thresholds,
        swaps,
    )
    return Proposals(unit_ids[touched[swaps[:n_swaps, :2]]], thresholds[swaps[:n_swaps, 2]])


def measure_spread(lane: Lane, residual: NDArray[np.int32], problem: Problem) -> NDArray[np.float64]:
    """Gains (n_trials,) of random swaps of a lane's units, none of them carried out."""
    unit_ids, weights = _units_of(lane, problem)
    random = np.random.Generator(np.random.PCG64(lane.random))
    shape = (lane.n_trials, 1)
    if problem.load_classes is None:
        candidates = _draw_candidates(weights, shape, random)[:, 0]
        leaving = lane.members[random.integers(len(lane.members), size=lane.n_trials)]
    else:
        classes = _classes_of(lane, problem.load_classes, problem.blocks)
        leaving = lane.members[random.integers(len(lane.members), size=lane.n_trials)]
        candidates = _draw_of_classes(weights, classes, classes[leaving], shape, random)[:, 0]
    touched, leaving, joining = _touched(leaving, candidates)
    gains = np.empty(lane.n_trials)
    swap_gains(residual.copy(), problem.gather(unit_ids[touched]), leaving, joining, gains)
    return gains


def _touched(
    members: NDArray[np.int64], candidates: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The lane's units that occur in either, and both in terms of their places among these."""
    touched = np.unique(np.concatenate([members, candidates.ravel()]))
    return touched, np.searchsorted(touched, members), np.searchsorted(touched, candidates)


def _draw_candidates(
    weights: NDArray[np.float64], shape: tuple[int, int], random: np.random.Generator
) -> NDArray[np.int64]:
    """Rows drawn in proportion to their IPF weights, which are held in bounds so that no unit is out of reach."""
    cumulated = np.cumsum(np.clip(weights, _LIGHTEST, _HEAVIEST))
    return np.minimum(np.searchsorted(cumulated, random.random(shape) * cumulated[-1]), len(weights) - 1)


def _draw_of_classes(
    weights: NDArray[np.float64],
    classes: NDArray[np.int32],
    wanted: NDArray[np.int32],
    shape: tuple[int, int],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """The same, each row of candidates of the class that is `wanted` there (of which there is a unit).

    A member keeps its place in the list when it is swapped, and its class: so candidates can be drawn beforehand.
    """
    order = np.argsort(classes, kind="stable")
    ordered = classes[order]
    cumulated = np.cumsum(np.clip(weights[order], _LIGHTEST, _HEAVIEST))
    firsts, stops = (np.searchsorted(ordered, wanted, side) for side in ("left", "right"))
    low = np.append(0.0, cumulated)[firsts][:, None]
    points = low + random.random(shape) * (cumulated[stops - 1][:, None] - low)
    found = np.searchsorted(cumulated, points, side="right")
    return order[np.clip(found, firsts[:, None], stops[:, None] - 1)]


def _classes_of(
    lane: Lane, load_classes: Callable[[Any], NDArray[np.int32]], blocks: Sequence[Any]
) -> NDArray[np.int32]:
    """The classes of the lane's units, in the order of the pool."""
    strips = [(blocks[strip.i_block], strip.start, strip.n_units) for strip in lane.strips]
    return np.concatenate([load_classes(block)[start : start + n] for block, start, n in strips])


def _units_of(lane: Lane, problem: Problem) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The lane's units and their weights. Strips go in the order of the pool."""
    weights = [
        problem.load_weights(problem.blocks[strip.i_block])[strip.start : strip.start + strip.n_units]
        for strip in lane.strips
    ]
    unit_ids = [np.arange(strip.first_unit, strip.first_unit + strip.n_units) for strip in lane.strips]
    return np.concatenate(unit_ids), np.concatenate(weights)
