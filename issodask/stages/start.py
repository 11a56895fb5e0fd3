"""Start: the units that trimming begins from, in proportion to their weights or, where these mislead, evenly drawn.

In: the weights of the pool's units. Out: units, once per use, in the order in which trimming takes them up.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.errors import InputError
from issodask.events import MemoryShort, StartChosen
from issodask.fitting.problem import Problem, even_weights
from issodask.fitting.quotas import Quotas
from issodask.fitting.rounding import integerise
from issodask.fitting.schedule import units_to_start_from
from issodask.fitting.start import error_after_trial, error_of_first
from issodask.fitting.trim import shuffled
from issodask.report.facts import Start
from issodask.runtime.local import ThreadTeam
from issodask.stages.context import SearchContext

_LIGHTEST = 1e-12


def choose_start(context: SearchContext, random_objective: float, team: ThreadTeam) -> tuple[NDArray[np.int64], Start]:
    """The units to trim from, and what there is to say about them."""
    order, have_weights, is_tried = _drawn(context, context.has_weights), context.has_weights, False
    errors: dict[str, float] = {}
    if have_weights:
        errors = {"random": random_objective, "weighted": error_of_first(order, context.problem, team)}
        is_tried = errors["weighted"] > errors["random"]
    if is_tried:
        orders = {"even": _drawn(context, have_weights=False), "weighted": order}
        errors = {name: error_after_trial(own, context.problem, team, context.seed) for name, own in orders.items()}
        have_weights = errors["weighted"] < errors["even"]
        order = orders["weighted" if have_weights else "even"]
    chosen = "whole" if len(order) == context.codes.n_units else "weighted" if have_weights else "even"
    start = Start(chosen, len(order), errors, is_tried)
    context.events.emit(StartChosen(**asdict(start)))
    return order, start


def _drawn(context: SearchContext, have_weights: bool) -> NDArray[np.int64]:
    """Units to trim from, as many as were asked for and fit into memory."""
    blocks, runtime = context.codes.blocks, context.runtime
    problem = context.problem if have_weights else replace(context.problem, load_weights=even_weights)
    shared = runtime.share(problem)

    def map_weights(function: Callable[..., Any], arguments: Sequence[Any]) -> Iterable[Any]:
        items = list(zip(blocks, arguments, strict=True))
        return runtime.map(_with_weights, items, function, shared, label="round")

    n_start = _n_start(context, have_weights)
    if context.quotas is not None:
        return shuffled(_drawn_by_class(context, context.quotas, n_start, problem), context.seed)
    offset = float(seeds.generator(context.seed, "round").random())
    n_by_block = [block.n_units for block in blocks]
    taken = integerise(map_weights, n_by_block, n_start, offset, context.config.allow_repeats)
    units = [block.first_unit + own for block, own in zip(blocks, taken, strict=True)]
    return shuffled(np.concatenate(units), context.seed)


def _drawn_by_class(context: SearchContext, quotas: Quotas, n_start: int, problem: Problem) -> NDArray[np.int64]:
    """Of each class as many units as its quota has a share of all, in proportion to their weights."""
    blocks, runtime = context.codes.blocks, context.runtime
    shared = runtime.share(context.seed), runtime.share(problem)
    keys = np.concatenate(list(runtime.map(_drawn_keys, blocks, *shared, label="round")))
    return quotas.draw(quotas.starts(n_start, context.config.allow_repeats), keys)


def _drawn_keys(block: Any, seed: Any, problem: Problem) -> NDArray[np.float64]:
    """The lower a unit's key, the sooner it is taken."""
    random = seeds.generator(seed, "keys", block.first_unit)
    weights = np.maximum(problem.load_weights(block), _LIGHTEST)
    return random.standard_exponential(block.n_units) / weights


def _n_start(context: SearchContext, have_weights: bool) -> int:
    config, n_units, n_pool = context.config, context.n_units, context.codes.n_units
    bytes_per_unit = context.some_units.bytes_per_unit
    fitting = int(config.memory_gb * 1e9 / bytes_per_unit)
    if fitting < n_units:
        raise InputError(
            f"the {n_units:,} units of the subset take {n_units * bytes_per_unit / 1e9:.1f} GB of memory, "
            f"but [select] memory_gb is {config.memory_gb}: raise it, or lower units"
        )
    wanted = units_to_start_from(n_pool, n_units, config.oversize, have_weights)
    if not config.allow_repeats:
        wanted = min(wanted, n_pool)
    if fitting < wanted:
        context.events.emit(MemoryShort(wanted=wanted, fitting=fitting, memory_gb=config.memory_gb))
    return min(wanted, fitting)


def _with_weights(item: tuple[Any, Any], function: Callable[..., Any], problem: Problem) -> Any:
    block, argument = item
    return function(problem.load_weights(block), argument)
