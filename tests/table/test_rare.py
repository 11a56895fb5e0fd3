"""Rare values: nobody sees them, and what they become keeps the ten most frequent as frequent as they are."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.table.rare import N_TOP, Rare
from issodask.table.roles import ENOUGH, FREQUENT


def learnt(counts):
    """Texts that so many rows have each, every row a unit."""
    texts = [f"text {i}" for i in range(len(counts))]
    return texts, Rare.learn("x", texts, np.array(counts), np.array(counts))


def test_rare__redrawn_outside_the_top_ten_in_proportion():
    counts = [100 - i for i in range(N_TOP)] + [30, 10] + [3] * 50
    texts, rare = learnt(counts)
    assert rare.kept == set(texts[:12])
    new = pd.Series(rare.draw(8_000, np.random.default_rng(0))).value_counts(normalize=True)
    assert set(new.index) == {"text 10", "text 11"}
    assert abs(new["text 10"] - 0.75) < 0.02
    assert not rare.is_made


def test_rare__nothing_to_do_where_enough_share_all():
    assert learnt([FREQUENT] * 30)[1] is None
    texts, rare = learnt([ENOUGH] * 3)  # of which an engine may still hide some
    assert rare.kept == set(rare.texts) == set(texts)


def test_rare__fewer_may_be_enough_where_nothing_else_is():
    texts, rare = learnt([90] * N_TOP + [ENOUGH] * 4 + [1] * 20)
    assert set(rare.texts) == set(texts[10:14])


def test_rare__a_few_among_frequent_ones_go_to_these():
    texts, rare = learnt([60, 40, 2, 1])
    assert set(rare.texts) == set(texts[:2])


def test_rare__made_anew_where_most_are_rare():
    texts, rare = learnt([10] + [1] * 200)
    assert rare.is_made
    assert rare.kept == {"text 0"}
    assert not set(rare.texts) & set(texts)
    assert all(text.startswith("text ") for text in rare.texts)
    assert len(set(rare.texts)) == len(rare.texts) > 100


def test_rare__units_not_rows_decide():
    rare = Rare.learn("x", ["mine", "ours"], np.array([90, 90]), np.array([1, 9]))
    assert set(rare.draw(9, np.random.default_rng(0))) == {"ours"}


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(0, 9))
@settings(deadline=None)
def test_rare__shows_nothing_that_too_few_share(counts, seed):
    texts, rare = learnt(counts)
    if rare is None:
        assert min(counts) >= FREQUENT
        return
    shared = {text for text, count in zip(texts, counts, strict=True) if count >= ENOUGH}
    new = set(rare.draw(100, np.random.default_rng(seed)))
    assert rare.kept <= shared
    assert new <= shared or (rare.is_made and not new & set(texts))
    assert rare.placeholder() not in rare.kept
