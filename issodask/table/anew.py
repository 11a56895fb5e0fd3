"""Values made anew: those of ids, and of texts that nobody may see.

In: the original's distinct values and how often each occurs. Out: as many values as wanted, of the same shape; all
different where the original's are, else each about as often as the original's; never one of the original's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.table.roles import ENOUGH, is_prose
from issodask.table.shapes import TextShapes
from issodask.table.whole import WholeShapes
from issodask.table.words import Words

# Prose is made of words; shapes of a few texts' beginnings serve where these don't suffice.
_PROSE_TEXTS, _PROSE_SHAPES, _PROSE_LETTERS = 50_000, 500, 40


@dataclass(frozen=True)
class Anew:
    """How values of one column are made anew.

    taken         the original's values and others that are none of the new ones: a set of texts, or whole numbers in
                  ascending order
    counts        how often the original's values occur, ascending: int64
    is_ascending  each value of the original is above the one before: so are the new ones then
    """

    shapes: TextShapes | WholeShapes
    words: Words | None
    taken: Any
    counts: NDArray[np.int64]
    is_ascending: bool

    @classmethod
    def of_texts(
        cls,
        texts: Sequence[str],
        counts: NDArray[np.int64],
        is_ascending: bool = False,
        others: Sequence[str] = (),
    ) -> "Anew":
        """`texts`: different ones, at least one; `counts`: how often each occurs; `others`: more that are taken."""
        taken = {*texts, *others}
        if not is_prose(texts):
            return cls(TextShapes.learn(texts, counts), None, taken, np.sort(counts), is_ascending)
        step = 1 + len(texts) // _PROSE_TEXTS
        words = Words.learn(texts[::step], counts[::step], ENOUGH)
        step = 1 + len(texts) // _PROSE_SHAPES
        starts = [text[:_PROSE_LETTERS] for text in texts[::step]]
        return cls(TextShapes.learn(starts, counts[::step]), words, taken, np.sort(counts), is_ascending)

    @classmethod
    def of_whole_numbers(
        cls,
        numbers: NDArray[Any],
        counts: NDArray[np.int64],
        limits: tuple[int, int],
        is_ascending: bool = False,
        others: NDArray[Any] | None = None,
    ) -> "Anew":
        """`numbers`: different ones, ascending; `limits`: the lowest and highest of the column's type."""
        taken = numbers if others is None else np.union1d(numbers, others)
        return cls(WholeShapes.learn(taken, limits), None, taken, np.sort(counts), is_ascending)

    def check(self, n: int, random: np.random.Generator) -> None:
        """Raises InputError when there are too few for `draw` with the same random numbers; of texts never."""
        if isinstance(self.shapes, WholeShapes):
            self.shapes.check(len(self._counts_of_new(n, random)), self.taken)

    def draw(self, n: int, random: np.random.Generator) -> NDArray[Any]:
        """`n` values: texts (object), int64 or uint64. Raises InputError when the type has too few."""
        counts = self._counts_of_new(n, random)
        values = self.different(len(counts), random)
        if self.is_ascending:
            return np.repeat(np.sort(values), counts)
        return random.permutation(np.repeat(values, counts))

    def _counts_of_new(self, n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """How often each new value occurs, `n` times together: as often as those of the original, in a random order."""
        rounds = 1 + n // int(self.counts.sum())
        drawn = np.concatenate([random.permutation(self.counts) for _ in range(rounds)])
        ends = np.minimum(np.cumsum(drawn), n)
        counts = np.diff(ends, prepend=0)
        return counts[counts > 0]

    def different(self, n: int, random: np.random.Generator) -> NDArray[Any]:
        """`n` values that all differ."""
        if isinstance(self.shapes, WholeShapes):
            return self.shapes.draw(n, self.taken, random)
        made = self.words.draw(n, self.taken, random) if self.words is not None else []
        made += self.shapes.draw(n - len(made), self.taken | set(made), random)
        return np.array(made, dtype=object)
