"""Raking: weights that make sums meet what was asked of them, changed as little as can be (Deming and Stephan 1940).

In: which cell of each control every class of units lies in, what the classes weigh, and the share that each cell is to
have. Out: a factor for each cell, and what can't be met.

Classes are the combinations of cells that occur; all units of a class get the same factor, so that a pool of any size
is raked through a small table. One control after the other is met exactly. That never diverges: each step lowers the
relative entropy to what was asked, and if controls contradict one another, it ends where it can't fall further.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MET = 1e-9
"""A share is met when it is no further off."""
_MOST_PASSES = 2_000
_STALLED = 1e-4
_LOOK_EVERY = 50
_LARGEST = 1e150


@dataclass(frozen=True)
class Raked:
    """What was found.

    weights  float64, (s,), of the classes; they add up to 1
    factors  per control, float64, (cells,): a class's weight is what it was, times those of its cells
    gaps     per control, float64, (cells,): asked less found, as shares
    """

    weights: NDArray[np.float64]
    factors: tuple[NDArray[np.float64], ...]
    gaps: tuple[NDArray[np.float64], ...]

    @property
    def is_met(self) -> bool:
        return all(np.abs(gap).max(initial=0.0) <= 1e3 * MET for gap in self.gaps)


def rake(cells: NDArray[np.int64], weights: NDArray[np.float64], shares: Sequence[NDArray[np.float64]]) -> Raked:
    """Rake classes (cells: int64, s x k) of these weights (s) to the shares of each control, which add up to 1.

    A cell that no class is in stays unmet, and so do shares that contradict one another.
    """
    found = weights / weights.sum()
    factors = [np.ones(len(share)) for share in shares]
    furthest = np.inf
    for n in range(_MOST_PASSES):
        for k, share in enumerate(shares):
            sums = np.bincount(cells[:, k], found, len(share))
            step = np.divide(share, sums, out=np.zeros(len(share)), where=sums > 0)
            factors[k] = np.minimum(factors[k] * np.minimum(step, _LARGEST), _LARGEST)  # of what can't be met
            found = found * step[cells[:, k]]
        off = max((float(np.abs(gap).max()) for gap in _gaps(cells, found, shares)), default=0.0)
        if off <= MET:
            break
        if n % _LOOK_EVERY == 0:
            if off > (1 - _STALLED) * furthest:
                break
            furthest = off
    return Raked(found / max(found.sum(), np.finfo(float).tiny), tuple(factors), tuple(_gaps(cells, found, shares)))


def effective_size(weights: NDArray[np.float64]) -> float:
    """As how many equally heavy units these count: (sum of weights)^2 / sum of squares (Kish 1965)."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _gaps(
    cells: NDArray[np.int64], weights: NDArray[np.float64], shares: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    return [share - np.bincount(cells[:, k], weights, len(share)) for k, share in enumerate(shares)]
