"""Which stretch of the pool a task works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

_STRIP_UNITS = 2_048
_SAMPLE_UNITS = 65_536


class Block(Protocol):
    """The codes of (a bounded piece of) one part: units `first_unit` to `first_unit + n_units` of the pool."""

    @property
    def n_units(self) -> int: ...

    @property
    def first_unit(self) -> int: ...


class SequenceCodes(NamedTuple):
    """The codes of some groups: the rows of group i are `rows[starts[i] : starts[i + 1]]`."""

    rows: NDArray[np.uint8]  # (n_rows, width), as SequenceBins.encode has them
    starts: NDArray[np.int64]  # (n_units + 1,), from 0


@dataclass(frozen=True)
class Strip:
    """A short stretch of a block: its rows [start, start + n_units); the first one is unit `first_unit` of the pool."""

    i_block: int
    start: int
    n_units: int
    first_unit: int


def cut_strips(blocks: Sequence[Block], n_units: int) -> list[Strip]:
    """Cut blocks into strips of at most `n_units` units, in order."""
    return [
        Strip(i, start, min(n_units, block.n_units - start), block.first_unit + start)
        for i, block in enumerate(blocks)
        for start in range(0, block.n_units, n_units)
    ]


@dataclass(frozen=True)
class Sample:
    """Strips of some blocks, taken together as if they were a block: (block, first row in it, number of rows)."""

    strips: tuple[tuple[Any, int, int], ...]

    @property
    def n_units(self) -> int:
        return sum(n_rows for _, _, n_rows in self.strips)


def draw_samples(blocks: Sequence[Block], n_units: int) -> list[Sample]:
    """About `n_units` units, in strips that are evenly spread over all blocks; all units when there are no more."""
    n_pool = sum(block.n_units for block in blocks)
    if n_pool <= n_units:
        return [Sample(((block, 0, block.n_units),)) for block in blocks]
    strips = cut_strips(blocks, _STRIP_UNITS)
    marks = np.floor(0.5 + np.arange(len(strips) + 1) * (n_units / n_pool))
    taken = [(blocks[strips[i].i_block], strips[i].start, strips[i].n_units) for i in np.flatnonzero(np.diff(marks))]
    per_sample = _SAMPLE_UNITS // _STRIP_UNITS
    return [Sample(tuple(taken[i : i + per_sample])) for i in range(0, len(taken), per_sample)]


def rows_by_block(units: NDArray[np.int64], blocks: Sequence[Block]) -> list[tuple[Block, NDArray[np.int64]]]:
    """Each block that holds some of `units` (ascending), with their row numbers within it."""
    starts = np.array([*(block.first_unit for block in blocks), blocks[-1].first_unit + blocks[-1].n_units])
    bounds = np.searchsorted(units, starts)
    return [
        (block, units[first:last] - block.first_unit)
        for block, first, last in zip(blocks, bounds[:-1], bounds[1:], strict=True)
        if first < last
    ]
