"""Sequential CART, as synthpop does it: one column after the other, each by a tree grown on the columns before it.

In: an original. Out: rows, each of whose values is that of a donor: a row of the original in the same leaf. Nowok,
Raab, Dibben (2016): synthpop: Bespoke Creation of Synthetic Data in R. Journal of Statistical Software 74 (11).
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from issodask import seeds
from issodask.models.synthesizers.base import STRICT, Positions, Synthesizer, taken
from issodask.models.synthesizers.coded import Categories, Coded, Measure, Numbers
from issodask.models.synthesizers.trees import Grown, grow

_MOST_OF_ONE = 0.7
"""A value that more rows have is a mark rather than a number (synthpop): it is not smoothed, nor are others with it."""


@checked_dataclass(config=STRICT)
class Cart(Synthesizer):
    """Trees, column by column; the values of a leaf are drawn as they are.

    So it copies: single values always, and with small leaves whole rows; smoothing gives numbers and times of their
    own. Whether a number is missing is decided first, by a tree of its own; of categories, missing is one more.

    order      columns as they come, or those with the fewest values first
    smoothing  density: numbers get noise, as wide as a kernel density estimate has it
    min_leaf   rows of a leaf at least
    """

    name: ClassVar[str] = "cart"
    needs: ClassVar[str] = "sklearn"

    order: Literal["given", "fewest"] = "given"
    smoothing: Literal["none", "density"] = "none"
    min_leaf: Annotated[int, Field(ge=1)] = 5

    def fit(self, original: pd.DataFrame, seed: int) -> None:
        self.original = original.reset_index(drop=True)
        columns = Coded.of(original).columns
        self.columns = {name: columns[name] for name in self._ordered(columns)}
        self.steps: dict[str, _Step] = {}
        before: list[Measure | Categories] = []
        for i, (name, column) in enumerate(self.columns.items()):
            self.steps[name] = _learn(column, before, self.min_leaf, seeds.integer(seed, "cart", i))
            before.append(column)

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        rows = dict.fromkeys(self.original.columns, np.zeros(n, np.int64))  # of constants, any
        before: list[tuple[Measure | Categories, Positions]] = []
        for name, column in self.columns.items():
            rows[name] = self.steps[name].donors(before, n, random)
            before.append((column, rows[name]))
        drawn = taken(self.original, rows)
        if self.smoothing == "density":
            for name, column in self.columns.items():
                if isinstance(column, Measure):
                    drawn[name] = _smoothed(column, rows[name], random)
        return drawn

    def _ordered(self, columns: dict[str, Measure | Categories]) -> list[str]:
        if self.order == "given":
            return list(columns)
        return sorted(columns, key=lambda name: _n_values(columns[name]))


@dataclass(frozen=True)
class _Step:
    """How a column is drawn: from the leaves of one tree; of numbers with gaps, of one for these and one for others."""

    any_row: Grown
    known_row: Grown | None = None
    missing: Any = None

    def donors(
        self, before: list[tuple[Measure | Categories, Positions]], n: int, random: np.random.Generator
    ) -> Positions:
        """For each of `n` new rows the row of the original whose value it takes, int64, (n,)."""
        donors = self.any_row.donors(before, n, random)
        if self.known_row is None:
            return donors
        return np.where(self.missing[donors], donors, self.known_row.donors(before, n, random))


def _learn(column: Measure | Categories, before: list[Measure | Categories], min_leaf: int, seed: int) -> _Step:
    if isinstance(column, Categories):
        every = np.arange(len(column.codes))
        return _Step(grow(before, every, column.codes, column.n, min_leaf, seed))
    every = np.arange(len(column.values))
    if not column.missing.any():
        return _Step(grow(before, every, column.values, None, min_leaf, seed))
    is_missing = grow(before, every, column.missing.astype(np.int64), 2, min_leaf, seed)
    known = np.flatnonzero(~column.missing)
    return _Step(is_missing, grow(before, known, column.values[known], None, min_leaf, seed), column.missing)


def _n_values(column: Measure | Categories) -> int:
    return column.n if isinstance(column, Categories) else len(np.unique(column.values))


def _smoothed(column: Measure, rows: Positions, random: np.random.Generator) -> Any:
    values = column.values[rows]
    return column.back(values + _bandwidth(values[~np.isnan(values)]) * random.standard_normal(len(values)))


def _bandwidth(values: Numbers) -> float:
    """Silverman's rule of thumb."""
    if len(values) < 2 or np.unique(values, return_counts=True)[1].max() > _MOST_OF_ONE * len(values):
        return 0.0
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(values.std())
    return 0.9 * spread * len(values) ** -0.2
