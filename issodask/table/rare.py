"""What becomes of values that so few units share that nobody may see them.

In: the distinct texts of a column, how many rows and how many units have each. Out: `Rare`, the texts that such values
are redrawn from: those that enough units share outside the ten most frequent ones, in proportion, so that these, a bin
each in mostlyai-qa, keep their shares as well as the rest does, its bin "(other)".

Where enough units share nothing but the ten most frequent, rare values that are most of the column become texts made
anew, of the same words or shape (its shares would be off otherwise). A few are redrawn from the ten.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.table.anew import Anew
from issodask.table.roles import ENOUGH, FREQUENT

N_TOP = 10
MAX_MADE = 10_000
_MADE_FROM = 0.5


@dataclass(frozen=True)
class Rare:
    """The texts of a column that may be seen, and those that others are redrawn from, in proportion to `cumulated`."""

    kept: frozenset[str]
    texts: NDArray[np.object_]
    cumulated: NDArray[np.float64]
    is_made: bool

    @classmethod
    def learn(
        cls, name: str, texts: Sequence[str], n_rows: NDArray[np.int64], n_sharing: NDArray[np.int64]
    ) -> "Rare | None":
        """`texts`: different ones, in the order in which they occur first; None when all of them are FREQUENT.

        mostlyai's engine may take less frequent ones for rare too.
        """
        return None if (n_sharing >= FREQUENT).all() else cls.of(name, texts, n_rows, n_sharing)

    @classmethod
    def of(cls, name: str, texts: Sequence[str], n_rows: NDArray[np.int64], n_sharing: NDArray[np.int64]) -> "Rare":
        """The same where none is rare but for an engine that hides some; at least one text."""
        is_top = np.zeros(len(texts), bool)
        is_top[np.argsort(-n_rows, kind="stable")[:N_TOP]] = True
        enough = FREQUENT if (n_sharing[~is_top] >= FREQUENT).any() else ENOUGH
        is_rare = n_sharing < enough
        kept = frozenset(text for text, rare in zip(texts, is_rare.tolist(), strict=True) if not rare)
        chosen = ~is_rare & ~is_top
        if not chosen.any() and n_rows[is_rare].sum() <= _MADE_FROM * n_rows.sum():
            chosen = ~is_rare
        if chosen.any():
            return cls(kept, np.array(texts, dtype=object)[chosen], _cumulated(n_rows[chosen]), is_made=False)
        made = _made(name, texts, n_sharing)
        return cls(kept, made, _cumulated(np.ones(len(made), np.int64)), is_made=True)

    def draw(self, n: int, random: np.random.Generator) -> NDArray[Any]:
        """`n` texts in place of rare ones."""
        places = np.searchsorted(self.cumulated, random.random(n), side="right")
        return self.texts[np.minimum(places, len(self.texts) - 1)]

    def placeholder(self) -> str:
        """A text for all rare ones that none of those kept is."""
        text = "rare"
        while text in self.kept:
            text += "_"
        return text


def _made(name: str, texts: Sequence[str], n_sharing: NDArray[np.int64]) -> NDArray[np.object_]:
    random = seeds.generator(0, "made", zlib.crc32(name.encode()))
    n_made = min(len(texts), MAX_MADE)
    return Anew.of_texts(texts, n_sharing).different(n_made, random)


def _cumulated(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.cumsum(counts) / counts.sum()
