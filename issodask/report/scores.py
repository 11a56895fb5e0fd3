"""Score tables against one of them, flat or of groups.

In: tables by name, and which is the reference. Out: `Scored`: the reference's bins, every table's marginals in them,
and the accuracy of each other table.

mostlyai-qa scores groups on one drawn row of each and its successor, by bins fitted on the drawn rows of the reference,
so that its accuracy varies from call to call. The accuracy here is the mean over N_DRAWS such draws. Of more than 100
rows of a group, coherence looks at as many, evenly spread, where mostlyai-qa draws them.

Source: mostlyai-qa 1.10, _sampling.py: prepare_data_for_accuracy; reporting.py: _calculate_metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.report.accuracy import Accuracy, agreement, compare, mean_of_draws
from issodask.report.tables import Table
from issodask.table.bins import Bins
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals, weigh_marginals
from issodask.table.sequences import COHERENCE_FAMILIES, SequenceBins, SequenceCliques

N_DRAWS = 8
SUCCESSORS, DISTINCT, CATEGORIES = COHERENCE_FAMILIES
Counts = NDArray[Any]


@dataclass(frozen=True)
class Coherence:
    """What groups show beyond single rows.

    bins      of rows, successors, and values
    counts    by table, by family and column: how many groups lie in each cell, (cells,); of successors in expectation
    """

    bins: SequenceBins
    counts: dict[str, dict[str, list[NDArray[np.float64]]]]


@dataclass(frozen=True)
class Scored:
    """Tables in the bins of the reference.

    counts      by table: how many units lie in each cell of `cliques`, (n_cells,); of groups in expectation over draws
    accuracies  by table, of all but the reference
    """

    bins: Bins
    cliques: Cliques
    counts: dict[str, Counts]
    accuracies: dict[str, Accuracy]
    coherence: Coherence | None = None

    def shares(self, table: str) -> list[NDArray[np.float64]]:
        """Share of units per bin, one float64 (n_bins,) per column."""
        counts = [self.counts[table][first:last] for first, last in pairwise(self.cliques.index.first.tolist())]
        return [column / column.sum() for column in counts]


def score(tables: Mapping[str, Table], reference: str, seed: int, n_draws: int = N_DRAWS) -> Scored:
    """Score all other tables against `reference`, which decides whether they are flat."""
    if tables[reference].is_grouped:
        return _score_groups(tables, reference, seed, n_draws)
    return _score_rows(tables, reference)


def _score_rows(tables: Mapping[str, Table], reference: str) -> Scored:
    bins = Bins.fit(tables[reference].columns)
    cliques = Cliques.of(bins.sizes)
    counts = {name: _counted(bins.encode(table.columns), cliques, table.weights) for name, table in tables.items()}
    accuracies = {
        name: compare(counts[reference], counts[name], cliques, bins.names) for name in tables if name != reference
    }
    return Scored(bins, cliques, counts, accuracies)


def _score_groups(tables: Mapping[str, Table], reference: str, seed: int, n_draws: int) -> Scored:
    bins = SequenceBins.fit(tables[reference].columns, tables[reference].groups)
    cliques = SequenceCliques.of(bins, n_units=1)  # so that a group has as many parts as can be
    marginals = {
        name: _counted(bins.encode_groups(table.columns, table.groups), cliques, table.weights)
        for name, table in tables.items()
    }
    coherence = Coherence(bins, {name: coherence_counts(counts, cliques) for name, counts in marginals.items()})
    expected = {
        name: _accuracy_in_expectation(marginals, reference, name, bins, cliques, coherence)
        for name in tables
        if name != reference
    }
    draws = [_score_draw(tables, reference, seed, i_draw, bins, expected) for i_draw in range(n_draws)]
    return Scored(
        bins=bins.rows,
        cliques=cliques.rows,
        counts={name: counts[: cliques.rows.n_cells] / cliques.unit for name, counts in marginals.items()},
        accuracies={name: mean_of_draws([draw[name] for draw in draws], expected[name]) for name in expected},
        coherence=coherence,
    )


def _counted(codes: Any, cliques: Cliques | SequenceCliques, weights: NDArray[np.float64] | None) -> Counts:
    return count_marginals([codes], cliques) if weights is None else weigh_marginals(codes, cliques, weights)


# in expectation


def coherence_counts(marginals: Counts, cliques: SequenceCliques) -> dict[str, list[NDArray[np.float64]]]:
    """How many groups lie in each cell of coherence: by family, per column (cells,)."""
    index, d = cliques.index, cliques.n_columns
    firsts = [*index.successor_first, *index.distinct_first, *index.category_first, cliques.n_cells]
    amounts = [cliques.unit] * 2 * d + index.category_amounts.tolist()
    counts = [marginals[first:last] / amount for (first, last), amount in zip(pairwise(firsts), amounts, strict=True)]
    return {family: counts[i * d : (i + 1) * d] for i, family in enumerate(COHERENCE_FAMILIES)}


def _accuracy_in_expectation(
    marginals: Mapping[str, Counts],
    reference: str,
    table: str,
    bins: SequenceBins,
    cliques: SequenceCliques,
    coherence: Coherence,
) -> Accuracy:
    n_cells = cliques.rows.n_cells
    of_rows = marginals[reference][:n_cells], marginals[table][:n_cells]
    rows = compare(*of_rows, cliques.rows, bins.names, cliques.unit)
    of_groups = coherence.counts[reference], coherence.counts[table]
    by_column, by_column_max = {}, {}
    for family in COHERENCE_FAMILIES:
        pairs = zip(*(counts[family] for counts in of_groups), strict=True)
        by_column[family], by_column_max[family] = np.array([agreement(*pair) for pair in pairs]).T
    return Accuracy.of(rows.names, rows.cliques, rows.by_clique, rows.by_clique_max, by_column, by_column_max)


# draw by draw


def _score_draw(
    tables: Mapping[str, Table],
    reference: str,
    seed: int,
    i_draw: int,
    bins: SequenceBins,
    expected: Mapping[str, Accuracy],
) -> dict[str, Accuracy]:
    """The accuracies that mostlyai-qa finds on one draw; what is not random of coherence comes from `expected`."""
    drawn = {name: table.draw(seeds.generator(seed, f"draw of {name}", i_draw)) for name, table in tables.items()}
    rows = Bins.fit(drawn[reference][0])
    successors = Bins.fit(drawn[reference][1])
    codes = {name: (rows.encode(first), successors.encode(second)) for name, (first, second) in drawn.items()}
    cliques = Cliques.of(rows.sizes)
    weights = {name: table.weights for name, table in tables.items()}
    counts = {name: _counted(first, cliques, weights[name]) for name, (first, _) in codes.items()}
    pairs = {name: _successor_counts(*coded, rows, successors, weights[name]) for name, coded in codes.items()}
    accuracies = {}
    for name, known in expected.items():
        of_rows = compare(counts[reference], counts[name], cliques, rows.names)
        agreements = [agreement(*column) for column in zip(pairs[reference], pairs[name], strict=True)]
        found, found_max = np.array(agreements).T
        by_column, by_column_max = dict(known.by_column), dict(known.by_column_max)
        by_column[SUCCESSORS], by_column_max[SUCCESSORS] = found, found_max
        accuracies[name] = Accuracy.of(
            of_rows.names, of_rows.cliques, of_rows.by_clique, of_rows.by_clique_max, by_column, by_column_max
        )
    return accuracies


def _successor_counts(
    rows: NDArray[np.uint8],
    successors: NDArray[np.uint8],
    row_bins: Bins,
    successor_bins: Bins,
    weights: NDArray[np.float64] | None,
) -> list[NDArray[Any]]:
    """How often each bin of a column is followed by each: per column (cells,)."""
    counts = []
    for j, n_followers in enumerate(successor_bins.sizes.tolist()):
        cells = rows[:, j].astype(np.int64) * n_followers + successors[:, j]
        counts.append(np.bincount(cells, weights, minlength=int(row_bins.sizes[j]) * n_followers))
    return counts
