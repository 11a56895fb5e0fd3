"""What the driver's own threads do together: work that is too fine to travel, and counts that add up.

In: a range of units, cut into a part for each thread. Out: the same as one thread would give.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LEAST_COUNTED = 4_096
"""Units for each thread that counts: it takes a table of all cells for them."""


class ThreadTeam(Protocol):
    """Threads of the driver's own process: run `function(part)` for each part, all side by side, and wait."""

    n_threads: int

    def run(self, function: Callable[[slice], None], parts: Sequence[slice]) -> None: ...


class Hosts(Protocol):
    """Objects on workers: as issodask.protocols has them."""

    n_hosts: int

    def ask(self, method: str, arguments: Sequence[Any]) -> Callable[[], list[Any]]: ...


class OneThread:
    """The caller's own."""

    n_threads = 1

    def run(self, function: Callable[[slice], None], parts: Sequence[slice]) -> None:
        for part in parts:
            function(part)


def count_by(
    team: ThreadTeam,
    count: Callable[[slice, NDArray[np.int64]], None],
    n_units: int,
    n_cells: int,
    least_counted: int = LEAST_COUNTED,
) -> NDArray[np.int64]:
    """Marginals, int64, (n_cells,), by all threads: `count(part, cells)` adds those of a part of the units."""
    counted: list[NDArray[np.int64]] = []

    def count_part(part: slice) -> None:
        cells = np.zeros(n_cells, np.int64)
        count(part, cells)
        counted.append(cells)

    team.run(count_part, cut(n_units, min(team.n_threads, 1 + n_units // least_counted)))
    return total(counted, n_cells)


def cut(n: int, n_parts: int) -> list[slice]:
    """[0, n) in at most so many parts of about the same length, none of them empty."""
    bounds = [n * i // n_parts for i in range(n_parts + 1)]
    return [slice(a, b) for a, b in pairwise(bounds) if a < b]


def total(counts: Iterable[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Add up the blocks' marginals as they come."""
    result = np.zeros(n_cells, np.int64)
    for part in counts:
        result += part
    return result
