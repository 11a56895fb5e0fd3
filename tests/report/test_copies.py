"""Copies: equal whatever the types, and told from chance by how often the original repeats itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.report.copies import Fingerprints
from issodask.report.tables import Table
from tests.report.tables import as_table, grouped, real_table, sequence_table

N = 400


def copies(original, table, **settings):
    return Fingerprints.of(Table.flat(original), **settings).copies_in(Table.flat(table))


def numbers(*values):
    return pd.DataFrame({"a": list(values)})


def test_copies__equal_rows_of_any_dtype():
    original = pd.DataFrame({"n": [1, 2, 3], "t": ["a", None, ""], "d": pd.to_datetime(["2020-01-01", None, None])})
    table = pd.DataFrame(
        {
            "n": pd.Series([2, 1, 3, 3, None], dtype="Int64"),
            "t": pd.Series([None, "a", None, "", "a"], dtype="string"),
            "d": pd.Series(pd.to_datetime([None, "2020-01-01", None, None, None])).dt.as_unit("s"),
        }
    )
    assert copies(original, table).n_equal == 3


@given(st.lists(st.tuples(*2 * [st.sampled_from([None, "", "a", "b", "ab"])]), min_size=1, max_size=12), st.data())
def test_copies__counts_equal_a_slow_twin(rows, data):
    other = data.draw(st.lists(st.tuples(*2 * [st.sampled_from([None, "", "a", "ab", "c"])]), min_size=1, max_size=12))
    found = copies(pd.DataFrame(rows, columns=["x", "y"]), pd.DataFrame(other, columns=["x", "y"]))
    assert (found.n_units, found.n_equal) == (len(other), sum(row in rows for row in other))
    assert found.n_of_once == sum(rows.count(row) == 1 for row in other)


def test_copies__zero_has_no_sign():
    assert copies(numbers(0.0, 1.0), numbers(-0.0)).n_equal == 1


def test_copies__columns_can_be_left_out():
    original, table = (pd.DataFrame({"id": ids, "wage": [1, 2]}) for ids in (["a", "b"], ["c", "d"]))
    assert copies(original, table).n_equal == 0
    assert copies(original, table, leave_out={"id"}).n_equal == 2


def test_copies__a_pool_that_holds_the_original_is_beyond_chance():
    original, others = real_table(N, 1), real_table(N, 2)
    assert copies(original, original.sample(frac=1, random_state=1)).are_beyond_chance
    leaky = copies(original, pd.concat([others[: N - 20], original[:20]]))
    assert (leaky.n_equal, leaky.are_beyond_chance) == (20, True)
    assert copies(original, others).n_equal == 0
    assert not copies(original, others).are_beyond_chance


@pytest.mark.parametrize("n_values", [2, 40, 400, 4_000])
def test_copies__a_second_sample_is_within_chance(n_values):
    """Whether nearly all rows of the original repeat each other, or few."""
    random = np.random.default_rng(n_values)
    original, second = (pd.DataFrame(random.integers(0, n_values, (1_000, 1)), columns=["a"]) for _ in range(2))
    found = copies(original, second)
    assert found.n_equal > 100
    assert not found.are_beyond_chance


def test_copies__what_many_originals_share_is_no_copy():
    assert not copies(numbers(*[1] * 90, *[2] * 90), numbers(*[1] * 180)).are_beyond_chance


def test_copies__one_row_says_nothing():
    assert not copies(numbers(1), numbers(1)).are_beyond_chance


def groups_of(*values):
    """A table of groups with these values in one column."""
    lengths = np.array([len(group) for group in values])
    return as_table(grouped(pd.DataFrame({"a": np.concatenate(values)}), lengths), "person")


def test_copies__groups_with_the_same_rows_in_the_same_order():
    original = groups_of([1, 2, 3], [1, 2], [7])
    table = groups_of([1, 2, 3], [2, 1], [1], [7], [3, 2, 1], [1, 2, 3, 3], [1, 2], [8, 7])
    assert Fingerprints.of(original).copies_in(table).n_equal == 3


def test_copies__all_groups_of_a_copy_and_none_of_a_fresh_sample():
    known = Fingerprints.of(as_table(sequence_table(100, 1), "person"))
    assert known.copies_in(as_table(sequence_table(100, 1), "person")).share == 1
    assert known.copies_in(as_table(sequence_table(100, 2), "person")).n_equal == 0
