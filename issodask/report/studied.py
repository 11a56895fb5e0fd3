"""What a study found: a row for each trial and way, and what they come to by synthesizer.

In: rows of trials. Out: `Studied`, as rows for a table or a file, and as means over seeds and tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Any

from issodask.report.standings import Standing, told

ALONE, SELECTED = "alone", "selected"
ALL_POOLS = "all pools"
MEASURES = ("univariate", "bivariate", "trivariate", "accuracy", "unseen", "use", "told_apart", "attack", "dcr_share")
"""What is averaged: those of a Standing that a benchmark compares."""

OF_WORK = ("seconds", "peak_gb")
"""What is averaged beside them: what a trial took."""


@dataclass(frozen=True)
class Row:
    """One way of one trial: the synthesizer `alone`, or with selection on top of its pool; or how the trial failed.

    seconds    of generating (learning and filling the pool), and for the way `selected` of the selection too
    """

    table: str
    synthesizer: str
    way: str
    train_rows: int
    repeat: int
    state: str
    error: str = ""
    seconds: float | None = None
    peak_gb: float | None = None
    standing: Standing | None = None

    def facts(self) -> dict[str, Any]:
        """All but where it stands."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "standing"}

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.facts() | {"standing": None if self.standing is None else self.standing.to_dict()}

    def flat(self) -> dict[str, Any]:
        """A row of a table."""
        return self.facts() | ({} if self.standing is None else self.standing.flat())


@dataclass(frozen=True)
class Mean:
    """The mean of a measure over `n` values, and their standard deviation where there are two or more."""

    mean: float
    spread: float | None
    n: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Mean | None":
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(fmean(known), stdev(known) if len(known) > 1 else None, len(known))


@dataclass(frozen=True)
class Studied:
    """All rows of a study, in the order of tables, synthesizers, sizes and repeats.

    landmarks  by table, number of units learnt from, and repeat: standings of the original and of the held-out people
    """

    rows: Sequence[Row]
    landmarks: Mapping[tuple[str, int, int], Mapping[str, Standing]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        return list(dict.fromkeys(row.table for row in self.rows))

    @property
    def synthesizers(self) -> list[str]:
        return list(dict.fromkeys(row.synthesizer for row in self.rows))

    @property
    def sizes(self) -> list[int]:
        """Units that were learnt from, as they were asked for."""
        return sorted({row.train_rows for row in self.rows})

    @property
    def failures(self) -> list[Row]:
        """A row for each trial that gave nothing."""
        return [row for row in self.rows if row.standing is None]

    def mean(
        self, measure: str, synthesizer: str, way: str, table: str | None = None, size: int | None = None
    ) -> Mean | None:
        """Over repeats; without a `table` the mean of the tables' means, with their spread."""
        if table is None:
            means = [self.mean(measure, synthesizer, way, name, size) for name in self.tables]
            return Mean.of(None if one is None else one.mean for one in means)
        return Mean.of(
            _value(row, measure)
            for row in self.rows
            if (row.synthesizer, row.way, row.table) == (synthesizer, way, table) and size in (None, row.train_rows)
        )

    def landmark(self, measure: str, which: str, table: str | None = None, size: int | None = None) -> Mean | None:
        """The same of the original itself, or of the people held out."""
        if table is None:
            means = [self.landmark(measure, which, name, size) for name in self.tables]
            return Mean.of(None if one is None else one.mean for one in means)
        return Mean.of(
            getattr(found[which], measure)
            for (name, n, _), found in self.landmarks.items()
            if name == table and size in (None, n) and which in found
        )

    def gains(self, measure: str = "accuracy") -> dict[str, list[tuple[str, float]]]:
        """What selection on top adds to each synthesizer, by table."""
        found: dict[str, list[tuple[str, float]]] = {}
        for synthesizer in self.synthesizers:
            for table in self.tables:
                alone, selected = (self.mean(measure, synthesizer, way, table) for way in (ALONE, SELECTED))
                if alone is not None and selected is not None:
                    found.setdefault(synthesizer, []).append((table, selected.mean - alone.mean))
        return found

    def ways(self) -> list[tuple[str, str]]:
        """Each synthesizer and way that gave something, in order."""
        found = {(row.synthesizer, row.way) for row in self.rows if row.standing is not None}
        return [(name, way) for name in self.synthesizers for way in (ALONE, SELECTED) if (name, way) in found]

    def summary(self) -> list[dict[str, Any]]:
        """Means over repeats, sizes and tables: a row for each synthesizer and way."""
        return [
            {
                "synthesizer": synthesizer,
                "way": way,
                "tables": len({row.table for row in self.rows if (row.synthesizer, row.way) == (synthesizer, way)}),
                **{
                    measure: None if (found := self.mean(measure, synthesizer, way)) is None else found.mean
                    for measure in (*MEASURES, *OF_WORK)
                },
            }
            for synthesizer, way in self.ways()
        ]

    def shown(self) -> list[tuple[str, ...]]:
        """A heading, and a line of texts for each synthesizer and way."""
        rows = self.summary()
        return [tuple(rows[0]) if rows else ("synthesizer", "way"), *(tuple(map(_text, row.values())) for row in rows)]

    def to_rows(self) -> list[dict[str, Any]]:
        """A row for each trial and way, for a table or a CSV file."""
        return [row.flat() for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "rows": [
                row.facts() | {"standing": None if row.standing is None else row.standing.to_dict()}
                for row in self.rows
            ],
            "landmarks": [
                {"table": table, "train_rows": n, "repeat": repeat, **{k: one.to_dict() for k, one in found.items()}}
                for (table, n, repeat), found in self.landmarks.items()
            ],
        }


def _value(row: Row, measure: str) -> float | None:
    """Of a trial that gave nothing, nothing counts."""
    return None if row.standing is None else getattr(row if measure in OF_WORK else row.standing, measure)


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else told(value)
