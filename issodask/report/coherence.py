"""What groups show beyond single rows, for the page: lengths, what follows what, and which categories they have.

In: tables of groups, scored against the original. Out: `GroupFindings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask.report.accuracy import Accuracy
from issodask.report.copies import Copies
from issodask.report.scores import CATEGORIES, DISTINCT, SUCCESSORS, Coherence, Scored
from issodask.report.tables import Table
from issodask.table.bins import OTHER

PROTECTED_ROWS = 5  # cells with fewer original units are never spelled out (mostlyai-qa: MIN_RARE_CAT_PROTECTION)
MAX_LENGTHS = 50
MAX_PANELS = 12
MAX_MAPS = 3
REAL_TABLES = ("original", "holdout")


@dataclass(frozen=True)
class Panel:
    """Shares of groups by label, for each table: float64, (labels,); of one column and its accuracies by table."""

    name: str
    labels: tuple[str, ...]
    shares: dict[str, NDArray[np.float64]]
    accuracy: dict[str, float]


@dataclass(frozen=True)
class SuccessorMap:
    """Shares of (bin, bin in the next row) of one column for each table: float64, (labels, next_labels).

    NaN where a real table has fewer than PROTECTED_ROWS groups, but some.
    """

    name: str
    labels: tuple[str, ...]
    next_labels: tuple[str, ...]
    shares: dict[str, NDArray[np.float64]]
    accuracy: dict[str, float]

    @property
    def is_used(self) -> NDArray[np.bool_]:
        """Cells that the original or the subset has, and that may be shown: (labels, next_labels)."""
        original, subset = self.shares["original"], self.shares["subset"]
        return ~np.isnan(original) & ((original > 0) | (subset > 0))


@dataclass(frozen=True)
class GroupFindings:
    """What a table of groups shows beyond its rows; panels in the order of columns, maps worst first.

    lengths     shares of groups by their number of rows, for each table: (labels,)
    distinct    per column: shares of groups by how many distinct categories they have
    categories  per column: shares of groups in which a category occurs
    copies      groups that equal an original group, by table
    """

    n_groups: dict[str, int]
    length_labels: tuple[str, ...]
    lengths: dict[str, NDArray[np.float64]]
    distinct: tuple[Panel, ...]
    categories: tuple[Panel, ...]
    successors: tuple[SuccessorMap, ...]
    copies: dict[str, Copies]


def group_findings(
    tables: Mapping[str, Table], scored: Scored, coherence: Coherence, copies: dict[str, Copies]
) -> GroupFindings:
    """Gather them; `scored` has the original as reference."""
    n_groups = {name: table.n_units for name, table in tables.items()}
    labels, lengths = length_shares({name: table.groups.lengths for name, table in tables.items()})
    worst = {family: _worst_first(scored.accuracies["subset"], family) for family in (DISTINCT, CATEGORIES)}
    maps = [_successor_map(j, scored, coherence) for j in _worst_first(scored.accuracies["subset"], SUCCESSORS)]
    return GroupFindings(
        n_groups=n_groups,
        length_labels=labels,
        lengths=lengths,
        distinct=tuple(
            _panel(DISTINCT, j, coherence.bins.distinct.labels[j], scored, coherence, n_groups)
            for j in sorted(worst[DISTINCT][:MAX_PANELS])
        ),
        categories=tuple(
            _panel(CATEGORIES, j, category_labels(coherence, j), scored, coherence, n_groups)
            for j in sorted(worst[CATEGORIES][:MAX_PANELS])
        ),
        successors=tuple([found for found in maps if found.is_used.any()][:MAX_MAPS]),
        copies=copies,
    )


def length_shares(
    lengths: Mapping[str, NDArray[np.int64]],
) -> tuple[tuple[str, ...], dict[str, NDArray[np.float64]]]:
    """Shares of groups by number of rows: labels, and per table float64, (labels,).

    At most MAX_LENGTHS bins of equal width. The first and the last take what lies beyond, so that at least
    PROTECTED_ROWS original groups are in each; what fewer groups of a real table have in another bin is left out.
    """
    ordered = np.sort(lengths["original"])
    rank = min(PROTECTED_ROWS, len(ordered)) - 1
    low, high = int(ordered[rank]), int(ordered[-1 - rank])
    low, high = min(low, high), max(low, high)
    width = -(-(high - low + 1) // MAX_LENGTHS)
    firsts = np.arange(low, high + 1, width)
    shares = {}
    for name, found in lengths.items():
        bins = np.clip((found - low) // width, 0, len(firsts) - 1)
        shares[name] = _protected(np.bincount(bins, minlength=len(firsts)), name, hidden=0) / len(found)
    labels = [str(first) if width == 1 else f"{first}–{first + width - 1}" for first in firsts.tolist()]
    if any((found < low).any() for found in lengths.values()):
        labels[0] = f"≤ {low + width - 1}"
    if any((found >= firsts[-1] + width).any() for found in lengths.values()):
        labels[-1] = f"≥ {firsts[-1]}"
    return tuple(labels), shares


def category_labels(coherence: Coherence, column: int) -> tuple[str, ...]:
    """The names of a column's categories, as many as have a cell."""
    table, names = coherence.bins.categories[column], coherence.bins.values.labels[column]
    members: list[list[str]] = [[] for _ in range(max(table) + 1)]
    for category, name in zip(table, names, strict=True):
        members[category].append(name)
    return tuple(found[0] if len(found) == 1 else OTHER for found in members)


def _panel(
    family: str,
    column: int,
    labels: tuple[str, ...],
    scored: Scored,
    coherence: Coherence,
    n_groups: Mapping[str, int],
) -> Panel:
    shares = {table: counts[family][column] / n_groups[table] for table, counts in coherence.counts.items()}
    name = coherence.bins.values.names[column]
    return Panel(name, labels, shares, _accuracies(scored, family, column))


def _successor_map(column: int, scored: Scored, coherence: Coherence) -> SuccessorMap:
    labels, next_labels = coherence.bins.rows.labels[column], coherence.bins.successors.labels[column]
    shares = {}
    for table, counts in coherence.counts.items():
        cells = counts[SUCCESSORS][column].reshape(len(labels), len(next_labels))
        shares[table] = _protected(cells, table, hidden=np.nan) / cells.sum()
    name = coherence.bins.values.names[column]
    return SuccessorMap(name, labels, next_labels, shares, _accuracies(scored, SUCCESSORS, column))


def _protected(counts: NDArray, table: str, hidden: float) -> NDArray[np.float64]:
    """Counts of groups; those of few real groups are `hidden`."""
    is_rare = (counts > 0) & (counts < PROTECTED_ROWS) & (table in REAL_TABLES)
    return np.where(is_rare, hidden, counts)


def _accuracies(scored: Scored, family: str, column: int) -> dict[str, float]:
    return {table: float(accuracy.by_column[family][column]) for table, accuracy in scored.accuracies.items()}


def _worst_first(accuracy: Accuracy, family: str) -> list[int]:
    return np.argsort(accuracy.by_column[family], kind="stable").tolist()
