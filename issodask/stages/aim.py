"""Aim: whose marginals the subset is to match: the original's, or the population's as far as original and pool tell.

In: a search that aims at the original. Out: the same, or one that aims at the population.

Chance deviations of the original serve nobody but those who look for its members. So units are weighted towards pairs
that leave out what chance explains, beginning with the odds that trees give them; the marginals of the weighted pool
are the model of the population; and of what is peculiar to the original a share is kept (docs/measurements.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from issodask.fitting.ipf import n_fitted
from issodask.fitting.objective import Objective
from issodask.fitting.population import between
from issodask.kernels.units import add_shares
from issodask.report.facts import Aim
from issodask.stages.asked import Asked
from issodask.stages.context import SearchContext
from issodask.stages.mark import Marked, balance
from issodask.stages.odds import SampleOfOriginal, find_odds
from issodask.stages.original import KnownOriginal
from issodask.stages.weigh import weigh
from issodask.store.pool import Pool
from issodask.store.reader import BlockReader
from issodask.table.blocks import Sample, draw_samples
from issodask.table.cliques import Cliques
from issodask.table.sequences import Layout

_STRIP_UNITS = 8_192

Weighted = Literal["first", "fitted"] | None
"""By what units count: not at all, as before weights are fitted, or by these."""


@dataclass(frozen=True)
class Aimed:
    """A search, and what there is to say of its aim."""

    context: SearchContext
    facts: Aim


def aim(
    context: SearchContext,
    pool: Pool,
    known: KnownOriginal,
    sample: SampleOfOriginal | None,
    asked: tuple[Marked, Asked] | None = None,
) -> Aimed:
    """Let a search that aims at the original aim where its settings say; `sample` is None for the original.

    Where something was `asked`, units count by their classes, and so that they show it.
    """
    if sample is None:
        return Aimed(context if asked is None else balance(context, *asked), Aim("original"))
    odds = find_odds(context, pool, known, sample)
    context = replace(context, odds=odds)
    n_original = float(known.n_units)
    if asked is not None:
        context = balance(context, *asked)
        n_original = asked[1].effective_units
    cliques = context.objective.cliques
    scale = float(known.n_units * cliques.unit)
    original = context.marginals / scale
    even = _pool_shares(context, None if asked is None else "first")
    pairs, _ = between(original, even, n_original, cliques.family_starts)
    context = replace(context, marginals=pairs * scale)
    weigh(context)
    fitted = _pool_shares(context, "fitted")
    keep = context.config.keep
    target, kept = between(original, fitted, n_original, cliques.family_starts, least=keep)
    objective = Objective.of(target * scale, cliques, known.n_units, context.n_units)
    by_family = dict(zip(cliques.families, kept, strict=True))
    facts = Aim("population", keep, by_family, odds.exponent, odds.effective_units, odds.trees)
    return Aimed(replace(context, objective=objective), facts)


def _pool_shares(context: SearchContext, weighted: Weighted) -> NDArray[np.float64]:
    """Share of the pool's units in each cell; of large pools of rows, a sample's. Groups have no fitted weights."""
    blocks, cliques = context.codes.blocks, context.objective.cliques
    samples: Sequence[Any] = blocks
    if isinstance(cliques, Cliques):
        samples = draw_samples(blocks, n_fitted(context.codes.n_units, context.n_units))
    share = context.runtime.share
    shared = share(context.reader), share(cliques), share(weighted)
    total = np.zeros(cliques.n_cells + 1)
    for counts in context.runtime.map(_count_sample, samples, *shared, label="count"):
        total += counts  # in the order of the blocks, so that the sums are the same everywhere
    return np.asarray(total[:-1] / (total[-1] * cliques.unit))


def _count_sample(sample: Any, reader: BlockReader, cliques: Layout, weighted: Weighted) -> NDArray[np.float64]:
    """Weighted marginals of some units, and last the sum of their weights."""
    counts = np.zeros(cliques.n_cells + 1)
    ones = np.ones(len(cliques.families))
    for block, rows in _strips(sample):
        weights = np.ones(len(rows))
        if weighted is not None:
            is_fitted = weighted == "fitted" and isinstance(cliques, Cliques)
            weights = (reader.weights if is_fitted else reader.first)(block)[rows]
        units = cliques.gather([(reader.codes(block), rows)], cliques.unit, ones)
        add_shares(units, np.ascontiguousarray(weights), counts[:-1])
        counts[-1] += weights.sum()
    return counts


def _strips(sample: Any) -> Iterator[tuple[Any, NDArray[np.int64]]]:
    """Stretches of blocks of bounded size: their row numbers."""
    parts = sample.strips if isinstance(sample, Sample) else [(sample, 0, sample.n_units)]
    for block, first, n_units in parts:
        for start in range(first, first + n_units, _STRIP_UNITS):
            yield block, np.arange(start, min(start + _STRIP_UNITS, first + n_units))
