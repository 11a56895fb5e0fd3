"""A pool in memory and what a search needs of it: for the tests of trimming and refinement."""

from dataclasses import dataclass

import numpy as np

from issodask.fitting.objective import Objective
from issodask.fitting.workbench import Workbench
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals

SIZES = (3, 4, 2, 5)


@dataclass(frozen=True)
class PoolBlock:
    """A block that draws its own codes from the pool's seed, so that any worker can."""

    n_units: int
    first_unit: int
    seed: int


def load_codes(block):
    """Units are one of 40 kinds or noise; the kinds' shares differ from block to block."""
    random = np.random.default_rng([block.seed, block.first_unit])
    kinds = np.random.default_rng(block.seed).integers(0, SIZES, (40, len(SIZES)))
    like_a_kind = kinds[random.choice(40, block.n_units, p=random.dirichlet(np.ones(40)))]
    noise = random.integers(0, SIZES, (block.n_units, len(SIZES)))
    return np.where(random.random((block.n_units, 1)) < 0.7, like_a_kind, noise).astype(np.uint8)


def load_weights(block):
    return np.random.default_rng([block.first_unit, 1]).lognormal(0, 1, block.n_units)


def pool_of(*rows, seed=3):
    """Blocks with so many units each."""
    starts = np.cumsum([0, *rows])
    return [PoolBlock(n, int(start), seed) for n, start in zip(rows, starts, strict=False)]


def bench_for(n_units, n_original=None, seed=3, may_repeat=False):
    """The objective of an original that resembles the pool."""
    n_original = n_original or n_units
    layout = Cliques.of(SIZES)
    original = load_codes(PoolBlock(n_original, 10**6, seed))
    objective = Objective.of(count_marginals([original], layout), layout, n_original, n_units)
    return Workbench(objective, load_codes, load_weights, may_repeat)


def residual_of(uses, blocks, bench):
    """The residual, counted anew."""
    codes = np.concatenate([load_codes(block) for block in blocks])
    counts = count_marginals([np.repeat(codes, uses, axis=0)], bench.objective.cliques)
    return bench.objective.residual(counts)


def value_of(uses, blocks, bench):
    return bench.objective.value(residual_of(uses, blocks, bench))


def random_uses(n_pool, n_units, seed=0):
    uses = np.zeros(n_pool, np.uint16)
    uses[np.random.default_rng(seed).choice(n_pool, n_units, replace=False)] = 1
    return uses
