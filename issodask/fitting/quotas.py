"""Quotas: how many units of each class the subset has, as whole numbers that add up to what was asked.

In: classes of units (combinations of cells of controls), how many of each the pool has and how many are expected, and
the totals of the controls. Out: whole numbers, and by how much totals are missed where the pool can't fill them.

Units of one class count alike for all controls. So a search that starts from its quota of each class, trims each class
by itself and swaps only within classes meets all totals exactly, whatever else it does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNMET, _TIME_LIMIT_S = 1e4, 60.0


@dataclass(frozen=True)
class Quotas:
    """Which class each unit of the pool is of, and how many units of each class the subset has.

    of_units  int32, (n_pool,); -1: may not be chosen
    counts    int64, (c,)
    """

    of_units: NDArray[np.int32]
    counts: NDArray[np.int64]

    def starts(self, n_wanted: int, may_repeat: bool = False) -> NDArray[np.int64]:
        """Units of each class to start from when so many are wanted in all: no fewer than the quota, no more than
        there are."""
        own = self.of_units[self.of_units >= 0]
        available = np.bincount(own, minlength=len(self.counts))
        wanted = np.rint(self.counts * (n_wanted / max(1, self.counts.sum()))).astype(np.int64)
        wanted = np.maximum(wanted, self.counts)
        return wanted if may_repeat else np.minimum(wanted, available)

    def draw(self, sizes: NDArray[np.int64], keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """Units of the lowest keys (float64, n_pool): so many of each class, class after class, over again if need be.

        Keys are drawn: exponential ones, divided by weights, give a sample in proportion to these without repeats
        (Efraimidis and Spirakis 2006).
        """
        order = np.lexsort((keys, self.of_units))
        firsts = np.searchsorted(self.of_units[order], np.arange(len(self.counts) + 1))
        chosen = [
            order[first + np.arange(size) % (stop - first)] if size else order[:0]
            for first, stop, size in zip(firsts[:-1].tolist(), firsts[1:].tolist(), sizes.tolist(), strict=True)
        ]
        return np.concatenate([order[:0], *chosen])


def whole_quotas(
    cells: NDArray[np.int64],
    expected: NDArray[np.float64],
    available: NDArray[np.int64],
    totals: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Whole numbers (s,) of units of each class, near to what is `expected`, that meet the `totals` of all controls.

    cells      int64, (s, k): the cell of each control that a class lies in
    available  int64, (s,): none gets more
    totals     per control, int64, (cells,), all with the same sum, which what is found adds up to too if there are
               enough units

    Where totals can't all be met, their misses are as few as possible.
    """
    if len(totals) == 1 and len(np.unique(cells)) == len(cells):
        own = totals[0][cells[:, 0]]
        if own.sum() == totals[0].sum() and (own <= available).all():
            return own
    base = np.minimum(np.floor(expected).astype(np.int64), available)
    return base + _adjustment(cells, expected - base, base, available, totals)


def _adjustment(
    cells: NDArray[np.int64],
    rest: NDArray[np.float64],
    base: NDArray[np.int64],
    available: NDArray[np.int64],
    totals: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """What to add to `base` or take from it. A unit more costs the less, the more of one is expected.

    Variables: of each class up to one unit more (cheap), more than that, and units less; of each cell units that are
    missing, and that are too many.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, hstack, identity, vstack

    n = len(cells)
    places = [(own, np.arange(n)) for own in cells.T]
    counts = [
        csr_array((np.ones(n), place), shape=(len(total), n)) for place, total in zip(places, totals, strict=True)
    ]
    matrix = vstack([*counts, csr_array(np.ones((1, n)))], format="csr")
    n_units = min(int(totals[0].sum()), int(available.sum()))
    needed = np.append(np.concatenate(totals), n_units) - matrix @ base
    slack = identity(len(needed), format="csr")[:, :-1]
    constraint = hstack([matrix, matrix, -matrix, slack, -slack], format="csr")
    room, n_slack = available - base, 2 * slack.shape[1]
    upper = np.concatenate([np.minimum(room, 1), np.maximum(room - 1, 0), base, np.full(n_slack, np.inf)])
    costs = np.concatenate([1 - rest, 2 - rest, 1 + rest, np.full(n_slack, _UNMET)])
    is_whole = np.concatenate([np.ones(3 * n), np.zeros(n_slack)])
    found = milp(
        costs,
        integrality=is_whole,
        bounds=Bounds(0, upper),
        constraints=LinearConstraint(constraint, needed, needed),
        options={"time_limit": _TIME_LIMIT_S, "mip_rel_gap": 1e-6},
    )
    if found.x is None:
        raise ArithmeticError(f"no whole quotas were found: {found.message}")
    more, still_more, less = np.rint(found.x[: 3 * n]).astype(np.int64).reshape(3, n)
    return more + still_more - less
