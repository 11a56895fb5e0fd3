"""Which rows of a sequential table belong together.

In: the group key of each row. Out: `Groups`: rows gathered group by group. Groups come in the order of their first row;
rows keep their order within a group, wherever they lie in the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.errors import InputError
from issodask.table.schema import quoted

SEQUENCE_LENGTH = "Sequence Length"
"""The column that mostlyai-qa adds to a sequential table: the number of rows of the group (`COUNT_COLUMN`)."""


@dataclass(frozen=True)
class Groups:
    """The groups of a table of n rows.

    order    int64, (n,)         row numbers, group after group
    starts   int64, (groups+1,)  where each group begins in `order`; the last one is n
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: pd.Series, where: str = "the table") -> "Groups":
        """Gather rows of equal keys. Raises InputError when a key is missing."""
        codes, _ = pd.factorize(keys)
        n_missing = int((codes < 0).sum())
        if n_missing:
            first = int(np.argmax(codes < 0))
            raise InputError(
                f"{where} has no group key ({keys.name!r}) in {n_missing:,} of {len(keys):,} rows, the first of them "
                f"row {first:,}: give each row the key of its group, or drop these rows"
            )
        lengths = np.bincount(codes) if len(codes) else np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.argsort(codes, kind="stable").astype(np.int64), starts)

    @property
    def n_groups(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each group: (groups,)."""
        return np.diff(self.starts)

    @property
    def is_gathered(self) -> bool:
        """Whether the table has each group's rows together already."""
        return bool((np.diff(self.order) == 1).all())

    def length_of_rows(self) -> NDArray[np.int64]:
        """The length of each row's group, in the table's own order: (n,)."""
        lengths = np.empty(len(self.order), np.int64)
        lengths[self.order] = np.repeat(self.lengths, self.lengths)
        return lengths

    def rows_of(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row numbers of the given groups, group after group (repeats allowed)."""
        lengths = self.lengths[groups]
        firsts = np.repeat(self.starts[groups], lengths)
        within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return self.order[firsts + within]


def check_group_key(names: Iterable[Any], group_key: str, where: str) -> None:
    """Raise InputError when `names`, those of a table's columns, lack the group key."""
    known = [str(name) for name in names]
    if group_key not in known:
        raise InputError(f"{where} has no column {group_key!r} for the group key: its columns are {quoted(known)}")
