"""New whole numbers beside the original's: counting on where these count, else in the same range.

In: the original's distinct numbers. Out: as many different ones as wanted, none of them an original's. A range that is
full is extended upwards, then downwards.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError

_ROOM = 4  # times the numbers that are needed or taken: in less room all numbers are looked at


@dataclass(frozen=True)
class WholeShapes:
    """Whole numbers from `low` to `high` of a type that ends at `limits`; `count` says that few are left out."""

    low: int
    high: int
    limits: tuple[int, int]
    count: bool

    @classmethod
    def learn(cls, numbers: NDArray[Any], limits: tuple[int, int]) -> "WholeShapes":
        """`numbers`: different ones in ascending order, at least one."""
        low, high = int(numbers[0]), int(numbers[-1])
        return cls(low, high, limits, high - low < 4 * len(numbers))

    def check(self, n: int, taken: NDArray[Any]) -> None:
        """Raises InputError when the type has no `n` numbers beside those that are `taken`, all different."""
        least, most = self.limits
        n_free = most - least + 1 - len(taken)
        if n_free < n:
            raise InputError(
                f"whole numbers from {least:,} to {most:,}, of which {n_free:,} are free, but {n:,} new ones are needed"
            )

    def draw(self, n: int, taken: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
        """`n` different numbers in a random order, none of which is `taken`.

        Raises InputError when the type holds no more.
        """
        self.check(n, taken)
        least, most = self.limits
        if self.count and self.high + n <= most:
            return random.permutation(np.arange(self.high + 1, self.high + 1 + n, dtype=_dtype(self.high + n)))
        room = _ROOM * (n + len(taken))
        low, high = self.low, self.high
        if high - low + 1 < room:
            high = min(most, low + room)
        if high - low + 1 < room:
            low = max(least, high - room)
        if high - low + 1 < room:
            return self._all_free(n, taken, low, random)
        dtype = _dtype(high)
        found = np.zeros(0, dtype)
        while len(found) < n:
            new = random.integers(low, high, 2 * n + 8, dtype=dtype, endpoint=True)
            found = np.unique(np.concatenate([found, new[~np.isin(new, taken)]]))
        return random.permutation(found)[:n]

    def _all_free(self, n: int, taken: NDArray[Any], low: int, random: np.random.Generator) -> NDArray[Any]:
        free = np.setdiff1d(np.arange(low, self.limits[1] + 1, dtype=_dtype(self.limits[1])), taken)
        return random.permutation(free)[:n]


def _dtype(highest: int) -> type[np.int64] | type[np.uint64]:
    return np.int64 if highest < 2**63 else np.uint64
