"""Which rows belong together: gathered without losing their order, wherever they lie."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.table.groups import Groups, check_group_key


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_groups__are_what_pandas_groups(keys):
    groups = Groups.of(pd.Series(keys, dtype="object", name="k"))
    expected = pd.Series(range(len(keys)), dtype="int64").groupby(np.array(keys, dtype=object), sort=False)
    assert [groups.rows_of(np.array([i])).tolist() for i in range(groups.n_groups)] == [
        rows.tolist() for _, rows in expected
    ]
    assert groups.length_of_rows().tolist() == [keys.count(key) for key in keys]


def test_groups__interleaved_rows_keep_their_order():
    groups = Groups.of(pd.Series([7, 3, 7, 5, 3, 7]))
    assert groups.order.tolist() == [0, 2, 5, 1, 4, 3]
    assert groups.starts.tolist() == [0, 3, 5, 6]
    assert (groups.n_groups, groups.lengths.tolist(), groups.is_gathered) == (3, [3, 2, 1], False)
    assert groups.length_of_rows().tolist() == [3, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("keys", [[], [1], [2, 2, 1, 1, 1]])
def test_groups__gathered_already(keys):
    groups = Groups.of(pd.Series(keys, dtype="int64"))
    assert groups.is_gathered
    assert groups.order.tolist() == list(range(len(keys)))


def test_groups__rows_of_repeats_in_the_order_asked_for():
    groups = Groups.of(pd.Series(["a", "b", "a", "c", "b", "a"], dtype="category"))
    assert groups.rows_of(np.array([1, 0, 1])).tolist() == [1, 4, 0, 2, 5, 1, 4]
    assert groups.rows_of(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize("keys", [[1.0, None, 2.0, None], ["a", None, "b", np.nan], [pd.Timestamp(0), pd.NaT] * 2])
def test_groups__missing_key(keys):
    message = r"the pool has no group key \('k'\) in 2 of 4 rows, the first of them row 1"
    with pytest.raises(InputError, match=message):
        Groups.of(pd.Series(keys, name="k"), where="the pool")


def test_check_group_key__not_there():
    with pytest.raises(InputError, match=r"the pool has no column 'k' .*its columns are 'a', 'b'"):
        check_group_key(["a", "b"], "k", "the pool")
