"""From fractional weights to whole units: a sample whose expected marginals are the weighted ones.

In: the weights, block by block, wherever they are. Out: the units that are taken, with an exact total. Systematic
sampling with probabilities proportional to size (Madow 1949); without repeats, weights that would exceed one are held
at one.

Each step is a sum over blocks, of whole numbers. Sums of floats depend on how the units are cut into blocks, and their
rounding errors would now and then take a unit twice or miss the total.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from issodask.errors import InputError

_GRAINS = 2**32
"""Expected uses are counted in grains, so many to one use."""
_LARGEST_TOTAL = 2**62
_MOST_USES = int(np.iinfo(np.uint16).max)


class MapWeights(Protocol):
    """Run `function(weights, argument)` for each block, somewhere; results in block order.

    `weights` (float64, u) are those of the block, `arguments` has one for each.
    """

    def __call__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> Iterable[Any]: ...


class _Ruler(NamedTuple):
    """How weights become whole numbers, as fine as their total allows; `lift` comes on top of each."""

    heaviest: float
    finest: float
    lift: int = 0
    scale: float = 0.0  # expected uses per whole number
    limit: float = np.inf  # of expected uses

    def whole(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(weights / self.heaviest * self.finest).astype(np.int64) + self.lift

    def grains(self, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        expected = np.minimum(self.whole(weights) * self.scale, self.limit)
        return np.rint(expected * _GRAINS).astype(np.int64)


def integerise(
    map_weights: MapWeights, n_by_block: Sequence[int], n_units: int, offset: float, may_repeat: bool = False
) -> Iterator[NDArray[np.int64]]:
    """Take `n_units` units in all: per block, the units that are taken (int64, places in the block), once per use.

    map_weights  reaches the weights, >= 0; where fewer than `n_units` are above 0, the others count as very light
    n_by_block   units of each block
    offset       in [0, 1): the random start of the systematic sample

    Raises ValueError when there are fewer units than `n_units` and none may repeat, InputError when one would be taken
    more than 65,535 times.
    """
    n_pool = sum(n_by_block)
    if n_pool < n_units and not may_repeat:
        raise ValueError(f"{n_pool} units can't fill {n_units} places without repeats")

    def on_all(function: Callable[..., Any], argument: Any) -> list[Any]:
        return list(map_weights(function, [argument] * len(n_by_block)))

    heaviest = max(on_all(_heaviest, None), default=0.0) or 1.0
    ruler = _Ruler(heaviest, _LARGEST_TOTAL / n_pool)
    n_positive, total = _add(on_all(_count_positive, ruler))
    if n_positive < (1 if may_repeat else n_units):
        ruler, total = ruler._replace(lift=1), total + n_pool
    if may_repeat:
        ruler = ruler._replace(scale=n_units / total)
    else:
        ruler = ruler._replace(scale=_inclusion_scale(on_all, ruler, total, n_units), limit=1.0)
    lengths = on_all(_count_grains, ruler)
    surplus = sum(lengths) - n_units * _GRAINS
    start = int(np.clip(int(offset * _GRAINS), max(0, -surplus), _GRAINS - 1 - max(0, surplus)))
    starts = list(accumulate(lengths, initial=start))[:-1]
    yield from map_weights(_take, [(ruler, own) for own in starts])


def _inclusion_scale(
    on_all: Callable[[Callable[..., Any], Any], list[Any]], ruler: _Ruler, total: int, n_units: int
) -> float:
    """Find the scale with sum(min(1, scale * weight)) = n_units."""
    scale = 0.0
    n_full, rest = 0, total
    while rest > 0:
        new_scale = (n_units - n_full) / rest
        if new_scale <= scale:
            break
        scale = new_scale
        n_full, rest = _add(on_all(_count_full, ruler._replace(scale=scale)))
    return scale


def _add(counts: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(first for first, _ in counts), sum(second for _, second in counts)


def _heaviest(weights: NDArray[np.float64], _: None) -> float:
    return float(weights.max(initial=0.0))


def _count_positive(weights: NDArray[np.float64], ruler: _Ruler) -> tuple[int, int]:
    """How many whole weights are above 0, and their sum."""
    whole = ruler.whole(weights)
    return int(np.count_nonzero(whole)), int(whole.sum())


def _count_full(weights: NDArray[np.float64], ruler: _Ruler) -> tuple[int, int]:
    """How many units are used for sure, and the sum of the others' whole weights."""
    whole = ruler.whole(weights)
    full = whole * ruler.scale >= 1
    return int(full.sum()), int(whole[~full].sum())


def _count_grains(weights: NDArray[np.float64], ruler: _Ruler) -> int:
    return int(ruler.grains(weights).sum())


def _take(weights: NDArray[np.float64], argument: tuple[_Ruler, int]) -> NDArray[np.int64]:
    """Lay the units end to end, each as long as its expected uses; it is taken once per whole number it reaches."""
    ruler, start = argument
    marks = (start + np.cumsum(ruler.grains(weights))) // _GRAINS
    uses = np.diff(marks, prepend=start // _GRAINS)
    if uses.max(initial=0) > _MOST_USES:
        raise InputError(
            f"a unit of the pool would be used {uses.max():,} times, at most {_MOST_USES:,} are possible: "
            "generate more, or lower units or oversize"
        )
    return np.repeat(np.arange(len(uses)), uses)
