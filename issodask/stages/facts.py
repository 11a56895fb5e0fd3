"""Facts: what there is to say about a selection, gathered from its stages.

In: what the search found, of which pool. Out: `SelectionFacts`.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from issodask.report.copies import Copies
from issodask.report.facts import FittedWeights, SelectionFacts, Source, UnfilledCell, Unsupported
from issodask.stages.aim import Aimed
from issodask.stages.original import KnownOriginal
from issodask.stages.search import Found
from issodask.store.codes import Codes
from issodask.store.pool import Pool

_MOST_CELLS = 50


def facts_of(
    found: Found,
    aimed: Aimed,
    known: KnownOriginal,
    pool: Pool,
    copies: Copies,
    bound: float | None,
    timings: Mapping[str, float],
) -> SelectionFacts:
    """All that is told of a selection."""
    context = aimed.context
    return SelectionFacts(
        pool_units=context.codes.n_units,
        aim=replace(aimed.facts, random=found.random_original_error, subset=found.original_error),
        objective=found.objective,
        stop_reason=found.stop_reason,
        rounds=found.rounds,
        seed=context.seed,
        timings=dict(timings),
        ipf=FittedWeights(**{**asdict(found.ipf), "unfillable": len(found.ipf.unfillable)}),
        start=found.start,
        unsupported=_unsupported(found, known),
        lineage=_lineage(context.codes, pool, found.unit_ids),
        objective_bound=bound,
        copies=copies,
        unit="row" if known.group_key is None else "group",
        roles=known.columns.facts(),
        settings=context.config.model_dump(),
    )


def _unsupported(found: Found, known: KnownOriginal) -> Unsupported:
    bins, cells = known.bins, found.ipf.unfillable
    worst = [
        UnfilledCell(
            (bins.names[a], bins.names[b]), (bins.labels[a][bin_a], bins.labels[b][bin_b]), round(share * known.n_units)
        )
        for a, b, bin_a, bin_b, share in cells[:_MOST_CELLS]
    ]
    return Unsupported(len(cells), sum(cell[4] for cell in cells) / max(1, found.ipf.n_pairs), tuple(worst))


def _lineage(codes: Codes, pool: Pool, unit_ids: NDArray[np.int64]) -> tuple[Source, ...]:
    """Units of the pool and of the subset by generator."""
    stops = np.cumsum(codes.part_units)
    chosen = np.diff(np.searchsorted(unit_ids, stops), prepend=0)
    counts: dict[int | None, tuple[int, int]] = {}
    for part, n_pool, n_chosen in zip(pool.parts, codes.part_units, chosen.tolist(), strict=True):
        pool_units, units = counts.get(part.generator, (0, 0))
        counts[part.generator] = pool_units + n_pool, units + n_chosen
    return tuple(Source(generator, *units) for generator, units in counts.items())
