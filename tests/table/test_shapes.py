"""New values look like the original's, are none of them, differ, and never run out without saying so."""

import re
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.table.anew import Anew
from issodask.table.shapes import TextShapes
from issodask.table.whole import WholeShapes
from tests.strategies import randoms

INT64 = (-(2**63), 2**63 - 1)
UINT64 = (0, 2**64 - 1)
INT8 = (-128, 127)

letters = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs", "Cc"])
texts = st.lists(st.text(letters, max_size=6), min_size=1, max_size=30, unique=True)
codes = st.lists(
    st.from_regex(r"[A-C]{1,2}-?[0-9]{1,3}(:[0-9a-f]{2})?", fullmatch=True), min_size=1, max_size=60, unique=True
)


def random(seed=0):
    return np.random.default_rng(seed)


def drawn(values, n, seed=0):
    shapes = TextShapes.learn(values, np.ones(len(values), np.int64))
    return shapes.draw(n, set(values), random(seed))


@pytest.mark.slow
@given(texts | codes, st.integers(0, 200), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_texts__differ_and_are_none_of_the_originals(values, n, seed):
    new = drawn(values, n, seed)
    assert len(new) == len(set(new)) == n
    assert not set(new) & set(values)
    assert new == drawn(values, n, seed)


SHAPES = {
    r"C-\d{7}": [f"C-{i:07d}" for i in random().integers(0, 10**7, 400)],
    r"\d{1,2}:\d{1,3}:[12]": [f"{a}:{b}:{a % 2 + 1}" for a, b in random().integers(2, (82, 240), (600, 2))],
    r"[A-Z]{2}\d{3}[xyz]": [
        f"{'ABCDEFGHIJ'[a]}{'KLMNOPQRST'[b]}{100 + a * b}{'xyz'[c]}"
        for a, b, c in random().integers(0, (9, 9, 3), (300, 3))
    ],
    r"[0-9a-f]{12}": [f"{i:012x}" for i in random().integers(0, 2**48, 300)],
    r"\d{2}/[A-Z]{3}_\d{4}": [f"{i % 40 + 10}/VIE_{i:04d}" for i in range(500)],
    r"SE-[A-Z]{1,2}": ["SE-AB", "SE-AC", "SE-C", "SE-BD", "SE-D", "SE-K", "SE-ZX"],
    r"\d{30}": [f"{i}" * 30 for i in range(1, 10)],
    r"[äöü]{3}": ["äöü", "üöä", "ööö", "äää"],
}


@pytest.mark.parametrize("pattern", SHAPES)
def test_texts__match_the_shape(pattern):
    new = drawn(sorted(set(SHAPES[pattern])), 20)
    assert [text for text in new if not re.fullmatch(pattern, text)] == []


def test_texts__uuids_of_version_4():
    values = [str(uuid.UUID(int=int.from_bytes(random(i).bytes(16), "big"), version=4)) for i in range(60)]
    new = [uuid.UUID(text) for text in drawn(values, 200)]
    assert {item.version for item in new} == {4}
    assert {item.variant for item in new} == {uuid.RFC_4122}


def test_texts__numbers_stay_within_the_originals():
    new = drawn(SHAPES[r"\d{1,2}:\d{1,3}:[12]"], 1_000)
    fields = np.array([text.split(":") for text in new], dtype=int)
    assert fields.min(axis=0).tolist() >= [2, 2, 1]
    assert (fields.max(axis=0) <= [81, 239, 2]).all()


def test_texts__shapes_keep_their_shares():
    values = [f"A{i:05d}" for i in range(300)] + [f"{i:04d}-B" for i in range(100)]
    new = drawn(values, 400)
    assert sum(text.startswith("A") for text in new) == 300


def test_texts__a_shape_that_is_full_is_widened():
    assert sorted(map(len, drawn([f"{i:02d}" for i in range(100)], 100)))[0] == 3
    assert len(drawn(["a"], 1_000)) == 1_000


def test_texts__rare_shapes_are_not_told():
    values = [f"A{i:05d}" for i in range(300)] + ["Mrs Robinson?"]
    assert all(re.fullmatch(r"A\d{5}", text) for text in drawn(values, 500))


@given(
    st.sampled_from([INT64, UINT64, INT8]).flatmap(
        lambda limits: st.tuples(
            st.just(limits), st.lists(st.integers(*limits), min_size=1, max_size=40, unique=True), st.integers(0, 300)
        )
    ),
    randoms,
)
def test_numbers__differ_and_are_none_of_the_originals(drawn_from, random):
    limits, values, n = drawn_from
    numbers = np.sort(np.array(values, dtype=np.uint64 if limits == UINT64 else np.int64))
    shapes = WholeShapes.learn(numbers, limits)
    if n > limits[1] - limits[0] + 1 - len(values):
        with pytest.raises(
            InputError, match=r"whole numbers from -128 to 127, of which .* are free, but .* new ones are needed"
        ):
            shapes.draw(n, numbers, random)
        return
    new = shapes.draw(n, numbers, random).tolist()
    assert len(new) == len(set(new)) == n
    assert not set(new) & set(values)
    assert all(limits[0] <= value <= limits[1] for value in new)


def test_numbers__those_that_count_go_on():
    numbers = np.arange(1, 101)[::2]
    new = WholeShapes.learn(numbers, INT64).draw(30, numbers, random())
    assert sorted(new) == list(range(100, 130))
    assert new.tolist() != sorted(new)


def test_numbers__others_stay_in_their_range():
    numbers = np.sort(random().integers(10**9, 2 * 10**9, 500))
    new = WholeShapes.learn(numbers, INT64).draw(500, numbers, random(1))
    assert new.min() >= 10**9
    assert new.max() < 2 * 10**9
    assert np.ptp(new) > 9 * 10**8


# with how often each occurs


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 200), st.integers(0, 9))
@settings(deadline=None)
def test_anew__repeats_about_as_often(counts, n, seed):
    texts = [f"V{i:04d}" for i in range(len(counts))]
    anew = Anew.of_texts(texts, np.array(counts))
    new = anew.draw(n, random(seed))
    assert len(new) == n
    assert np.unique(new, return_counts=True)[1].max() <= max(counts)
    as_many = anew.draw(3 * sum(counts), random(seed))
    assert sorted(np.unique(as_many, return_counts=True)[1]) == sorted(3 * counts)


def test_anew__ascending_as_the_original():
    numbers = np.arange(1, 41)
    as_original = Anew.of_whole_numbers(numbers, np.ones(40, np.int64), INT64, is_ascending=True)
    assert as_original.draw(5, random()).tolist() == [41, 42, 43, 44, 45]
    new = Anew.of_texts(["B1", "B2", "B3", "B7"], np.ones(4, np.int64), is_ascending=True).draw(3, random()).tolist()
    assert new == sorted(new)


def test_anew__prose_is_made_of_shared_words():
    names, verbs, things = ["Ann", "Bob", "Eve"], ["sees", "has", "wants"], ["a dog", "the cat", "no bird"]
    every = [f"{names[i // 9]} {verbs[i // 3 % 3]} {things[i % 3]}" for i in range(27)]
    own = [text for i, text in enumerate(every) if (i // 9 + i // 3 + i) % 3]
    texts = [*own, "Zacharias keeps bees"]
    counts = np.array([3] * len(own) + [1])
    assert set(Anew.of_texts(texts, counts).different(9, random())) == set(every) - set(own)
    assert len(set(Anew.of_texts(texts, counts).different(20, random()))) == 20
