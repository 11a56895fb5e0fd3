"""Quotas: whole numbers of units of each class that meet all totals, wherever there are enough units."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.quotas import Quotas, whole_quotas
from issodask.fitting.rake import rake
from tests.fitting.test_rake import classes
from tests.strategies import seeds


def sums(cells, counts, totals):
    return [np.bincount(cells[:, k], counts, len(total)).astype(int).tolist() for k, total in enumerate(totals)]


@given(seeds, st.integers(1, 3), st.integers(1, 500))
def test_whole_quotas__meet_totals_that_can_be_met(seed, n_controls, n_units):
    random = np.random.default_rng(seed)
    cells, sizes = classes(random, n_controls)
    possible = random.multinomial(n_units, random.dirichlet(np.ones(len(cells))))
    totals = [np.bincount(cells[:, k], possible, size).astype(np.int64) for k, size in enumerate(sizes)]
    available = possible + random.integers(0, 5, len(cells))
    expected = rake(cells, available + 1e-9, [total / n_units for total in totals]).weights * n_units
    found = whole_quotas(cells, expected, available, totals)
    assert found.sum() == n_units
    assert (found >= 0).all()
    assert (found <= available).all()
    assert sums(cells, found, totals) == [total.tolist() for total in totals]


@given(seeds, st.integers(1, 3))
def test_whole_quotas__of_too_few_units_take_what_there_is(seed, n_controls):
    random = np.random.default_rng(seed)
    cells, sizes = classes(random, n_controls)
    n_units = 100
    totals = [random.multinomial(n_units, np.full(size, 1 / size)).astype(np.int64) for size in sizes]
    available = random.integers(0, 8, len(cells))
    expected = random.dirichlet(np.ones(len(cells))) * n_units
    found = whole_quotas(cells, expected, available, totals)
    assert found.sum() == min(n_units, available.sum())
    assert (found >= 0).all()
    assert (found <= available).all()


def test_whole_quotas__stay_near_what_is_expected():
    cells = np.array(list(np.ndindex(3, 4)))
    expected = np.random.default_rng(1).dirichlet(np.ones(12)) * 1_000
    shares = [np.bincount(cells[:, k], expected, size) for k, size in enumerate((3, 4))]
    totals = [np.rint(share).astype(np.int64) for share in shares]
    for total in totals:
        total[0] += 1_000 - total.sum()
    found = whole_quotas(cells, expected, np.full(12, 1_000), totals)
    assert (np.abs(found - expected) < 2).all()


def test_quotas__draws_the_lowest_keys_of_each_class():
    quotas = Quotas(np.array([0, 1, -1, 0, 1, 0], np.int32), np.array([2, 1]))
    keys = np.array([3.0, 2.0, 0.0, 1.0, 5.0, 2.0])
    assert quotas.draw(quotas.counts, keys).tolist() == [3, 5, 1]
    assert quotas.draw(np.array([0, 4]), keys).tolist() == [1, 4, 1, 4]
    assert quotas.draw(np.array([0, 0]), keys).tolist() == []


@given(st.integers(0, 60))
def test_quotas__start_from_their_share_of_what_is_there(n_wanted):
    quotas = Quotas(np.repeat(np.array([0, 1, 2], np.int32), [20, 5, 9]), np.array([4, 4, 0]))
    starts = quotas.starts(n_wanted)
    assert (starts >= quotas.counts).all()
    assert (starts <= [20, 5, 0]).all()
