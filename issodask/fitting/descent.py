"""How the factors of pairs are found: down the dual of the fit, each step as long as serves.

In: the weights of all units, wherever they are, and the target of pairs in groups that share no column. Out: factors.

Pairs of a group may be related, and to correct all of them in full at once would overshoot: a correction is shortened,
by as much as the last one should have been. What keeps that from diverging is the dual of the fit, log(sum of weights)
- sum(target * log(factors)). It is convex, its minimum is the fit, and its value comes with the sums. A step that
raises it is taken back in part. Of p pairs a p-th part of the correction always lowers it (generalised iterative
scaling, Darroch and Ratcliff 1972), so each step ends well. So that few units can't carry all the weight, no step may
leave fewer effective units, (sum of weights)^2 / sum of squares (Kish 1965), than it is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.pairs import PairTable, Weights

_MOST_RELATED = 2.0  # times as many pairs in a group as can be corrected at once
_FEWEST_PAIRS = 4  # of a group; the kernels take so many at a time
_BOLDEST = 0.5  # share of a correction; later groups correct the same columns too
_PAIRS_AT_ONCE = 6.0  # corrected in full by the first step; each step says what would have served
_MOST_BOLDER = 2.0  # a step than the one before
_CAUTION = 0.7  # groups that follow correct the same columns too
_SHORTEST = 1 / 8  # of what is safe; where even that leaves too few effective units, the fit ends
_LARGEST_CHANGE, _LARGEST_CHANGE_OF_A_UNIT = np.log(10), 40 * np.log(10)  # of a factor, and of a weight, in a step
_NOISE = 1e-12  # by which the dual may rise: sums are rounded


@dataclass
class _Group:
    """Pairs that are corrected at once, their factors' logarithms, and the target of what the pool can fill."""

    table: PairTable
    logs: NDArray[np.float64]
    target: NDArray[np.float64] | None = None  # until it is summed for the first time

    @property
    def n_pairs(self) -> int:
        return len(self.table.pairs)

    def parts(self, n_parts: int) -> list["_Group"]:
        """The same pairs in groups of about the same size."""
        pairs, starts, sizes, factors = self.table
        bounds = np.arange(n_parts + 1) * self.n_pairs // n_parts
        ends = [*starts, len(factors)]
        parts = []
        for first, last in pairwise(bounds.tolist()):
            cells = slice(ends[first], ends[last])
            table = PairTable(pairs[first:last], starts[first:last] - starts[first], sizes, factors[cells])
            target = None if self.target is None else self.target[cells]
            parts.append(_Group(table, self.logs[cells], target))
        return parts


@dataclass(frozen=True)
class _Correction:
    """A step towards the target of one group of pairs.

    change   of the logarithms of the group's factors: float64, (cells,)
    slope    of the dual along the whole of it, where it begins; negative
    at_once  how many pairs it corrects in full
    safe     the share of it that lowers the dual for sure
    """

    group: _Group
    change: NDArray[np.float64]
    slope: float
    at_once: float
    safe: float


class Descent:
    """The way down the dual, a group of pairs at a time: `run_pass` as often as wanted, then `end`.

    What a correction does to the dual shows when the next group is summed; until then it is pending. Groups of pairs so
    related that few of them can be corrected at once are cut into smaller ones.
    """

    def __init__(self, weights: Weights, tables: Sequence[PairTable], least_effective: float) -> None:
        self.is_at_limit = False
        self.largest = 1.0
        self._weights = weights
        self._groups = [_Group(table, np.zeros_like(table.factors)) for table in tables]
        self._least_effective = least_effective
        self._later: list[_Group] = []  # of a pass, those whose turn is to come
        self._pending: _Correction | None = None
        self.duals: list[float] = []
        self._at_once = _PAIRS_AT_ONCE
        self._total = self._sum = 0.0

    def run_pass(self) -> float:
        """Correct each pair once; returns how far they were from their target, in all."""
        distance, groups, self._groups = 0.0, self._groups, []
        for i_group, whole in enumerate(groups):
            n_pairs = max(_FEWEST_PAIRS, int(_MOST_RELATED * self._at_once))
            n_parts = max(1, whole.n_pairs // n_pairs)
            parts = whole.parts(n_parts) if n_parts > 1 else [whole]
            self._groups += parts
            for part in parts:
                self._later = groups[i_group + 1 :]
                sums = self._settle(part)
                if not self.is_at_limit:
                    self._pending = self._correction(part, sums)
                distance += float(np.abs(sums - part.table.factors).sum() / 2)
        self._later = []
        return distance

    def end(self) -> None:
        """Settle what is pending, and bring the weights back to their total."""
        if self._pending is not None:
            self._settle(self._pending.group)
        if self._total:
            self.largest = self._weights.largest() * self._total / self._sum
            self._groups[-1].logs += np.log(self._total / self._sum) / self._groups[-1].n_pairs

    @property
    def targets(self) -> tuple[PairTable, ...]:
        """Per group of pairs, the original's share of each cell."""
        return tuple(group.table for group in self._groups)

    @property
    def factors(self) -> tuple[PairTable, ...]:
        """Per group of pairs, the factor of each cell."""
        return tuple(group.table._replace(factors=np.exp(group.logs)) for group in self._groups)

    def _correction(self, group: _Group, sums: NDArray[np.float64]) -> _Correction:
        if group.target is None:
            group.target = _supported(group.table, sums)
        at_once = max(1.0, min(self._at_once, _BOLDEST * group.n_pairs))
        ratio = np.divide(group.target, sums, out=np.ones_like(sums), where=sums > 0)
        bound = min(_LARGEST_CHANGE, _LARGEST_CHANGE_OF_A_UNIT / group.n_pairs)
        with np.errstate(divide="ignore"):  # a target of 0 is approached, never reached
            change = np.clip(at_once / group.n_pairs * np.log(ratio), -bound, bound)
        return _Correction(group, change, float((sums - group.target) @ change), at_once, 1 / at_once)

    def _settle(self, group: _Group) -> NDArray[np.float64]:
        """Take as much of the pending correction as serves; returns the sums of a group's cells, 1 for each pair."""
        step, self._pending = self._pending, None
        if step is None:
            sums, dual, _ = self._read(None, 0.0, group)
            self.duals = self.duals or [dual]
            return sums
        share, known = 1.0, self.duals[-1]
        sums, dual, effective = self._read(step, share, group)
        while share > 0.0:
            fall = known - dual
            if effective < self._least_effective:
                self.is_at_limit = share <= _SHORTEST * step.safe
                shorter = 0.0 if self.is_at_limit else share / 2
            elif fall < -_NOISE * abs(known) and share > step.safe:
                shorter = max(step.safe, share * np.clip(_best_share(step.slope * share, fall), 0.1, 0.5))
            else:
                break
            sums, dual, effective = self._read(step, shorter - share, group)
            share = shorter
        if share:
            best = share * _best_share(step.slope * share, known - dual)
            self._at_once = max(1.0, step.at_once * min(_CAUTION * best, _MOST_BOLDER))
        self.duals.append(dual)
        return sums

    def _read(self, step: _Correction | None, share: float, group: _Group) -> tuple[NDArray[np.float64], float, float]:
        """Correct the weights by a share of a step and sum them: a group's cells, the dual, the effective units."""
        scale_by = None
        if step is not None:
            level = np.log(self._total / self._sum) / step.group.n_pairs  # brings the weights back to their total
            change = share * step.change + level
            step.group.logs += change
            scale_by = step.group.table._replace(factors=np.exp(change))
        *sums, squares = self._weights.step(scale_by, group.table, len(group.table.factors) + 1)
        self._sum = np.sum(sums) / group.n_pairs
        self._total = self._total or self._sum
        groups = (*self._groups, *self._later)
        agreed = sum(float(own.target @ own.logs) for own in groups if own.target is not None)
        return np.array(sums) / self._sum, float(np.log(self._sum)) - agreed, self._sum**2 / squares


def _supported(group: PairTable, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """The target of what the pool can fill: of each pair 1 in all, so that the dual has a minimum at all."""
    has_support = sums > 0
    target = np.where(has_support, group.factors, 0.0)
    filled = np.add.reduceat(target, group.starts)
    n_cells = np.diff(group.starts, append=len(sums))
    shares = np.repeat(filled, n_cells)
    return np.where(shares > 0, target / np.maximum(shares, np.finfo(float).tiny), sums)


def _best_share(slope: float, fall: float) -> float:
    """Where along a step the dual is lowest, by the parabola through its slope at the start and its fall at the end."""
    curvature = -fall - slope
    return -slope / (2 * curvature) if curvature > 0 else _MOST_BOLDER
