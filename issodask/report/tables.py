"""A table as the report looks at it: its rows without the group key, and which of them belong together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.table.columns import Columns, Numbers
from issodask.table.groups import SEQUENCE_LENGTH, Groups

TABLES = ("original", "pool_sample", "subset", "holdout")


def synthetic_names(names: Iterable[str]) -> list[str]:
    """Of names of tables, those of tables that are to be published: all but the real ones."""
    return [name for name in names if name not in ("original", "holdout")]


@dataclass(frozen=True)
class Table:
    """Rows, group after group; in a flat table each row is a group of its own, and `is_grouped` is False.

    weights  float64, (groups,): what each counts, where not all do alike; they add up to their effective number
    """

    rows: pd.DataFrame
    groups: Groups
    is_grouped: bool
    weights: NDArray[np.float64] | None = None

    @classmethod
    def flat(cls, rows: pd.DataFrame) -> "Table":
        n_rows = len(rows)
        return cls(rows, Groups(np.arange(n_rows), np.arange(n_rows + 1)), is_grouped=False)

    @classmethod
    def grouped(cls, rows: pd.DataFrame, keys: pd.Series, where: str) -> "Table":
        """Gather rows of equal keys; what the keys are is forgotten. Raises InputError when one is missing."""
        groups = Groups.of(keys, where)
        return cls(_take(rows, groups.order), _gathered(groups.starts), is_grouped=True)

    @classmethod
    def joined(cls, tables: Sequence["Table"]) -> "Table":
        """All groups of several tables."""
        rows = pd.concat([table.rows for table in tables], ignore_index=True)
        weights = [np.ones(table.n_units) if table.weights is None else table.weights for table in tables]
        is_weighted = any(table.weights is not None for table in tables)
        lengths = np.concatenate([table.groups.lengths for table in tables])
        groups = _gathered(np.append(0, np.cumsum(lengths)))
        return cls(rows, groups, tables[0].is_grouped, np.concatenate(weights) if is_weighted else None)

    @cached_property
    def columns(self) -> Columns:
        """The rows as bins see them."""
        return Columns.of(self.rows)

    @property
    def n_units(self) -> int:
        return self.groups.n_groups

    def with_length(self) -> pd.DataFrame:
        """The rows, and before their columns the number of rows of their group."""
        lengths = pd.DataFrame({SEQUENCE_LENGTH: self.groups.length_of_rows()}, self.rows.index)
        return pd.concat([lengths, self.rows], axis=1)

    def draw(self, random: np.random.Generator) -> tuple[Columns, Columns]:
        """One row of each group, never its last of several, with the group's length; and the rows that follow them.

        After a group's only row, all is missing. Source: mostlyai-qa, `sample_two_consecutive_rows`.
        """
        lengths = self.groups.lengths
        drawn = self._drawn_rows(random)
        has_next = lengths > 1
        followers = self.columns.take(drawn + has_next).masked(~has_next)
        return self.columns.take(drawn).having(SEQUENCE_LENGTH, Numbers(lengths.astype(np.float64))), followers

    def one_row_each(self, random: np.random.Generator) -> "Table":
        """A flat table of one row of each group."""
        return Table.flat(_take(self.rows, self._drawn_rows(random)))

    def _drawn_rows(self, random: np.random.Generator) -> NDArray[np.int64]:
        lengths = self.groups.lengths
        return self.groups.starts[:-1] + ((lengths - 1) * random.random(len(lengths))).astype(np.int64)


def _take(rows: pd.DataFrame, positions: np.ndarray) -> pd.DataFrame:
    return rows.take(positions).reset_index(drop=True)


def _gathered(starts: np.ndarray) -> Groups:
    return Groups(np.arange(int(starts[-1])), starts.astype(np.int64))
