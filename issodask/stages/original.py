"""The original as the search knows it: codes instead of rows, of rows or of whole groups.

In: the original, and the name of its group key if it has one. Out: `KnownOriginal`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.team import ThreadTeam, count_by
from issodask.stages.roles import KnownColumns
from issodask.store.frames import key_codes, to_frame
from issodask.store.plain import plain
from issodask.store.tables import as_table
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.groups import Groups
from issodask.table.marginals import weigh_marginals
from issodask.table.schema import Schema
from issodask.table.sequences import Layout, SequenceBins, SequenceCliques


@dataclass(frozen=True)
class KnownOriginal:
    """Columns, bins and codes of an original of `n_units` rows, or groups when there is a `group_key`.

    columns  what they are; ids are in neither bins nor codes
    codes    uint8 (n_units, d), or SequenceCodes
    keys     keys that groups have, once each; None for a flat table
    groups   which rows belong together; None for a flat table
    """

    columns: KnownColumns
    group_key: str | None
    bins: Bins | SequenceBins
    codes: Any
    n_units: int
    keys: pd.Series | None
    groups: Groups | None = None

    @classmethod
    def of(
        cls,
        original: Any,
        group_key: str | None,
        roles: Mapping[str, str] | None = None,
        held_out: Any | None = None,
    ) -> "KnownOriginal":
        """Find the roles and bins of `original`, a table of any kind, and code it.

        `roles` are those that the user named; `held_out` are rows of the same table whose ids and keys are taken too.
        Raises InputError for a table, keys or roles that can't be used.
        """
        table = as_table(original)
        columns = KnownColumns.of(table, group_key, roles, held_out)
        matched = plain(table, columns.matched)
        if group_key is None:
            bins = Bins.fit(matched).with_hidden_as_other()
            return cls(columns, None, bins, bins.encode(matched), table.num_rows, None)
        groups = Groups.of(key_codes(table, group_key, "the original"), where="the original")
        sequence_bins = SequenceBins.fit(matched, groups).with_hidden_as_other()
        codes = sequence_bins.encode_groups(matched, groups)
        keys = _keys(table, group_key)
        if held_out is not None:
            keys = pd.concat([keys, _keys(held_out, group_key)])
        return cls(columns, group_key, sequence_bins, codes, groups.n_groups, keys, groups)

    @property
    def schema(self) -> Schema:
        """All columns of the original, with their roles."""
        return self.columns.schema

    def cliques(self, n_units: int, pool_counts: Sequence[Sequence[int]] | None = None) -> Layout:
        """The cells of a subset of `n_units`, without the bins that neither the original nor the pool fill.

        `pool_counts` says how often each code of each column of codes occurs in the pool.
        """
        if isinstance(self.bins, SequenceBins):
            # Bins of groups come from rows drawn of each: others may hold what no drawn row does.
            rows = self.codes.rows
            counts = pool_counts and [
                [*of_pool[:-1], of_pool[-1] + int((rows[:, i] == len(of_pool) - 1).sum())]
                for i, of_pool in enumerate(pool_counts)
            ]
            return SequenceCliques.of(self.bins, n_units, counts)
        if pool_counts is None:
            return Cliques.of(self.bins.sizes)
        unseen_in_pool = np.array([counts[-1] for counts in pool_counts])
        return Cliques.of(self.bins.sizes - (unseen_in_pool == 0))

    def target(
        self, cliques: Layout, n_units: int, team: ThreadTeam, weights: NDArray[np.float64] | None = None
    ) -> tuple[Objective, NDArray[Any]]:
        """The objective of a subset of `n_units`, and the original's marginals that it comes from.

        `weights`, mean 1, are those of the original's units (n_units,) where they don't all count alike.
        """
        if weights is not None:
            weighted = weigh_marginals(self.codes, cliques, weights)
            return Objective.of(weighted, cliques, self.n_units, n_units), weighted

        def count(part: slice, cells: NDArray[np.int64]) -> None:
            cliques.count(self.codes, cells, np.arange(part.start, part.stop))

        marginals = count_by(team, count, self.n_units, cliques.n_cells)
        return Objective.of(marginals, cliques, self.n_units, n_units), marginals


def groups_of(table: Any, group_key: str | None) -> Groups | None:
    """Which rows of an Arrow table belong together; None for a flat one."""
    return None if group_key is None else Groups.of(key_codes(table, group_key, "the table"), where="the table")


def _keys(table: Any, group_key: str) -> pd.Series:
    return to_frame(table.select([group_key]))[group_key].drop_duplicates()
