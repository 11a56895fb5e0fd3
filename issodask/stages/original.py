"""The original as the search knows it: codes instead of rows, of rows or of whole groups.

In: the original's frame, and the name of its group key if it has one. Out: `KnownOriginal`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask.fitting.objective import Objective
from issodask.fitting.workbench import Crew, count_by
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.groups import Groups, key_column
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
    def of(cls, frame: pd.DataFrame, group_key: str | None) -> "KnownOriginal":
        """Find the bins of `frame` and code it. Raises InputError for a frame or keys that can't be used."""
        schema = Schema.from_frame(frame)
        if group_key is None:
            bins = Bins.fit(frame, schema)
            return cls(schema, None, bins, bins.encode(frame), len(frame), None)
        groups = Groups.of(key_column(frame, group_key, "the original"), where="the original")
        table = frame.drop(columns=[group_key])
        sequence_bins = SequenceBins.fit(table, groups, schema.without(group_key))
        codes = sequence_bins.encode_groups(table, groups)
        return cls(schema, group_key, sequence_bins, codes, groups.n_groups, frame[group_key].drop_duplicates())

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
