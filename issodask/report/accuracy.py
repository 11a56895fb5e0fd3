"""Accuracy of a table against a reference, clique by clique, as mostlyai-qa scores it.

In: codes or marginals of both tables, by bins fitted on the reference. Out: `Accuracy`, with the metric's names and its
expected maximum. (Of groups, `groups.py` makes one from several draws.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals

LEVELS = ("overall", "univariate", "bivariate", "trivariate", "coherence")
_ARITIES = {1: "univariate", 2: "bivariate", 3: "trivariate"}
ByClique = Mapping[int, NDArray[np.float64]]
ByColumn = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Accuracy:
    """1 - total variation distance of the marginals: mean over the cliques of each level, and the mean of these means.

    `*_max` is the accuracy that two samples of one distribution would be expected to show: mostlyai-qa's, but of no
    clique lower than is possible (`_farthest_differences`). `cliques[arity]` are column
    numbers (k, arity); `by_clique[arity]` and `by_clique_max[arity]` their accuracies (k,). Of groups, `by_column` and
    `by_column_max` have the parts of coherence, (d,) each, by `COHERENCE_FAMILIES`; a row has none. Levels that the
    table is too narrow for are None or absent. Source: mostlyai-qa's `calculate_accuracy_cnts`,
    `calculate_expected_l1_multinomial` and `_calculate_metrics`.
    """

    names: tuple[str, ...]
    overall: float
    univariate: float
    bivariate: float | None
    trivariate: float | None
    coherence: float | None
    overall_max: float
    univariate_max: float
    bivariate_max: float | None
    trivariate_max: float | None
    coherence_max: float | None
    cliques: dict[int, NDArray[np.int64]]
    by_clique: ByClique
    by_clique_max: ByClique
    by_column: ByColumn = field(default_factory=dict)
    by_column_max: ByColumn = field(default_factory=dict)
    draws: "Draws | None" = None

    @classmethod
    def of(
        cls,
        names: tuple[str, ...],
        cliques: dict[int, NDArray[np.int64]],
        by_clique: ByClique,
        by_clique_max: ByClique,
        by_column: ByColumn | None = None,
        by_column_max: ByColumn | None = None,
    ) -> "Accuracy":
        """Take the means of the cliques and the parts of coherence."""
        by_column, by_column_max = by_column or {}, by_column_max or {}
        means, means_max = _means(by_clique, by_column), _means(by_clique_max, by_column_max)
        levels = {level: means.get(level) for level in LEVELS}
        levels_max = {f"{level}_max": means_max.get(level) for level in LEVELS}
        return cls(
            names=names,
            cliques=cliques,
            by_clique=by_clique,
            by_clique_max=by_clique_max,
            by_column=by_column,
            by_column_max=by_column_max,
            **levels,  # type: ignore[arg-type]
            **levels_max,  # type: ignore[arg-type]
        )

    @property
    def levels(self) -> dict[str, float]:
        """The levels that were measured, by name."""
        return {level: getattr(self, level) for level in LEVELS if getattr(self, level) is not None}

    @property
    def levels_max(self) -> dict[str, float]:
        return {level: getattr(self, f"{level}_max") for level in self.levels}

    @property
    def parts(self) -> dict[str, float]:
        """The parts of coherence: the means over the columns."""
        return {part: float(values.mean()) for part, values in self.by_column.items()}

    @property
    def parts_max(self) -> dict[str, float]:
        return {part: float(values.mean()) for part, values in self.by_column_max.items()}


@dataclass(frozen=True)
class Draws:
    """Where an accuracy is the mean over draws of rows of groups.

    `deviations[level]` is the standard deviation over the `n` draws. `expected` is the accuracy of the marginals in
    expectation over all draws, which is what the search optimises: draws have noise in both tables and score lower.
    """

    n: int
    deviations: dict[str, float]
    expected: Accuracy


def mean_of_draws(draws: Sequence[Accuracy], expected: Accuracy) -> Accuracy:
    """The mean over draws, which share their cliques."""

    def mean(name: str) -> dict:
        return {key: np.mean([getattr(draw, name)[key] for draw in draws], axis=0) for key in getattr(draws[0], name)}

    parts = [mean(name) for name in ("by_clique", "by_clique_max", "by_column", "by_column_max")]
    accuracy = Accuracy.of(draws[0].names, draws[0].cliques, *parts)
    levels = {level: np.array([draw.levels[level] for draw in draws]) for level in accuracy.levels}
    deviations = {level: float(values.std(ddof=1)) if len(draws) > 1 else 0.0 for level, values in levels.items()}
    return replace(accuracy, draws=Draws(len(draws), deviations, expected))


def measure(
    reference: NDArray[np.uint8], table: NDArray[np.uint8], sizes: ArrayLike, names: tuple[str, ...]
) -> Accuracy:
    """Score `table` against `reference`: codes (uint8, rows x d) below `sizes` (d), by bins fitted on the reference."""
    cliques = Cliques.of(sizes)
    reference_counts = count_marginals([reference], cliques)
    table_counts = count_marginals([table], cliques)
    return compare(reference_counts, table_counts, cliques, names)


def compare(
    reference: NDArray[Any], table: NDArray[Any], cliques: Cliques, names: tuple[str, ...], unit: int = 1
) -> Accuracy:
    """Score marginals against marginals: both (n_cells,) of the same cliques, in which a unit weighs `unit`."""
    total_reference = float(reference[: cliques.index.sizes[0]].sum())
    total_table = float(table[: cliques.index.sizes[0]].sum())
    p = reference / total_reference
    distance = cliques.sum_by_clique(np.abs(p - table / total_table))
    expected = cliques.sum_by_clique(_expected_differences(p, total_reference / unit, total_table / unit))
    farthest = cliques.sum_by_clique(_farthest_differences(p))
    by_clique = {arity: 1 - values / 2 for arity, values in distance.items()}
    by_clique_max = {arity: 1 - np.minimum(values, farthest[arity]) / 2 for arity, values in expected.items()}
    return Accuracy.of(names, cliques.by_arity, by_clique, by_clique_max)


def agreement(reference: NDArray[Any], table: NDArray[Any]) -> tuple[float, float]:
    """Accuracy of one clique and its expected maximum; both arrays: how often each cell occurs, (cells,)."""
    n_reference, n_table = float(reference.sum()), float(table.sum())
    p = reference / n_reference
    expected = min(_expected_differences(p, n_reference, n_table).sum(), _farthest_differences(p).sum())
    return float(1 - np.abs(p - table / n_table).sum() / 2), float(1 - expected / 2)


def _expected_differences(p: NDArray[np.float64], n_reference: float, n_table: float) -> NDArray[np.float64]:
    """How far the shares of each cell are apart on average, in two samples of these sizes, if shares were normal.

    That takes counts of many; of few in many cells it says more than can be: see `_farthest_differences`.
    """
    return np.sqrt(p * (1 - p) * (1 / n_reference + 1 / n_table) * 2 / np.pi)


def _farthest_differences(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the average difference of each cell's shares can't exceed, however small the two samples are.

    Shares are means over units of values a and b in [0, 1] whose mean is p, so by the triangle inequality
    E|mean a - mean b| <= E|a - b|, and that is largest where each is 0 or 1: 2 p (1 - p). Of all cells of a clique the
    half of it is 1 - sum of p squared, below 1: an expected maximum stays above 0.
    """
    return 2 * p * (1 - p)


def _means(by_clique: ByClique, by_column: ByColumn) -> dict[str, float]:
    """The mean of each level that there is; `overall` is the mean of these."""
    means = {_ARITIES[arity]: float(values.mean()) for arity, values in by_clique.items()}
    if by_column:
        means["coherence"] = float(np.mean([values.mean() for values in by_column.values()]))
    return {"overall": float(np.mean(list(means.values()))), **means}
