"""Numbers that an engine can't compute with, learnt by their rank among the original's.

mostlyai's engine computes with floating numbers: of 9,223,372,036,854,775,807 ("unlimited") it makes the least int64.
And it looks at 18 digits before the point: of larger floating numbers the first ones are lost.
In: the original's numbers. Out: ranks, small numbers; and back: a number that enough units share is itself, any other
lies between its neighbours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.table.roles import FREQUENT

EXACT = 2**53
"""Below this, floating numbers hold every whole one."""

DIGITS = 1e18
"""Below this, mostlyai's engine sees all digits before the point."""


@dataclass(frozen=True)
class Ranks:
    """The original's distinct numbers (int64 or uint64, ascending), and which of them enough units share."""

    values: NDArray[Any]
    is_shared: NDArray[np.bool_]

    @classmethod
    def learn(cls, values: NDArray[Any], n_sharing: NDArray[np.int64]) -> "Ranks":
        return cls(values, n_sharing >= FREQUENT)

    def encode(self, numbers: NDArray[Any]) -> NDArray[np.int64]:
        return np.searchsorted(self.values, numbers).astype(np.int64)

    def decode(self, ranks: NDArray[np.int64], random: np.random.Generator) -> NDArray[Any]:
        """Numbers of the original's range; none of those that too few share, where there is room between others."""
        ranks = np.clip(ranks, 0, len(self.values) - 1)
        above_least = self.values.view(np.uint64) - self.values.view(np.uint64)[0]  # modulo 2^64, so exact
        gaps = np.diff(above_least)
        before, after = np.append(np.uint64(0), gaps // 2)[ranks], np.append(gaps // 2, np.uint64(0))[ranks]
        room = before + after
        steps = np.minimum((random.random(len(ranks)) * room.astype(np.float64)).astype(np.uint64), room)
        steps += (steps == before) & (after > 0)
        steps -= (steps == before) & (after == 0) & (before > 0)
        moved = (above_least[ranks] - before + steps + self.values.view(np.uint64)[0]).view(self.values.dtype)
        return np.where(self.is_shared[ranks], self.values[ranks], moved)


def as_ordered(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers in the same order, one for each floating number (not NaN)."""
    bits = (numbers + 0.0).view(np.int64)  # of the two zeros one
    return np.where(bits >= 0, bits, np.iinfo(np.int64).min - bits)


def from_ordered(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """The floating numbers again."""
    return np.where(numbers >= 0, numbers, np.iinfo(np.int64).min - numbers).view(np.float64)
