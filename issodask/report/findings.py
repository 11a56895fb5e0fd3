"""What the report says, measured and not yet formatted.

In: tables scored against the original. Out: `Findings`, which metrics.json and the page show.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from issodask.event_log import read_events
from issodask.events import RandomScored, RandomTaken, Refined, SearchBegun, Trimmed
from issodask.report.accuracy import Accuracy
from issodask.report.apart import ToldApart
from issodask.report.attack import Membership
from issodask.report.coherence import PROTECTED_ROWS, GroupFindings
from issodask.report.copies import Copies
from issodask.report.drivers import Drivers
from issodask.report.facts import SelectionFacts
from issodask.report.privacy import Privacy
from issodask.report.risks import Risk
from issodask.report.scores import Scored
from issodask.report.use import Prediction
from issodask.table.bins import Bins
from issodask.table.groups import SEQUENCE_LENGTH


@dataclass(frozen=True)
class Cell:
    """One bin combination and the share of each table's units in it."""

    labels: tuple[str, ...]
    shares: dict[str, float]

    @property
    def error(self) -> float:
        """Subset's share minus the original's."""
        return self.shares["subset"] - self.shares["original"]


@dataclass(frozen=True)
class WorstClique:
    """One badly matched clique: its columns, its accuracies by table, and the cells that are furthest off."""

    columns: tuple[str, ...]
    accuracy: dict[str, float]
    accuracy_max: float
    cells: tuple[Cell, ...] = ()

    @property
    def arity(self) -> int:
        return len(self.columns)


@dataclass(frozen=True)
class Point:
    """The objective at one moment of the search."""

    seconds: float
    stage: str
    objective: float


@dataclass(frozen=True)
class Findings:
    """All that was measured.

    `shares[table][column]` is float64 (n_bins,). `against_original`, `against_holdout` hold one Accuracy per table that
    was scored against that reference; `against_both` has the subset against original and holdout together, which is
    what mostlyai-qa's report takes as reference when it is given a holdout. `copies` are rows that equal an original
    one. Of a table of groups, `bins` include Sequence Length, `shares` are those of groups in expectation over drawn
    rows, and `groups` says the rest. `roles` are those of all columns: {"roles": {name: {"role", "why"}}, "left_out":
    names of the columns that are in no accuracy}. `facts` say how the subset was made, where that is known.
    `attack`, `use` and `told_apart` need a holdout, and enough units.
    """

    bins: Bins
    n_rows: dict[str, int]
    shares: dict[str, list[np.ndarray]]
    against_original: dict[str, Accuracy]
    against_holdout: dict[str, Accuracy] = field(default_factory=dict)
    against_both: Accuracy | None = None
    worst: tuple[WorstClique, ...] = ()
    privacy: Privacy | None = None
    pool_privacy: Privacy | None = None
    drivers: Drivers | None = None
    copies: dict[str, Copies] = field(default_factory=dict)
    groups: GroupFindings | None = None
    attack: Membership | None = None
    use: tuple[Prediction, ...] = ()
    told_apart: ToldApart | None = None
    risks: tuple[Risk, ...] = ()
    history: tuple[Point, ...] = ()
    roles: dict[str, Any] = field(default_factory=dict)
    facts: SelectionFacts | None = None
    versions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None

    @property
    def subset(self) -> Accuracy:
        return self.against_original["subset"]

    @property
    def n_units(self) -> dict[str, int]:
        """Rows, or groups, of each table."""
        return self.n_rows if self.groups is None else self.groups.n_groups

    @property
    def copies_of_units(self) -> dict[str, Copies]:
        """Rows, or groups, of each table that equal one of the original."""
        return self.copies if self.groups is None else self.groups.copies

    @property
    def unit(self) -> str:
        """What a unit is called."""
        return "row" if self.groups is None else "group"

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's own columns, without its group key."""
        return tuple(name for name in self.bins.names if self.groups is None or name != SEQUENCE_LENGTH)

    @property
    def reported(self) -> Accuracy:
        """The accuracy that mostlyai-qa's report would give for the same tables."""
        return self.against_both if self.against_both is not None else self.subset


def worst_cliques(
    scored: Scored, *, per_arity: int = 6, detailed: int = 2, n_cells: int = 8
) -> tuple[WorstClique, ...]:
    """The `per_arity` least accurate cliques of the subset for each arity, largest arity first.

    The first `detailed` of each arity also name their `n_cells` worst cells.
    """
    found = []
    subset, names = scored.accuracies["subset"], scored.bins.names
    for arity in sorted(subset.cliques, reverse=True):
        order = np.argsort(subset.by_clique[arity], kind="stable")
        for rank, position in enumerate(order[:per_arity].tolist()):
            columns = tuple(subset.cliques[arity][position].tolist())
            found.append(
                WorstClique(
                    columns=tuple(names[column] for column in columns),
                    accuracy={
                        table: float(accuracy.by_clique[arity][position])
                        for table, accuracy in scored.accuracies.items()
                    },
                    accuracy_max=float(subset.by_clique_max[arity][position]),
                    cells=_worst_cells(scored, columns, n_cells) if rank < detailed else (),
                )
            )
    return tuple(found)


def _worst_cells(scored: Scored, columns: tuple[int, ...], n_cells: int) -> tuple[Cell, ...]:
    cells = scored.cliques.cells_of(columns)
    counts = {table: counts[cells].ravel() for table, counts in scored.counts.items()}
    shares = {table: count / count.sum() for table, count in counts.items()}
    error = np.abs(shares["subset"] - shares["original"])
    original = counts["original"]
    error[(original > 0) & (original < PROTECTED_ROWS)] = 0
    worst = np.argsort(-error, kind="stable")[:n_cells]
    return tuple(
        Cell(
            labels=tuple(
                scored.bins.labels[column][bin_number]
                for column, bin_number in zip(columns, np.unravel_index(cell, cells.shape), strict=True)
            ),
            shares={table: float(share[cell]) for table, share in shares.items()},
        )
        for cell in worst.tolist()
        if error[cell] > 0
    )


def read_history(events_path: str | Path | None) -> tuple[Point, ...]:
    """The objective over time from events.jsonl: of random units, then as trimming and refinement lowered it.

    Seconds count from the first of them. Searches that were started anew since are left out.
    """
    path = Path(events_path) if isinstance(events_path, str) else events_path
    events = [] if path is None else read_events(path)
    last_start = max((i for i, event in enumerate(events) if isinstance(event, SearchBegun)), default=0)
    scored = [
        (event.time, event.KIND, event.objective)
        for event in events[last_start:]
        if isinstance(event, RandomScored | Trimmed | Refined | RandomTaken) and event.objective is not None
    ]
    return tuple(Point(time - scored[0][0], kind, objective) for time, kind, objective in scored)
