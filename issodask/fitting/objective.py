"""The objective: mostlyai-qa's overall accuracy in expectation, kept in whole numbers.

In: the original's marginals. Out: the target per cell and the weight of a unit of residual in each arity, so that
`1 - overall accuracy` is a weighted sum of |residual|.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from issodask.table.cliques import Cliques

_FRACTIONS = 256
_LARGEST = 2**27
"""Bound of a target; leaves room in int32 for the residual of a subset that is 15 times oversized."""


@dataclass(frozen=True)
class Objective:
    """What the subset of `n_units` units should look like.

    target         int32, (n_cells,)   what each cell should hold, times `unit`
    unit           what one unit weighs: 1 where targets are whole numbers, else up to 256 (fixed point)
    arity_weights  float64, (3,)       fall of the objective per unit of |residual| in cliques of 1, 2, 3 columns
    """

    cliques: Cliques
    n_units: int
    target: NDArray[np.int32]
    unit: int
    arity_weights: NDArray[np.float64]

    @classmethod
    def of(cls, marginals: NDArray[np.int64], cliques: Cliques, n_original: int, n_units: int) -> "Objective":
        """Scale the original's `marginals` (int64, n_cells) of `n_original` units to a subset of `n_units`."""
        unit = 1 if n_units % n_original == 0 else max(1, min(_FRACTIONS, _LARGEST // n_units))
        target = np.rint(marginals * (n_units * unit / n_original)).astype(np.int32)
        n_cliques = np.array([len(cliques.by_arity.get(arity, ())) for arity in (1, 2, 3)])
        n_arities = np.count_nonzero(n_cliques)
        share = np.divide(1.0, n_cliques * n_arities, out=np.zeros(3), where=n_cliques > 0)
        return cls(cliques, n_units, target, unit, share / (2 * n_units * unit))

    def value(self, residual: NDArray[np.int32]) -> float:
        """1 - overall accuracy, for `residual` = target - unit * counts."""
        return float(self.cliques.sum_by_arity(np.abs(residual).astype(np.int64)) @ self.arity_weights)

    def residual(self, marginals: NDArray[np.int64]) -> NDArray[np.int32]:
        """What a subset with these marginals lacks (positive) or has too much of (negative), per cell, times `unit`."""
        return (self.target - self.unit * marginals).astype(np.int32)
