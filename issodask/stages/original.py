"""The original as the search knows it: codes instead of rows, of rows or of whole groups.

In: the original, and the name of its group key if it has one. Out: `KnownOriginal`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.workbench import Crew, count_by
from issodask.store.frames import key_codes, to_frame
from issodask.store.plain import plain
from issodask.store.tables import as_table
from issodask.store.types import schema_of
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.groups import Groups
from issodask.table.schema import Schema
from issodask.table.sequences import Layout, SequenceBins, SequenceCliques


@dataclass(frozen=True)
class KnownOriginal:
    """Schema, bins and codes of an original of `n_units` rows, or groups when there is a `group_key`.

    codes  uint8 (n_units, d), or SequenceCodes
    keys   the groups' keys, once each; None for a flat table
    """

    schema: Schema
    group_key: str | None
    bins: Bins | SequenceBins
    codes: Any
    n_units: int
    keys: pd.Series | None

    @classmethod
    def of(cls, original: Any, group_key: str | None) -> "KnownOriginal":
        """Find the bins of `original`, a table of any kind, and code it.

        Raises InputError for a table or keys that can't be used.
        """
        table = as_table(original)
        schema = schema_of(table)
        if group_key is None:
            columns = plain(table, schema)
            bins = Bins.fit(columns)
            return cls(schema, None, bins, bins.encode(columns), table.num_rows, None)
        groups = Groups.of(key_codes(table, group_key, "the original"), where="the original")
        columns = plain(table, schema.without(group_key))
        sequence_bins = SequenceBins.fit(columns, groups)
        codes = sequence_bins.encode_groups(columns, groups)
        keys = to_frame(table.select([group_key]))[group_key].drop_duplicates()
        return cls(schema, group_key, sequence_bins, codes, groups.n_groups, keys)

    def cliques(self, n_units: int, pool_counts: Sequence[Sequence[int]] | None = None) -> Layout:
        """The cells of a subset of `n_units`, without the bins that neither the original nor the pool fill.

        `pool_counts` says how often each code of each column of codes occurs in the pool.
        """
        if isinstance(self.bins, SequenceBins):
            return SequenceCliques.of(self.bins, n_units, pool_counts)
        if pool_counts is None:
            return Cliques.of(self.bins.sizes)
        unseen_in_pool = np.array([counts[-1] for counts in pool_counts])
        return Cliques.of(self.bins.sizes - (unseen_in_pool == 0))

    def target(self, cliques: Layout, n_units: int, crew: Crew) -> tuple[Objective, NDArray[np.int64]]:
        """The objective of a subset of `n_units`, and the original's marginals that it comes from."""

        def count(part: slice, cells: NDArray[np.int64]) -> None:
            cliques.count(self.codes, cells, np.arange(part.start, part.stop))

        marginals = count_by(crew, count, self.n_units, cliques.n_cells)
        return Objective.of(marginals, cliques, self.n_units, n_units), marginals
