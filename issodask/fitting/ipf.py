"""Iterative proportional fitting of unit weights to the original's bivariate marginals (Deming and Stephan 1940).

In: the target of all pairs. Out: a weight per pool unit, and how well the weighted pool then matches.

Classic IPF fits one pair at a time, and needs one synchronisation for each. Here the pairs go in groups that share no
column (the rounds of a round-robin tournament), so a pass over d columns needs d - 1 synchronisations. Pairs of a
group may still be related, and to correct all of them in full at once would overshoot: the correction is shortened, by
as much as the last one should have been.

What keeps that from diverging is the dual of the fit, log(sum of weights) - sum(target * log(factors)). It is convex,
its minimum is the fit, and its value comes with the sums. A step that raises it is taken back in part. Of p pairs a
p-th part of the correction always lowers it (generalised iterative scaling, Darroch and Ratcliff 1972), so each step
ends well. So that few units can't carry all the weight, no step may leave fewer effective units, (sum of
weights)^2 / sum of squares (Kish 1965), than the subset will have.

A unit's weight is the product of its cells' factors, so the factors are all there is to find. A sample of a huge pool
serves for that; the weights of all its units then take one more pass. (20,000 rows of 80 columns from 1,000,000 end at
an error of 0.01555 with factors of all of them, 0.01557, 0.01565, 0.01595 with those of a half, a quarter, an eighth.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.kernels.ipf import scale_weights, sum_weights
from issodask.table.cliques import Cliques

_MOST_RELATED = 2.0  # times as many pairs in a group as can be corrected at once
_FEWEST_PAIRS = 4  # of a group; the kernels take so many at a time
_BOLDEST = 0.5  # share of a correction; later groups correct the same columns too
_PAIRS_AT_ONCE = 6.0  # corrected in full by the first step; each step says what would have served
_MOST_BOLDER = 2.0  # a step than the one before
_CAUTION = 0.7  # groups that follow correct the same columns too
_SHORTEST = 1 / 8  # of what is safe; where even that leaves too few effective units, the fit ends
_CONVERGED = 1e-4
_STALLED = 0.02
_LARGEST_CHANGE, _LARGEST_CHANGE_OF_A_UNIT = np.log(10), 40 * np.log(10)  # of a factor, and of a weight, in a step
_LEAST_FITTED, _FITTED_PER_UNIT = 2**18, 4
_NOISE = 1e-12  # by which the dual may rise: sums are rounded

Status = Literal["converged", "stalled", "pass limit", "few rows left", "skipped"]


class PairTable(NamedTuple):
    """A small table that goes out to the blocks: the pairs of a group, and a factor for each of their cells."""

    pairs: NDArray[np.int64]  # (p, 2) columns
    starts: NDArray[np.int64]  # (p,) first cell of each pair
    sizes: NDArray[np.int64]  # (d,) bins per column
    factors: NDArray[np.float64]  # (cells,)


_NOTHING = PairTable(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


class Weights(Protocol):
    """The weights of all units, wherever they are."""

    def step(self, scale_by: PairTable | None, sum_by: PairTable, n_sums: int) -> NDArray[np.float64]:
        """Scale all weights by a table's factors, then sum them by another table's cells; last, sum their squares."""

    def largest(self) -> float:
        """The largest weight."""


@dataclass(frozen=True)
class IpfResult:
    """How the fit ended. `residuals`: per pass, the mean total variation distance of the pairs, as met on the way.

    `pool_residual` is that distance in the end, of the whole weighted pool, `effective_units` as how many equally
    heavy units it counts: (sum of weights)^2 / sum of squares. `unfillable` lists the target cells (column a, column b,
    bin a, bin b, share of the original) that no pool unit has.
    """

    status: Status
    residuals: tuple[float, ...]
    n_pairs: int
    unfillable: tuple[tuple[int, int, int, int, float], ...]
    pool_residual: float = 0.0
    effective_units: float = 0.0


@dataclass(frozen=True)
class Fit:
    """The factors that were found: a unit's weight is the product of those of its cells (`weigh_block`).

    targets, factors  per group of pairs, the original's share of each cell, and the cell's factor
    largest           the largest weight of the units that the factors were fitted on
    duals             of the fit, at its start and after each step; never rising
    """

    status: Status
    residuals: tuple[float, ...]
    duals: tuple[float, ...]
    targets: tuple[PairTable, ...]
    factors: tuple[PairTable, ...]
    largest: float

    def result(self, sums: NDArray[np.float64]) -> IpfResult:
        """What there is to say, when the weights of the whole pool add up to `sums` (see `sum_cells`)."""
        *_, total, squares = sums
        n_pairs = sum(len(target.pairs) for target in self.targets)
        bounds = np.cumsum([len(target.factors) for target in self.targets])
        distance, unfillable = 0.0, []
        for target, own in zip(self.targets, np.split(sums, bounds), strict=False):
            unfillable += _cells_without_support(target, own)
            distance += float(np.abs(own * (len(target.pairs) / own.sum()) - target.factors).sum()) / 2
        ranked = tuple(sorted(unfillable, key=lambda cell: -cell[4]))
        effective = float(total**2 / squares)
        return IpfResult(self.status, self.residuals, n_pairs, ranked, distance / max(1, n_pairs), effective)


def weigh_block(codes: NDArray[np.uint8], factors: Sequence[PairTable], largest: float) -> NDArray[np.float64]:
    """The weights of units (codes: u x d), float64, (u,); none is above `largest`.

    Factors of cells that few units fill are large. As long as they are fitted, the sums hold them in bounds; of a unit
    that they were not fitted on, hundreds of them may meet (1e17 was seen in a table of 80 columns).
    """
    weights = np.ones(len(codes))
    for table in factors:
        scale_weights(codes, table.pairs, table.starts, table.sizes, table.factors, weights)
    return np.minimum(weights, largest)


def sum_cells(
    codes: NDArray[np.uint8], weights: NDArray[np.float64], tables: Sequence[PairTable]
) -> NDArray[np.float64]:
    """Sums of weights by cell, of all tables one after the other, then of all weights and of their squares.

    float64, (cells + 2,)
    """
    by_table = [sum_block(codes, weights, table)[0, :-1] for table in tables]
    return np.concatenate([*by_table, [weights.sum(), np.square(weights).sum()]])


class Repeated:
    """Weights whose first steps an earlier run did: what they summed is known, so they are only scaled again.

    `sums` are those of all steps until now.
    """

    def __init__(self, weights: Weights, known: Sequence[NDArray[np.float64]] = ()) -> None:
        self._weights = weights
        self._known = list(known)
        self.sums: list[NDArray[np.float64]] = []

    def step(self, scale_by: PairTable | None, sum_by: PairTable, n_sums: int) -> NDArray[np.float64]:
        if len(self.sums) < len(self._known):
            if scale_by is not None:
                self._weights.step(scale_by, _NOTHING._replace(sizes=sum_by.sizes), 0)
            self.sums.append(self._known[len(self.sums)])
        else:
            self.sums.append(self._weights.step(scale_by, sum_by, n_sums))
        return self.sums[-1].copy()

    def largest(self) -> float:
        return self._weights.largest()


def scale_block(codes: NDArray[np.uint8], weights: NDArray[np.float64], table: PairTable) -> None:
    """A block's share of a step: scale its weights, in place."""
    scale_weights(codes, table.pairs, table.starts, table.sizes, table.factors, weights)


def sum_block(codes: NDArray[np.uint8], weights: NDArray[np.float64], table: PairTable) -> NDArray[np.float64]:
    """A block's share of a step: the sums of its weights by cell, and of their squares: (1, cells + 1)."""
    sums = np.zeros((1, len(table.factors) + 1))
    sum_weights(codes, table.pairs, table.starts, table.sizes, weights, sums[0, :-1])
    sums[0, -1] = np.square(weights).sum()
    return sums


def n_fitted(n_pool: int, n_units: int) -> int:
    """How many units of a pool the factors are fitted on, when the subset has `n_units`."""
    return min(n_pool, max(_LEAST_FITTED, _FITTED_PER_UNIT * n_units))


def rank_pairs(marginals: NDArray[np.int64], cliques: Cliques, limit: int) -> NDArray[np.int64]:
    """The `limit` pairs of the original with the highest mutual information: (p, 2)."""
    pairs = cliques.by_arity.get(2, np.zeros((0, 2), np.int64))
    information = np.array([_mutual_information(marginals[cliques.cells_of((a, b))]) for a, b in pairs.tolist()])
    ranked = np.argsort(-information, kind="stable")[:limit]
    return pairs[np.sort(ranked)]


def fit_weights(
    weights: Weights,
    marginals: NDArray[np.int64],
    cliques: Cliques,
    pairs: NDArray[np.int64],
    n_passes: int,
    least_effective: float = 1.0,
    on_pass: Callable[[int, float], None] = lambda n, residual: None,
) -> Fit:
    """Fit `weights`, all 1, to the original's `marginals` (int64, n_cells) of `pairs` (p, 2) in at most so many passes.

    Their total stays what it was, and at least `least_effective` units stay effective.
    Stops as converged when the mean residual of a pass is below 1e-4, as stalled when it fell by less than 2 %.
    """
    groups = [_table(group, marginals, cliques) for group in _disjoint_groups(pairs, cliques.n_columns)]
    descent = _Descent(weights, groups, least_effective)
    residuals: list[float] = []
    status: Status = "pass limit"
    for n in range(n_passes if groups else 0):
        residuals.append(descent.run_pass() / len(pairs))
        on_pass(n + 1, residuals[-1])
        if descent.is_at_limit:
            status = "few rows left"
            break
        if residuals[-1] < _CONVERGED:
            status = "converged"
            break
        if len(residuals) > 1 and residuals[-1] > (1 - _STALLED) * residuals[-2]:
            status = "stalled"
            break
    return descent.end(status, tuple(residuals))


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


class _Descent:
    """The way down the dual, a group of pairs at a time.

    What a correction does to the dual shows when the next group is summed; until then it is pending. Groups of pairs so
    related that few of them can be corrected at once are cut into smaller ones.
    """

    def __init__(self, weights: Weights, tables: Sequence[PairTable], least_effective: float) -> None:
        self.is_at_limit = False
        self._weights = weights
        self._groups = [_Group(table, np.zeros_like(table.factors)) for table in tables]
        self._least_effective = least_effective
        self._later: list[_Group] = []  # of a pass, those whose turn is to come
        self._pending: _Correction | None = None
        self._duals: list[float] = []
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

    def end(self, status: Status, residuals: tuple[float, ...]) -> Fit:
        """What was found, with nothing pending."""
        largest = 1.0
        if self._pending is not None:
            self._settle(self._pending.group)
        if self._total:
            largest = self._weights.largest() * self._total / self._sum
            self._groups[-1].logs += np.log(self._total / self._sum) / self._groups[-1].n_pairs
        factors = [group.table._replace(factors=np.exp(group.logs)) for group in self._groups]
        targets = [group.table for group in self._groups]
        return Fit(status, residuals, tuple(self._duals), tuple(targets), tuple(factors), largest)

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
            self._duals = self._duals or [dual]
            return sums
        share, known = 1.0, self._duals[-1]
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
        self._duals.append(dual)
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


def _table(pairs: list[tuple[int, int]], marginals: NDArray[np.int64], cliques: Cliques) -> PairTable:
    shares = []
    for a, b in pairs:
        counts = marginals[cliques.cells_of((a, b))].ravel()
        shares.append(counts / counts.sum())
    starts = np.cumsum([0, *(len(share) for share in shares[:-1])])
    return PairTable(np.array(pairs, np.int64), starts.astype(np.int64), cliques.index.sizes, np.concatenate(shares))


def _disjoint_groups(pairs: NDArray[np.int64], n_columns: int) -> list[list[tuple[int, int]]]:
    """Deal pairs into at most `n_columns` groups in which no column occurs twice (circle method of a round robin)."""
    n = n_columns + n_columns % 2
    groups: dict[int, list[tuple[int, int]]] = {}
    for a, b in pairs.tolist():
        day = 2 * a % (n - 1) if b == n - 1 else (a + b) % (n - 1)
        groups.setdefault(day, []).append((a, b))
    return [groups[day] for day in sorted(groups)]


def _cells_without_support(group: PairTable, sums: NDArray[np.float64]) -> list[tuple[int, int, int, int, float]]:
    cells = []
    for cell in np.flatnonzero((group.factors > 0) & (sums == 0)):
        p = int(np.searchsorted(group.starts, cell, side="right")) - 1
        a, b = group.pairs[p].tolist()
        bin_a, bin_b = divmod(int(cell - group.starts[p]), int(group.sizes[b]))
        cells.append((a, b, bin_a, bin_b, float(group.factors[cell])))
    return cells


def _mutual_information(counts: NDArray[np.int64]) -> float:
    joint = counts / counts.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())
