"""How near the subset comes to real rows, measured as mostlyai-qa measures it.

In: the original, the subset and (better) a holdout, as frames with the same columns. Out: `Privacy`. Rows are drawn,
encoded and compared by mostlyai-qa's own functions, so these are the numbers of its report on the same draw. Groups are
compared by their rows (`rows_to_compare`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from issodask import seeds
from issodask.report.qa import qa_session, with_own_rare
from issodask.report.tables import Table

MIN_ROWS = 10  # NNDR is the 10th smallest ratio
MOST_ROWS, LONG_GROUPS = 100, 0.95


@dataclass(frozen=True)
class Neighbours:
    """Distances from each drawn row of one table to its neighbours in another; both float64 (n_rows,).

    `dcr` is the distance to the closest record, 0 for an identical one; `nndr` is that distance over the distance to
    the second closest.
    """

    dcr: np.ndarray
    nndr: np.ndarray

    @property
    def identical_share(self) -> float:
        """Share of rows with an identical neighbour (mostlyai-qa: calculate_ims)."""
        return float((self.dcr <= 1e-6).mean())

    @property
    def mean_dcr(self) -> float:
        """Mean distance to the closest record (mostlyai-qa: calculate_dcr)."""
        return float(self.dcr.mean())

    @property
    def low_nndr(self) -> float:
        """The 10th smallest ratio (mostlyai-qa: calculate_nndr)."""
        return float(np.sort(self.nndr)[9])


@dataclass(frozen=True)
class Privacy:
    """The subset's distances to the original (`training`) and to the holdout, on `n_rows` drawn rows of each table."""

    n_rows: int
    training: Neighbours
    holdout: Neighbours | None = None
    training_holdout: Neighbours | None = None

    @property
    def dcr_share(self) -> float | None:
        """Share of subset rows that are closer to the original than to the holdout; ties count half."""
        if self.holdout is None:
            return None
        closer = np.mean(self.training.dcr < self.holdout.dcr)
        equal = np.mean(self.training.dcr == self.holdout.dcr)
        return float(closer + equal / 2)

    @property
    def dcr_share_error(self) -> float:
        """Standard error of `dcr_share` if the subset were as near to the one as to the other."""
        return sqrt(0.25 / self.n_rows)

    @property
    def is_notable(self) -> bool:
        """Whether more rows are closer to the original than chance explains (two standard errors)."""
        return self.dcr_share is not None and self.dcr_share > 0.5 + 2 * self.dcr_share_error

    @property
    def nndr_ratio(self) -> float | None:
        """NNDR against the original over NNDR against the holdout: far below 1 means rows stick to original rows."""
        if self.holdout is None or self.holdout.low_nndr == 0:
            return None
        return self.training.low_nndr / self.holdout.low_nndr

    def metrics(self) -> dict[str, float | None]:
        """The fields of mostlyai-qa's Distances, by its names, not rounded."""
        holdout, reference = self.holdout, self.training_holdout
        return {
            "ims_training": self.training.identical_share,
            "ims_holdout": holdout.identical_share if holdout else None,
            "ims_trn_hol": reference.identical_share if reference else None,
            "dcr_training": self.training.mean_dcr,
            "dcr_holdout": holdout.mean_dcr if holdout else None,
            "dcr_trn_hol": reference.mean_dcr if reference else None,
            "dcr_share": self.dcr_share,
            "nndr_training": self.training.low_nndr,
            "nndr_holdout": holdout.low_nndr if holdout else None,
            "nndr_trn_hol": reference.low_nndr if reference else None,
        }


def measure_privacy(
    original: pd.DataFrame, subset: pd.DataFrame, holdout: pd.DataFrame | None, *, max_rows: int, seed: int
) -> Privacy | None:
    """Measure the distances on equally many drawn rows of each table, at most `max_rows`.

    None when a table has fewer than MIN_ROWS rows, since then there is nothing to be said. With more than ten encoded
    dimensions and a holdout, mostlyai-qa also tries groups of columns and keeps the one with the highest DCR share,
    so the share errs on the side of caution (mostlyai-qa: prepare_data_for_embeddings, calculate_distances).
    """
    original, subset = with_own_rare(original), with_own_rare(subset)
    holdout = None if holdout is None else with_own_rare(holdout)
    tables = [original, subset] if holdout is None else [original, subset, holdout]
    n_rows = min(max_rows, *(len(table) for table in tables))
    if n_rows < MIN_ROWS:
        return None
    with qa_session(seed):
        from mostlyai.qa._distances import calculate_distances
        from mostlyai.qa._sampling import prepare_data_for_embeddings

        syn, trn, hol = prepare_data_for_embeddings(
            syn_tgt_data=subset, trn_tgt_data=original, hol_tgt_data=holdout, max_sample_size=n_rows
        )
        found = calculate_distances(syn_embeds=syn, trn_embeds=trn, hol_embeds=hol)
    training = Neighbours(found["dcr_syn_trn"], found["nndr_syn_trn"])
    if hol is None:
        return Privacy(n_rows, training)
    to_holdout = Neighbours(found["dcr_syn_hol"], found["nndr_syn_hol"])
    reference = Neighbours(found["dcr_trn_hol"], found["nndr_trn_hol"])
    return Privacy(n_rows, training, to_holdout, reference)


def rows_to_compare(tables: Mapping[str, Table], seed: int) -> dict[str, pd.DataFrame]:
    """The rows whose distances are measured: of groups with their length as a column, and not all rows of long ones.

    More rows than most original groups have (the 95th percentile, at most 100) would give a group undue weight: as many
    are drawn. Source: mostlyai-qa, prepare_data_for_embeddings.
    """
    if not tables["original"].is_grouped:
        return {name: table.rows for name, table in tables.items()}
    most_rows = min(float(np.quantile(tables["original"].groups.lengths, LONG_GROUPS)), MOST_ROWS)
    return {
        name: table.with_length().take(_some_rows(table, most_rows, seeds.generator(seed, f"rows of {name}")))
        for name, table in tables.items()
    }


def _some_rows(table: Table, most_rows: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Positions of drawn rows of each group: those whose rank from 0 is below `most_rows`."""
    lengths, starts = table.groups.lengths, table.groups.starts
    group_of_row = np.repeat(np.arange(len(lengths)), lengths)
    shuffled = np.lexsort((random.random(len(group_of_row)), group_of_row))
    ranks = np.arange(len(group_of_row)) - np.repeat(starts[:-1], lengths)
    return np.sort(shuffled[ranks < most_rows])
