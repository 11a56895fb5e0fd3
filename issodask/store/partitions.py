"""A table in memory as Arrow, one piece after the other: itself, or the partitions of a Dask table.

Of groups each piece holds whole ones: rows of a group that lies in several partitions wait for its last one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from issodask.store.casts import cast_table, without_nan
from issodask.store.parts import hash_values
from issodask.store.tables import to_arrow
from issodask.store.types import value_type
from issodask.table.groups import check_group_key
from issodask.table.schema import Schema


def partitions(source: Any) -> Iterator[pa.Table]:
    """The table as it is, or partition by partition."""
    if not hasattr(source, "npartitions"):
        yield to_arrow(source)
        return
    for i_partition in range(source.npartitions):
        yield to_arrow(source.partitions[i_partition])


def whole_groups(source: Any, group_key: str, schema: Schema) -> Iterator[pa.Table]:
    """The table, partition by partition, so that no group lies in two of them.

    A Dask table is computed twice, first its column of keys alone. What is kept of them are hashes, and rows that wait;
    two keys of the same hash would wait for each other, which does no harm.
    """
    if not hasattr(source, "npartitions"):
        yield to_arrow(source)
        return
    check_group_key(source.columns, group_key, "the pool")
    key_names = [name for name in source.columns if str(name) == group_key]
    last = LastPartitions.of(_hashes(table[group_key]) for table in partitions(source[key_names]))
    waiting: list[pa.Table] = []
    hashes_waiting = np.zeros(0, np.uint64)
    for i_partition, table in enumerate(partitions(source)):
        own = cast_table(table, schema.without(group_key), "the pool").append_column(group_key, _keys(table, group_key))
        rows = pa.concat_tables([*waiting, own], promote_options="permissive")
        hashes = np.concatenate([hashes_waiting, _hashes(table[group_key])])
        goes_on = last.is_after(i_partition, hashes)
        waiting, hashes_waiting = [rows.filter(pa.array(goes_on))], hashes[goes_on]
        yield rows.filter(pa.array(~goes_on))


@dataclass(frozen=True)
class LastPartitions:
    """The hashes of keys that lie in several partitions (uint64, ascending), and the last partition of each (int64)."""

    hashes: NDArray[np.uint64]
    partitions: NDArray[np.int64]

    @classmethod
    def of(cls, hashes: Iterable[NDArray[np.uint64]]) -> "LastPartitions":
        """`hashes`: those of each partition's keys, in any order, may repeat."""
        own = [np.unique(each) for each in hashes]
        joined = np.concatenate(own)
        numbers = np.repeat(np.arange(len(own)), [len(each) for each in own])
        order = np.argsort(joined, kind="stable")
        distinct, firsts, counts = np.unique(joined[order], return_index=True, return_counts=True)
        are_split = counts > 1
        return cls(distinct[are_split], numbers[order][(firsts + counts - 1)[are_split]])

    def is_after(self, i_partition: int, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of the keys come again after that partition."""
        if not len(self.hashes):
            return np.zeros(len(hashes), bool)
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return (self.hashes[places] == hashes) & (self.partitions[places] > i_partition)


def _hashes(keys: pa.ChunkedArray) -> NDArray[np.uint64]:
    return np.concatenate([np.zeros(0, np.uint64), *(hash_values(chunk, "the pool")[0] for chunk in keys.chunks)])


def _keys(table: pa.Table, group_key: str) -> pa.ChunkedArray:
    keys = without_nan(table[group_key])
    return keys.cast(value_type(keys.type))
