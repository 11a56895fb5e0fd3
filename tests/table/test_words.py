"""Texts made of the words of others: only steps that enough share, and no endless search for what isn't there."""

import numpy as np

from issodask.table.words import Words


class CountingRandom:
    """Random numbers, and how many were drawn."""

    def __init__(self):
        self.n_drawn = 0
        self._random = np.random.default_rng(0)

    def random(self):
        self.n_drawn += 1
        return self._random.random()


def learnt(texts, n_sharing=9, enough=5):
    return Words.learn(texts, np.full(len(texts), n_sharing), enough)


def test_words__of_steps_that_enough_share():
    texts = [f"the {size} {animal} {verb}" for size in "ab" for animal in "cd" for verb in "ef"][:-1]
    new = learnt(texts, n_sharing=2, enough=4).draw(9, set(), np.random.default_rng(0))
    assert sorted(new) == ["the a c e", "the a c f", "the a d e", "the b c e", "the b c f"]  # "b d" and "d f" are rare


def test_words__stop_where_nothing_new_comes():
    texts = ["she left early", "he came late"]
    random = CountingRandom()
    assert learnt(texts).draw(20_000, set(texts), random) == []
    assert random.n_drawn < 2_000
    random = CountingRandom()
    assert set(learnt(texts).draw(20_000, set(), random)) == set(texts)
    assert random.n_drawn < 2_000


def test_words__many_where_there_are_many():
    texts = [f"{first} {second} {third}" for first in "abcdefgh" for second in "ijklmnop" for third in "qrstuvwx"]
    own = [text for i, text in enumerate(texts) if (i // 64 + i // 8 + i) % 2]
    taken = set(own)
    new = learnt(own).draw(200, taken, np.random.default_rng(0))
    assert len(set(new)) == 200
    assert not set(new) & taken
