"""Strata: one subset for each value of a column, each with its own units and totals, all from one pool.

In: what was asked by stratum, and a pool with its codes. Out: units of the pool and the stratum of each; a unit may
serve several strata, since what the column says there is what the stratum is called.

Thousands of strata are as many small searches, side by side on all workers: candidates are drawn from the whole pool,
class by class, and trimmed towards what the stratum's own units of the original show, shrunk towards the whole original
as far as chance explains the difference (fitting/population.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.errors import InputError
from issodask.events import Resumed, StratumFound
from issodask.fitting.budget import usual_effort
from issodask.fitting.objective import Objective
from issodask.fitting.population import between
from issodask.fitting.problem import Problem
from issodask.fitting.quotas import whole_quotas
from issodask.fitting.rake import effective_size, rake
from issodask.fitting.schedule import GAINS_PER_ROUND, TrimPlan
from issodask.fitting.trim import Trimming, TrimStart
from issodask.runtime.local import ThreadTeam
from issodask.stages.asked import Asked
from issodask.stages.asked_strata import Stratum
from issodask.stages.checkpoint import Pacer, SubsetOfStratum, load_strata, save_strata
from issodask.stages.context import SearchContext
from issodask.stages.mark import Marked
from issodask.stages.original import KnownOriginal
from issodask.store.reader import BlockReader
from issodask.store.receipts import key_of
from issodask.table.blocks import Strip, rows_by_block
from issodask.table.marginals import weigh_marginals

_OVERSIZE, _FEWEST_CANDIDATES = 16, 4_096
_MOST_CANDIDATES = 2_000_000


@dataclass(frozen=True)
class FoundStrata:
    """What was found: units of the pool, (n,), and the place of each one's stratum; errors are means over units."""

    unit_ids: NDArray[np.int64]
    strata: NDArray[np.int64]
    objective: float
    random_objective: float
    n_unmet: int


def find_strata(context: SearchContext, known: KnownOriginal, marked: Marked, asked: Asked) -> FoundStrata:
    """Search all strata. Raises InputError where the pool has too few units for one of them."""
    classes = np.concatenate([marked.marks.classes(block) for block in context.codes.blocks])
    order = np.argsort(classes, kind="stable")
    order = order[np.searchsorted(classes[order], 0) :]
    by = known.bins.names.index(asked.by)
    codes = np.array(known.codes)
    codes[:, by] = 0
    shared = _Shared(
        context.reader,
        context.codes.blocks,
        order,
        marked.counts,
        marked.cells,
        codes,
        np.column_stack([np.zeros((known.n_units, 0), np.int64), *asked.cells_within]),
        asked.cells[0],
        context.objective,
        by,
        context.config.aim == "population",
        context.config.effort or usual_effort(context.some_units.cells_per_unit),
        context.seed,
    )
    found = _all_found(context, asked.strata, shared, _key(context, marked, asked.strata))
    sizes = np.array([len(one.units) for one in found])
    total = max(1, int(sizes.sum()))
    return FoundStrata(
        np.concatenate([np.zeros(0, np.int64), *(one.units for one in found)]),
        np.repeat(np.arange(len(found)), sizes),
        float(sum(len(one.units) * one.objective for one in found) / total),
        float(sum(len(one.units) * one.random_objective for one in found) / total),
        int(sum(one.n_missed for one in found)),
    )


def _key(context: SearchContext, marked: Marked, strata: Sequence[Stratum]) -> str:
    """Names all that decides which units are found."""
    totals = [(one.name, one.n_units, [own.tolist() for own in one.totals]) for one in strata]
    return key_of(context.key, marked.counts.tolist(), marked.cells.tolist(), totals)


def _all_found(context: SearchContext, strata: Sequence[Stratum], shared: "_Shared", key: str) -> list[SubsetOfStratum]:
    """Search one after the other, from where an interrupted run stopped; what was found is saved now and then."""
    path, pacer = context.folder.strata, Pacer(context.config.checkpoint_s)
    found = load_strata(path, key)[: len(strata)]
    if found:
        context.events.emit(Resumed(stage="strata", next=len(found), next_round=0))
    others = list(enumerate(strata))[len(found) :]
    sent = context.runtime.share(shared)
    for (place, stratum), one in zip(others, context.runtime.map(_search, others, sent, label="stratum"), strict=True):
        found.append(one)
        if pacer.is_due():
            with pacer.saving():
                save_strata(path, key, found)
        told = StratumFound(n=place + 1, of=len(strata), name=stratum.name, units=stratum.n_units)
        context.events.emit(told)
    save_strata(path, key, found)
    return found


@dataclass(frozen=True)
class _Shared:
    """What all strata share.

    order, counts, cells   the pool's units class by class; of each class how many, and its cell in each control
    codes, own_cells       of the original's units; own_strata: the stratum of each
    by                     the place of the column that strata are of, which tells nothing within one
    """

    reader: BlockReader
    blocks: Sequence[Any]
    order: NDArray[np.int64]
    counts: NDArray[np.int64]
    cells: NDArray[np.int64]
    codes: NDArray[np.uint8]
    own_cells: NDArray[np.int64]
    own_strata: NDArray[np.int64]
    objective: Objective
    by: int
    shrinks: bool
    effort: float
    seed: int


def _search(item: tuple[int, Stratum], shared: _Shared) -> SubsetOfStratum:
    """The units of one stratum."""
    place, stratum = item
    random = seeds.generator(shared.seed, "stratum", place)
    quotas = _quotas(stratum, shared)
    sizes = _candidates(quotas, shared)
    firsts = np.cumsum(shared.counts) - shared.counts
    chosen = [
        shared.order[first + np.sort(random.choice(count, size, replace=False))]
        for first, count, size in zip(firsts.tolist(), shared.counts.tolist(), sizes.tolist(), strict=True)
        if size
    ]
    candidates = np.concatenate([np.zeros(0, np.int64), *chosen])
    classes = np.repeat(np.arange(len(sizes)), sizes)
    codes = _codes(candidates, shared)
    objective = _objective(place, stratum, shared)
    problem = Problem(objective, [Strip(0, 0, len(codes), 0)], lambda block: codes)
    (kept, error), by_chance = _trimmed(problem, classes, quotas, place, shared, random)
    return SubsetOfStratum(np.sort(candidates[kept]), error, by_chance, _missed(quotas, stratum, shared))


def _quotas(stratum: Stratum, shared: _Shared) -> NDArray[np.int64]:
    n_pool = int(shared.counts.sum())
    if n_pool < stratum.n_units:
        raise InputError(
            f"stratum {stratum.name!r} needs {stratum.n_units:,} units, but only {n_pool:,} of the pool may be chosen: "
            "generate more"
        )
    if not stratum.totals:
        return whole_quotas(
            np.zeros((len(shared.counts), 1), np.int64),
            np.asarray(shared.counts * (stratum.n_units / n_pool), np.float64),
            shared.counts,
            [np.array([stratum.n_units])],
        )
    shares = [totals / max(1, totals.sum()) for totals in stratum.totals]
    raked = rake(shared.cells, shared.counts.astype(float), shares)
    return whole_quotas(shared.cells, raked.weights * stratum.n_units, shared.counts, stratum.totals)


def _candidates(quotas: NDArray[np.int64], shared: _Shared) -> NDArray[np.int64]:
    """Of each class so many times its quota, if there are."""
    oversize = max(_OVERSIZE, _FEWEST_CANDIDATES / max(1, quotas.sum()))
    oversize = max(1.0, min(oversize, _MOST_CANDIDATES / max(1, quotas.sum())))
    return np.minimum(np.rint(quotas * oversize).astype(np.int64), shared.counts)


def _codes(candidates: NDArray[np.int64], shared: _Shared) -> NDArray[np.uint8]:
    by_id = np.argsort(candidates, kind="stable")
    by_block: Any = rows_by_block(candidates[by_id], shared.blocks)
    pieces = [shared.reader.codes(block)[rows] for block, rows in by_block]
    codes = np.empty((len(candidates), shared.codes.shape[1]), np.uint8)
    codes[by_id] = np.concatenate([codes[:0], *pieces])
    codes[:, shared.by] = 0
    return codes


def _objective(place: int, stratum: Stratum, shared: _Shared) -> Objective:
    """What the stratum's own units of the original show, raked to its totals; shrunk towards all of the original."""
    cliques, own = shared.objective.cliques, shared.own_strata == place
    shares = [totals / max(1, totals.sum()) for totals in stratum.totals]
    whole = _weights(shared.own_cells, np.ones(len(own)), shares)
    mine = _weights(shared.own_cells, own.astype(float), shares) if own.any() else None
    whole = np.ones(len(own)) if whole is None else whole
    parent = weigh_marginals(shared.codes, cliques, whole / whole.sum())
    target = parent
    if mine is not None:
        rows = np.flatnonzero(mine)
        target = weigh_marginals(shared.codes[rows], cliques, mine[rows] / mine.sum())
        if shared.shrinks:
            target, _ = between(target, parent, effective_size(mine), cliques.family_starts)
    return Objective.of(target * stratum.n_units, cliques, stratum.n_units, stratum.n_units)


def _weights(
    cells: NDArray[np.int64], weights: NDArray[np.float64], shares: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """The weights, raked to the shares; None where they can't be."""
    if not shares:
        return weights
    classes, places = np.unique(cells, axis=0, return_inverse=True)
    sums = np.asarray(np.bincount(places.ravel(), weights, len(classes)), np.float64)
    raked = rake(classes, sums, shares)
    if not raked.is_met:
        return None
    return weights * np.divide(raked.weights, sums, out=np.zeros(len(sums)), where=sums > 0)[places.ravel()]


def _trimmed(
    problem: Problem,
    classes: NDArray[np.int64],
    quotas: NDArray[np.int64],
    place: int,
    shared: _Shared,
    random: np.random.Generator,
) -> tuple[tuple[NDArray[np.int64], float], float]:
    """The places of the units that are left and their objective, and the objective of random ones."""
    sizes = np.bincount(classes, minlength=len(quotas))
    has_some = np.flatnonzero(quotas)
    firsts = np.cumsum(sizes) - sizes
    by_chance = np.concatenate(
        [first + np.arange(n) for first, n in zip(firsts[has_some], quotas[has_some], strict=True)]
    )
    with ThreadTeam(1) as team:
        order = np.concatenate(
            [first + random.permutation(size) for first, size in zip(firsts[has_some], sizes[has_some], strict=True)]
        )
        chance = problem.objective.value(problem.residual_by(team, by_chance))
        start = TrimStart(order, problem.residual_by(team, np.sort(order)), n_by_class=sizes[has_some])
        plan = TrimPlan.of(len(order), len(by_chance), (sizes[has_some], quotas[has_some]))
        trimming = Trimming(start, plan, problem, team, seeds.integer(shared.seed, "stratum trim", place))
        for i_step in range(plan.n_steps):
            trimming.run_step(plan.picks(i_step, shared.effort / GAINS_PER_ROUND))
        found = problem.objective.value(trimming.residual)
    return ((trimming.order, found) if found <= chance else (by_chance, chance)), chance


def _missed(quotas: NDArray[np.int64], stratum: Stratum, shared: _Shared) -> int:
    """Units that are in other cells than asked, or in none."""
    return int(
        sum(
            np.abs(np.bincount(own, quotas, len(totals)).astype(np.int64) - totals).sum()
            for own, totals in zip(shared.cells.T, stratum.totals, strict=True)
        )
        // 2
    )
