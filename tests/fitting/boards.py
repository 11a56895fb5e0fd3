"""Pools in memory, of rows and of groups, and what a search needs of them: for the tests of trimming and refinement."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from issodask.fitting.objective import Objective
from issodask.fitting.problem import Problem
from issodask.table.blocks import SequenceCodes, rows_by_block
from issodask.table.cliques import Cliques
from issodask.table.marginals import count_marginals
from issodask.table.sequences import Layout, SequenceCliques
from tests.strategies import sequence_bins_of, take_groups

SIZES = (3, 4, 2, 5)
SIZES_OF_GROUPS = (3, 4)
N_LENGTHS = 4
BINS = sequence_bins_of(SIZES_OF_GROUPS, N_LENGTHS, np.random.default_rng(5))
N_POOL, N_KINDS = 1000, 40
POOL, ORIGINAL = 0, 1


@dataclass(frozen=True)
class PoolBlock:
    """A stretch of the pool, however that is cut."""

    n_units: int
    first_unit: int


def pool_of(*n_units):
    """Blocks with so many units each."""
    starts = np.cumsum([0, *n_units])
    return [PoolBlock(n, int(start)) for n, start in zip(n_units, starts, strict=False)]


@dataclass(frozen=True)
class Board:
    """A pool of one kind of units: how to read it, and which cells they have."""

    load_codes: Callable[[PoolBlock], Any]
    draw: Callable[[int], Any]
    take: Callable[[Any, np.ndarray], Any]
    layout: Callable[[int], Layout]

    def problem(self, n_units, blocks, n_original=None, may_repeat=False) -> Problem:
        """The objective of an original that resembles the pool."""
        n_original = n_original or n_units
        layout = self.layout(n_units)
        marginals = count_marginals([self.take(self.draw(ORIGINAL), np.arange(n_original))], layout)
        objective = Objective.of(marginals, layout, n_original, n_units)
        return Problem(objective, blocks, self.load_codes, load_weights, may_repeat)


def kinds_of_units(random):
    """Which kind each unit is of; the kinds' shares differ from stretch to stretch."""
    return np.concatenate([random.choice(N_KINDS, 100, p=random.dirichlet(np.ones(N_KINDS))) for _ in range(10)])


@cache
def draw_rows(table):
    """Rows are like one of 40 kinds, or noise."""
    random = np.random.default_rng([3, table])
    kinds = np.random.default_rng(3).integers(0, SIZES, (N_KINDS, len(SIZES)))
    noise = random.integers(0, SIZES, (N_POOL, len(SIZES)))
    return np.where(random.random((N_POOL, 1)) < 0.7, kinds[kinds_of_units(random)], noise).astype(np.uint8)


@cache
def draw_groups(table):
    """Groups of 1 to 6 rows begin like one of 40 kinds, which differ in their length and in how much changes."""
    random, of_kinds = np.random.default_rng([3, table]), np.random.default_rng(3)
    begins = of_kinds.integers(0, SIZES_OF_GROUPS, (N_KINDS, len(SIZES_OF_GROUPS)))
    changes, longest = of_kinds.random(N_KINDS), of_kinds.integers(1, 7, N_KINDS)
    groups = []
    for kind in kinds_of_units(random):
        n_rows = random.integers(1, longest[kind], endpoint=True)
        values = np.tile(begins[kind], (n_rows, 1))
        for i in range(1, n_rows):
            fresh = random.integers(0, SIZES_OF_GROUPS)
            values[i] = np.where(random.random(len(fresh)) < changes[kind], fresh, values[i - 1])
        length = np.full((n_rows, 1), min(n_rows, N_LENGTHS) - 1)
        groups.append(np.hstack([values, length, values, values]))
    starts = np.cumsum([0, *map(len, groups)])
    return SequenceCodes(np.concatenate(groups).astype(np.uint8), starts)


def load_rows(block):
    return draw_rows(POOL)[block.first_unit : block.first_unit + block.n_units]


@cache
def load_groups(block):
    return take_groups(draw_groups(POOL), np.arange(block.first_unit, block.first_unit + block.n_units))


def load_weights(block):
    weights = np.random.default_rng([3, 1]).lognormal(0, 1, N_POOL)
    return weights[block.first_unit : block.first_unit + block.n_units]


def without_triples(cliques):
    index = cliques.index._replace(triple_rows=np.full_like(cliques.index.triple_rows, -1))
    return Cliques(index, int(cliques.family_starts[2]))


ROWS = Board(load_rows, draw_rows, lambda codes, rows: codes[rows], lambda n_units: Cliques.of(SIZES))
WIDE = replace(ROWS, layout=lambda n_units: Cliques.of(SIZES, max_triples=1))
NO_TRIPLES = replace(ROWS, layout=lambda n_units: without_triples(Cliques.of(SIZES)))
GROUPS = Board(load_groups, draw_groups, take_groups, lambda n_units: SequenceCliques.of(BINS, n_units))

both_boards = pytest.mark.parametrize("board", [ROWS, GROUPS], ids=["rows", "groups"])
all_boards = pytest.mark.parametrize("board", [ROWS, WIDE, GROUPS], ids=["rows", "wide", "groups"])


def residual_of(uses, problem):
    """The residual, counted anew."""
    cliques = problem.objective.cliques
    counts = np.zeros(cliques.n_cells, np.int64)
    for block, chosen in rows_by_block(np.repeat(np.arange(len(uses)), uses), problem.blocks):
        cliques.count(problem.load_codes(block), counts, chosen)
    return problem.objective.residual(counts)


def value_of(uses, problem):
    return problem.objective.value(residual_of(uses, problem))


def random_uses(n_pool, n_units, seed=0):
    uses = np.zeros(n_pool, np.uint16)
    uses[np.random.default_rng(seed).choice(n_pool, n_units, replace=False)] = 1
    return uses
