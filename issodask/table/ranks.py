"""Whole numbers that no floating number holds exactly, learnt by their rank among the original's.

mostlyai's engine computes with floating numbers: of 9,223,372,036,854,775,807 ("unlimited") it makes the least int64.
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
