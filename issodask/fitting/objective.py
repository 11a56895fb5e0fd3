"""The objective: mostlyai-qa's overall accuracy in expectation, kept in whole numbers.

In: the original's marginals. Out: the target per cell and the weight of a unit of residual in each family of cliques,
so that `1 - overall accuracy` is a weighted sum of |residual|.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.table.cliques import Cliques
from issodask.table.sequences import Layout

_FRACTIONS = 256
_LARGEST = 2**27
"""Bound of a target; leaves room in int32 for the residual of a subset that is 15 times oversized."""


@dataclass(frozen=True)
class Objective:
    """What the subset of `n_units` units should look like.

    target   int32, (n_cells,)   what each cell should hold, times `unit`
    unit     what one unit weighs: 1 where targets are whole numbers, else up to 256 (fixed point); for groups more
    weights  float64, (f,)       fall of the objective per unit of |residual| in each family of cliques: of 1, 2, 3
                                 columns, for sequential tables also those of coherence
    """

    cliques: Layout
    n_units: int
    target: NDArray[np.int32]
    unit: int
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, marginals: NDArray[Any], cliques: Layout, n_original: int, n_units: int) -> "Objective":
        """Scale `marginals` (n_cells) of `n_original` units to a subset of `n_units`; those of float64 are parts."""
        unit = cliques.unit
        if unit == 1 and (n_units % n_original or marginals.dtype == np.float64):
            unit = max(1, min(_FRACTIONS, _LARGEST // n_units))
        target = np.rint(marginals * (n_units * unit / (n_original * cliques.unit))).astype(np.int32)
        return cls(cliques, n_units, target, unit, cliques.family_shares / (2 * n_units * unit))

    def scaled_to(self, n_units: int) -> "Objective":
        """The same for a subset of rows of another size."""
        if n_units == self.n_units:
            return self
        unit = max(1, min(_FRACTIONS, _LARGEST // n_units))
        target = np.rint(self.target * (n_units * unit / (self.n_units * self.unit))).astype(np.int32)
        weights = self.weights * (self.n_units * self.unit / (n_units * unit))
        return replace(self, n_units=n_units, target=target, unit=unit, weights=weights)

    def value(self, residual: NDArray[np.int32]) -> float:
        """1 - overall accuracy, for `residual` = target - unit * counts."""
        return float(self.cliques.sum_by_family(np.abs(residual)) @ self.weights)

    def residual(self, marginals: NDArray[np.int64]) -> NDArray[np.int32]:
        """What a subset with these marginals lacks (positive) or has too much of (negative), per cell, times `unit`."""
        return (self.target - self.unit // self.cliques.unit * marginals).astype(np.int32)

    def marginals(self, residual: NDArray[np.int32]) -> NDArray[np.int64]:
        """The marginals of the subset that leaves this residual."""
        return (self.target.astype(np.int64) - residual) // (self.unit // self.cliques.unit)

    @cached_property
    def noise(self) -> NDArray[np.float32]:
        """By how much the metric's own count of each cell varies, as a standard deviation: float32, (n_cells,).

        0 for rows, which are all counted. Of a group one row is drawn: a cell then varies about as in a random sample.
        """
        if isinstance(self.cliques, Cliques):
            return np.zeros(self.cliques.n_cells, np.float32)
        share = np.minimum(self.target / (self.n_units * self.unit), 1.0)
        return (self.unit * np.sqrt(self.n_units * share * (1.0 - share))).astype(np.float32)
