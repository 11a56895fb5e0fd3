"""New ids by the profile of the original's."""

import numpy as np
import pandas as pd
import pytest

from issodask.errors import InputError
from issodask.table.ids import NewIds
from issodask.table.profiles import profile_of_texts, profile_of_whole_numbers

INT64 = (-(2**63), 2**63 - 1)


def ids_of_texts(texts, units=None):
    codes, found = pd.factorize(np.array(texts, dtype=object))
    return NewIds.of(profile_of_texts("id", list(found), codes, units), INT64)


def ids_of_numbers(numbers, units=None, limits=INT64):
    numbers = np.array(numbers)
    return NewIds.of(profile_of_whole_numbers("id", numbers, np.zeros(len(numbers), bool), units), limits)


def test_ids__unique_where_the_originals_are():
    texts = [f"C-{i:07d}" for i in range(0, 90_000, 300)]
    values, is_missing = ids_of_texts(texts).draw(1_000, seed=1)
    assert len(set(values)) == 1_000
    assert not set(values) & set(texts)
    assert not is_missing.any()


def test_ids__the_seed_decides():
    ids = ids_of_numbers(np.random.default_rng(0).permutation(500))
    assert ids.draw(50, 1)[0].tolist() == ids.draw(50, 1)[0].tolist() != ids.draw(50, 2)[0].tolist()


def test_ids__repeat_and_are_missing_as_the_originals():
    texts = [f"{i % 50}:{i // 50}:1" for i in range(300)] * 2 + [None] * 200
    values, is_missing = ids_of_texts(texts).draw(400, seed=1)
    assert pd.Series(values).value_counts().tolist() == [2] * 200
    assert is_missing.sum() == 100


def test_ids__of_groups():
    units = np.repeat(np.arange(40), 5)
    assert ids_of_numbers(units + 7, units).of_group
    assert not ids_of_numbers(np.arange(200), units).of_group
    assert len(set(ids_of_numbers(units + 7, units).draw(60, 1)[0])) == 60


def test_ids__a_type_that_is_full():
    with pytest.raises(
        InputError, match=r"column 'id' is an id of whole numbers from -128 to 127, of which 156 are free"
    ):
        ids_of_numbers(np.arange(100), limits=(-128, 127)).draw(200, 1)
