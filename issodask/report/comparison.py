"""What a comparison of tables found, in the forms that people take along: JSON, a table, a page.

In: the standings of tables. Out: `Comparison`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from issodask.report.standings import HOLDOUT, NAMES, ORIGINAL, Standing, told

LANDMARK_NAMES = {ORIGINAL: "The original itself", HOLDOUT: "Real people, held out"}


@dataclass(frozen=True)
class Comparison:
    """Tables beside one another, against one original and a holdout.

    standings   by table: those that were given, in their order; then the landmarks "original" and "holdout"
    unit        what a unit is called: row or group
    left_out    columns that are in no accuracy: ids
    """

    standings: Mapping[str, Standing]
    unit: str
    left_out: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1

    @property
    def tables(self) -> dict[str, Standing]:
        """Those that were given."""
        return {name: standing for name, standing in self.standings.items() if name not in LANDMARK_NAMES}

    @property
    def landmarks(self) -> dict[str, Standing]:
        return {name: standing for name, standing in self.standings.items() if name in LANDMARK_NAMES}

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "unit": self.unit,
            "tables": {name: standing.to_dict() for name, standing in self.tables.items()},
            "landmarks": {name: standing.to_dict() for name, standing in self.landmarks.items()},
            "left_out": list(self.left_out),
            "seed": self.seed,
            "versions": dict(self.versions),
        }

    def shown(self) -> list[tuple[str, ...]]:
        """A heading, and a line of texts for each table and landmark."""
        body = [
            (LANDMARK_NAMES.get(name, name), f"{one.n_units:,}", *(told(getattr(one, measure)) for measure in NAMES))
            for name, one in self.standings.items()
        ]
        return [("table", f"{self.unit}s", *NAMES.values()), *body]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each table and landmark."""
        return [{"table": name, **standing.flat()} for name, standing in self.standings.items()]
