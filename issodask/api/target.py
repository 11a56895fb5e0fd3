"""Target: what a subset is to be, put together step by step.

target = iss.Target(people).shares("income", {">50K": 0.5}).totals(county_by_age)
chosen = iss.select(people, pool, target=target)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from issodask.config import TargetConfig
from issodask.errors import InputError
from issodask.validation import validated


@dataclass(frozen=True)
class Target:
    """The original, but with shares of values, and totals of their combinations, as they are asked for.

    Each method returns a new one. `original`, if it is given, is where the names of columns are looked up.
    """

    original: Any = field(default=None, repr=False)
    config: TargetConfig = field(default_factory=TargetConfig)

    def shares(self, column: str, shares: Mapping[Any, float]) -> "Target":
        """Ask for shares of units by value of a column or, of numbers and times, by interval ("18-24", ">= 65").

        What is not named keeps its proportions. Raises InputError for unknown columns, and for shares above 1.
        """
        self._check([column])
        one = {"column": column, "shares": {_text(value): share for value, share in shares.items()}}
        return self._with(shares=(*self.config.shares, one))

    def totals(self, table: Any) -> "Target":
        """Ask for a `count` (or `share`) of units for each combination of values of one to three columns.

        `table`: a path, or a table of any kind. Without `units`, the subset has as many as the counts add up to.
        """
        from issodask.store.tables import as_rows, as_table

        if isinstance(table, str | Path):
            return self._with(totals=(*self.config.totals, {"table": str(table)}))
        rows = as_rows(as_table(table, where="the totals"))
        self._check([name for name in (rows[0] if rows else {}) if name not in ("count", "share")])
        return self._with(totals=(*self.config.totals, {"rows": rows}))

    def by(self, column: str) -> "Target":
        """Strata: each value of the column has its own units and totals, all from one pool; a unit may serve several.

        Totals that have the column say how many units each stratum has, else it has as many as the original.
        """
        self._check([column])
        return self._with(by=column)

    def _with(self, **change: Any) -> "Target":
        given = {"shares": self.config.shares, "totals": self.config.totals, "by": self.config.by} | change
        return replace(self, config=validated(TargetConfig, given, where="Target"))

    def _check(self, columns: list[str]) -> None:
        if self.original is None:
            return
        from issodask.store.tables import as_table

        names = as_table(self.original, where="the original").column_names
        for column in columns:
            if column not in names:
                near = get_close_matches(column, names, n=1, cutoff=0.5)
                raise InputError(
                    f"the original has no column {column!r}" + (f": did you mean {near[0]!r}?" if near else "")
                )


def target_of(given: "Target | Mapping[str, Any] | TargetConfig | None") -> TargetConfig:
    """What a job file would say. Raises InputError for what it could not."""
    if isinstance(given, Target):
        return given.config
    if isinstance(given, TargetConfig):
        return given
    return validated(TargetConfig, dict(given or {}), where="target")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
