"""Which groups go on in a later partition of a table."""

import dask.dataframe
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.store.partitions import LastPartitions, whole_groups
from tests.door import schema_from


@given(st.lists(st.lists(st.integers(0, 12), max_size=8), min_size=1, max_size=6))
def test_last__as_a_dictionary_of_all_keys_knows(keys):
    last = LastPartitions.of(np.array(own, np.uint64) for own in keys)
    naive = {key: i for i, own in enumerate(keys) for key in own}
    for i, own in enumerate(keys):
        assert last.is_after(i, np.array(own, np.uint64)).tolist() == [naive[key] > i for key in own]
    assert set(last.hashes.tolist()) == {key for key in naive if sum(key in own for own in keys) > 1}


@pytest.mark.parametrize(
    "keys",
    [
        pd.Series([f"p{i}" for i in range(9)] * 3, dtype="string[pyarrow]"),
        pd.Series([2**53 + i % 9 for i in range(27)]),
        pd.Series([0.5, 1.0, 7.25] * 9),
        pd.Series([pd.Timestamp(2020, 1, 1), pd.Timestamp(2020, 1, 1, 0, 0, 1), pd.Timestamp(1999, 12, 31)] * 9),
    ],
)
def test_whole_groups__of_any_key(keys):
    frame = pd.DataFrame({"key": keys, "x": np.arange(27)})
    lazy = dask.dataframe.from_pandas(frame, npartitions=5)
    pieces = [piece.to_pandas() for piece in whole_groups(lazy, "key", schema_from(frame))]
    together = pd.concat(pieces)
    assert sorted(together["x"]) == list(range(27))
    assert sum(piece["key"].nunique() for piece in pieces) == frame["key"].nunique()
    expected = frame.groupby("key")["x"].agg(tuple)
    assert together.groupby("key")["x"].agg(tuple).tolist() == expected.tolist()
