"""Bound: what the best possible subset of the pool could reach at most.

In: a search. Out: a number that the objective of no subset goes below; kept in the search's folder, for any search of
the same pool for as many units.
"""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

import xxhash

from issodask.events import Bounded
from issodask.fitting.bound import N_PASSES, Passed, Prices, Relaxation, bound_of_cells, count_block, pass_block
from issodask.fitting.problem import even_weights
from issodask.fitting.team import total
from issodask.stages.context import SearchContext
from issodask.store.receipts import Receipt, key_of

_VERSION = 1


def bound_objective(context: SearchContext) -> tuple[float, float]:
    """A lower bound of the objective of any subset of the pool, and the seconds that finding it took."""
    receipt = Receipt(context.folder.bound, _key(context))
    known = receipt.facts()
    if known is not None:
        return known["bound"], known["seconds"]
    began = monotonic()
    found = {"bound": _bound(context), "seconds": round(monotonic() - began, 2)}
    receipt.write(found)
    return found["bound"], found["seconds"]


def _bound(context: SearchContext) -> float:
    problem = replace(context.problem, load_weights=even_weights)
    objective, runtime, blocks = context.objective, context.runtime, context.codes.blocks
    shared = runtime.share(problem)

    def tell(n: int, bound: float) -> None:
        context.events.emit(Bounded(n=n, of=N_PASSES, bound=bound))

    tell(0, 0.0)
    full = total(runtime.map(count_block, blocks, shared, label="bound"), objective.cliques.n_cells)
    of_cells = bound_of_cells(objective, full, problem.may_repeat)

    def run_pass(prices: Prices) -> Iterator[Passed]:
        return runtime.map(pass_block, blocks, runtime.share(prices), shared, label="bound")

    relaxation = Relaxation(problem, full)
    return max(of_cells, relaxation.run(run_pass, N_PASSES, lambda n, bound: tell(n, max(bound, of_cells))))


def _key(context: SearchContext) -> str:
    objective = context.objective
    hashes = [xxhash.xxh3_64(array.tobytes()).hexdigest() for array in (objective.target, objective.weights)]
    settings = objective.n_units, objective.unit, context.config.allow_repeats
    return key_of(_VERSION, context.codes.key, hashes, *settings, N_PASSES)
