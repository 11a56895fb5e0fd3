"""Stretches of the pool."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from issodask.table.blocks import cut_strips, draw_samples, rows_by_block
from tests.fitting.boards import pool_of
from tests.strategies import seeds


@dataclass(frozen=True)
class Piece:
    n_units: int
    first_unit: int


@st.composite
def pools(draw):
    """Blocks of a pool of at least one unit, empty ones among them."""
    sizes = draw(st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any))
    starts = np.cumsum([0, *sizes])
    return [Piece(n, int(start)) for n, start in zip(sizes, starts, strict=False)]


def all_units(blocks):
    return [block.first_unit + i for block in blocks for i in range(block.n_units)]


@given(pools(), st.integers(1, 12))
def test_cut_strips__every_unit_once_and_in_order(blocks, n_units):
    strips = cut_strips(blocks, n_units)
    assert all_units(strips) == all_units(blocks)
    assert all(0 < strip.n_units <= n_units for strip in strips)
    assert all(blocks[s.i_block].first_unit + s.start == s.first_unit for s in strips)
    assert all(s.start + s.n_units <= blocks[s.i_block].n_units for s in strips)


@given(pools(), seeds)
def test_rows_by_block__finds_every_unit_again(blocks, seed):
    random = np.random.default_rng(seed)
    units = np.sort(random.choice(all_units(blocks), random.integers(0, 12)))
    found = rows_by_block(units, blocks)
    assert [block.first_unit + row for block, rows in found for row in rows] == units.tolist()
    assert all(len(rows) and rows.max() < block.n_units for block, rows in found)


def taken_by(samples):
    return [(block.first_unit + start, n_rows) for sample in samples for block, start, n_rows in sample.strips]


def test_draw_samples__all_of_a_small_pool_block_by_block():
    blocks = pool_of(5, 0, 7)
    samples = draw_samples(blocks, 12)
    assert [sample.n_units for sample in samples] == [5, 0, 7]
    assert taken_by(samples) == [(0, 5), (5, 0), (5, 7)]


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=6), st.integers(1, 400_000))
def test_draw_samples__about_so_many_units_each_once_and_in_order(rows, n_units):
    samples = draw_samples(pool_of(*rows), n_units)
    strips = taken_by(samples)
    assert all(stop <= start for (first, n), (start, _) in pairwise(strips) for stop in [first + n])
    assert sum(n for _, n in strips) == sum(sample.n_units for sample in samples)
    if n_units < sum(rows):
        assert abs(sum(n for _, n in strips) - n_units) <= 2_048 * (len(rows) + 1)
        assert all(sample.n_units <= 65_536 for sample in samples)


def test_draw_samples__every_stretch_of_the_pool_has_its_share():
    strips = taken_by(draw_samples(pool_of(131_072, 131_072, 131_072), 65_536))
    assert [sum(n for first, n in strips if first // 131_072 == i) for i in range(3)] == [22_528, 20_480, 22_528]
