"""Facts: what there is to say about a selection, gathered from its stages.

In: what the search found, of which pool. Out: `SelectionFacts`.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask.report.copies import Copies
from issodask.report.facts import (
    AskedCell,
    AskedFor,
    AskedRule,
    FittedWeights,
    SelectionFacts,
    Source,
    UnfilledCell,
    Unsupported,
)
from issodask.stages.aim import Aimed
from issodask.stages.asked import Asked
from issodask.stages.context import SearchContext
from issodask.stages.mark import Marked
from issodask.stages.original import KnownOriginal
from issodask.stages.rules import UnitRules
from issodask.stages.search import Found
from issodask.stages.strata import FoundStrata
from issodask.store.casts import cast_table
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
    asked: AskedFor | None = None,
) -> SelectionFacts:
    """All that is told of a selection."""
    context = aimed.context
    return SelectionFacts(
        aim=replace(aimed.facts, random=found.random_original_error, subset=found.original_error),
        objective=found.objective,
        stop_reason=found.stop_reason,
        rounds=found.rounds,
        ipf=FittedWeights(**{**asdict(found.ipf), "unfillable": len(found.ipf.unfillable)}),
        start=found.start,
        unsupported=_unsupported(found, known),
        lineage=_lineage(context.codes, pool, found.unit_ids),
        objective_bound=bound,
        copies=copies,
        timings=dict(timings),
        asked=asked,
        **_circumstances(context, known),
    )


def _circumstances(context: SearchContext, known: KnownOriginal) -> dict[str, Any]:
    """What is told of any selection, whatever it found."""
    return {
        "pool_units": context.codes.n_units,
        "seed": context.seed,
        "unit": "row" if known.group_key is None else "group",
        "roles": known.columns.facts(),
        "settings": context.config.model_dump(),
    }


def asked_for(
    asked: Asked, marked: Marked, context: SearchContext, unit_ids: NDArray[np.int64], subset: Any
) -> AskedFor:
    """What was asked, and how far it is so in the original, in the pool and in the subset (an Arrow table)."""
    assert context.quotas is not None
    of_subset = np.bincount(context.quotas.of_units[unit_ids], minlength=len(marked.counts))
    cells = []
    for k, (control, totals) in enumerate(zip(asked.controls, asked.totals, strict=True)):
        own = marked.cells[:, k]
        pool, found = (np.bincount(own, counts, len(totals)) for counts in (marked.counts, of_subset))
        original = np.bincount(asked.cells[k], minlength=len(totals))
        scale = asked.n_units / original.sum(), asked.n_units / max(1.0, pool.sum())
        rows = zip(control.labels, totals.tolist(), original * scale[0], pool * scale[1], found, strict=True)
        cells += [
            AskedCell(control.told, name, n, float(o), float(p), int(f)) for name, n, o, p, f in rows if n or o or f
        ]
    rules = _rules(asked, marked, len(unit_ids), subset)
    return AskedFor(tuple(cells), rules, asked.effective_units)


def strata_for(asked: Asked, marked: Marked, found: FoundStrata, subset: Any) -> AskedFor:
    """What was asked of strata, and how far it is so; a unit of the pool belongs to none of them."""
    counts = np.bincount(found.strata, minlength=len(asked.strata))
    original = np.bincount(asked.cells[0], minlength=len(asked.strata) + 1)
    scale = asked.n_units / max(1, original.sum())
    told = f"units by {asked.by}"
    cells = [
        AskedCell(told, f"{asked.by} {stratum.name or '(missing)'}", stratum.n_units, float(own * scale), 0.0, int(n))
        for stratum, own, n in zip(asked.strata, original[:-1].tolist(), counts.tolist(), strict=True)
    ]
    if asked.within:
        n = asked.n_units
        cells.append(AskedCell("within them", "units in the cells of their totals", n, 0.0, 0.0, n - found.n_unmet))
    return AskedFor(tuple(cells), _rules(asked, marked, len(found.unit_ids), (subset, None)), asked.effective_units)


def facts_of_strata(
    found: FoundStrata,
    context: SearchContext,
    known: KnownOriginal,
    pool: Pool,
    copies: Copies,
    timings: Mapping[str, float],
    asked: AskedFor,
) -> SelectionFacts:
    """All that is told of a selection of strata; errors are means over their units."""
    return SelectionFacts(
        objective=found.objective,
        stop_reason="effort spent",
        rounds="",
        ipf=FittedWeights("skipped"),
        start=None,
        unsupported=Unsupported(0, 0.0),
        lineage=_lineage(context.codes, pool, np.sort(found.unit_ids)),
        objective_bound=None,
        copies=copies,
        timings=dict(timings),
        asked=asked,
        **_circumstances(context, known),
    )


def _rules(asked: Asked, marked: Marked, n_units: int, subset: Any) -> tuple[AskedRule, ...]:
    n_original, n_subset = max(1, len(asked.weights)), max(1, n_units)
    return tuple(
        AskedRule(
            rule.text, bool(enforced), 1 - of_original / n_original, 1 - of_pool / marked.n_units, 1 - own / n_subset
        )
        for rule, enforced, of_original, of_pool, own in zip(
            asked.rules.rules,
            asked.enforced,
            asked.n_broken.tolist(),
            marked.broken.tolist(),
            _broken_in(subset, asked),
            strict=True,
        )
    )


def _broken_in(subset: Any, asked: Asked) -> list[int]:
    """How many units of what was written break each rule: looked at anew, not taken from the marks."""
    rules = UnitRules(asked.rules.rules, asked.rules.schema)
    table, groups = subset
    typed = cast_table(table.select(list(rules.columns)), rules.schema.only(rules.columns), "the subset")
    return rules.broken(typed, groups).sum(axis=0).tolist()


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
