"""Texts made anew from the words of others: each step from one word to the next is one that enough units share.

In: the original's distinct texts and how many units have each. Out: different texts that read like them and say nothing
of any one of them; fewer than asked for where the words don't go further.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 60
_TRIES = 10
_IN_VAIN = 200  # tries one after the other: the words go no further then
_END = ""  # no word is empty; a text begins after it, too


@dataclass(frozen=True)
class Words:
    """The words that may follow each, and how often they do (cumulated)."""

    followers: dict[str, tuple[tuple[str, ...], NDArray[np.float64]]]

    @classmethod
    def learn(cls, texts: Sequence[str], n_sharing: NDArray[np.int64], enough: int) -> "Words":
        """`texts`: different ones; `n_sharing`: units that have each; a step is kept that `enough` of them share."""
        steps: Counter[tuple[str, str]] = Counter()
        for text, n_units in zip(texts, n_sharing.tolist(), strict=True):
            words = text.split()[:MAX_WORDS]
            for step in set(zip([_END, *words], [*words, _END], strict=True)):
                steps[step] += n_units
        following: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (word, follower), n_units in sorted(steps.items()):
            if n_units >= enough:
                following[word][follower] = n_units
        alive = _that_end(following)
        followers = {}
        for word in alive:
            own = {follower: n for follower, n in following[word].items() if follower in alive or follower == _END}
            followers[word] = (tuple(own), np.cumsum(list(own.values())) / sum(own.values()))
        return cls(followers)

    def draw(self, n: int, taken: set[str], random: np.random.Generator) -> list[str]:
        """Up to `n` different texts, none of which is `taken`, nor empty."""
        found: dict[str, None] = {}
        n_in_vain = 0
        for _ in range(_TRIES * (n + 10) if _END in self.followers else 0):
            if len(found) >= n or n_in_vain >= _IN_VAIN:
                break
            text = self._one(random)
            is_new = text and text not in taken and text not in found
            n_in_vain = 0 if is_new else n_in_vain + 1
            if is_new:
                found[text] = None
        return list(found)

    def _one(self, random: np.random.Generator) -> str:
        words: list[str] = []
        word = _END
        while len(words) < MAX_WORDS:
            followers, cumulated = self.followers[word]
            word = followers[min(int(np.searchsorted(cumulated, random.random(), side="right")), len(followers) - 1)]
            if word == _END:
                break
            words.append(word)
        return " ".join(words)


def _that_end(following: dict[str, dict[str, int]]) -> list[str]:
    """The words from which a text can come to its end, in order."""
    before: defaultdict[str, list[str]] = defaultdict(list)
    for word, followers in following.items():
        for follower in followers:
            before[follower].append(word)
    alive: dict[str, None] = {}
    waiting = [_END]
    while waiting:
        for word in before[waiting.pop()]:
            if word not in alive:
                alive[word] = None
                if word != _END:
                    waiting.append(word)
    return sorted(alive)
