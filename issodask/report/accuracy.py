"""Accuracy of a table against a reference, clique by clique, as mostlyai-qa scores it.

In: codes of both tables, by bins fitted on the reference. Out: `Accuracy`, with the metric's names and its expected
maximum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals


@dataclass(frozen=True)
class Accuracy:
    """1 - total variation distance of the marginals: mean over the cliques of each arity, and the mean of these means.

    `*_max` is the accuracy that two samples of one distribution would be expected to show. `cliques[arity]` are column
    numbers (k, arity); `by_clique[arity]` and `by_clique_max[arity]` their accuracies (k,). Arities that the table is
    too narrow for are None or absent. Source: mostlyai-qa's `calculate_accuracy_cnts` and
    `calculate_expected_l1_multinomial`.
    """

    names: tuple[str, ...]
    overall: float
    univariate: float
    bivariate: float | None
    trivariate: float | None
    overall_max: float
    univariate_max: float
    bivariate_max: float | None
    trivariate_max: float | None
    cliques: dict[int, NDArray[np.int64]]
    by_clique: dict[int, NDArray[np.float64]]
    by_clique_max: dict[int, NDArray[np.float64]]


def measure(
    reference: NDArray[np.uint8], table: NDArray[np.uint8], sizes: ArrayLike, names: tuple[str, ...]
) -> Accuracy:
    """Score `table` against `reference`: codes (uint8, rows x d) below `sizes` (d), by bins fitted on the reference."""
    cliques = Cliques.of(sizes)
    reference_counts = count_marginals([reference], cliques)
    table_counts = count_marginals([table], cliques)
    return compare(reference_counts, table_counts, cliques, names)


def compare(
    reference: NDArray[np.int64], table: NDArray[np.int64], cliques: Cliques, names: tuple[str, ...]
) -> Accuracy:
    """Score marginals against marginals: both int64, (n_cells,) of the same cliques."""
    n_reference = int(reference[: cliques.index.sizes[0]].sum())
    n_table = int(table[: cliques.index.sizes[0]].sum())
    p = reference / n_reference
    distance = cliques.sum_by_clique(np.abs(p - table / n_table))
    expected = cliques.sum_by_clique(np.sqrt(p * (1 - p) * (1 / n_reference + 1 / n_table) * 2 / np.pi))
    by_clique = {arity: 1 - values / 2 for arity, values in distance.items()}
    by_clique_max = {arity: 1 - values / 2 for arity, values in expected.items()}
    means = {arity: float(values.mean()) for arity, values in by_clique.items()}
    means_max = {arity: float(values.mean()) for arity, values in by_clique_max.items()}
    return Accuracy(
        names=names,
        overall=float(np.mean(list(means.values()))),
        univariate=means[1],
        bivariate=means.get(2),
        trivariate=means.get(3),
        overall_max=float(np.mean(list(means_max.values()))),
        univariate_max=means_max[1],
        bivariate_max=means_max.get(2),
        trivariate_max=means_max.get(3),
        cliques=cliques.by_arity,
        by_clique=by_clique,
        by_clique_max=by_clique_max,
    )
