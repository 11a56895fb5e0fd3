"""Raking: shares are met where they can be, factors say how, and nothing ever diverges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.rake import effective_size, rake
from tests.strategies import seeds


def classes(random, n_controls, most_cells=5, most_classes=30):
    """Distinct combinations of cells; each cell of a control occurs."""
    sizes = random.integers(1, most_cells + 1, n_controls)
    grid = np.array(list(np.ndindex(*sizes)))
    chosen = grid[random.permutation(len(grid))[:most_classes]]
    needed = [np.array([grid[grid[:, k] == cell][0] for cell in range(size)]) for k, size in enumerate(sizes)]
    return np.unique(np.concatenate([chosen, *needed]), axis=0), sizes


@given(seeds, st.integers(1, 4))
def test_rake__meets_what_some_weights_would(seed, n_controls):
    random = np.random.default_rng(seed)
    cells, sizes = classes(random, n_controls)
    weights, wanted = random.exponential(1, (2, len(cells)))
    shares = [np.bincount(cells[:, k], wanted, size) / wanted.sum() for k, size in enumerate(sizes)]
    found = rake(cells, weights, shares)
    assert found.is_met
    assert found.weights.sum() == pytest.approx(1)
    for k, share in enumerate(shares):
        assert np.bincount(cells[:, k], found.weights, len(share)) == pytest.approx(share, abs=1e-5)
    factors = np.prod([own[cells[:, k]] for k, own in enumerate(found.factors)], axis=0)
    assert weights * factors / (weights * factors).sum() == pytest.approx(found.weights, rel=1e-6, abs=1e-12)


@given(seeds, st.integers(1, 3))
def test_rake__any_shares_end_well(seed, n_controls):
    random = np.random.default_rng(seed)
    cells, sizes = classes(random, n_controls, most_classes=6)
    shares = [random.dirichlet(np.full(size, 0.3)) * (random.random(size) < 0.8) for size in sizes]
    shares = [share / share.sum() if share.sum() else np.full(len(share), 1 / len(share)) for share in shares]
    found = rake(cells, random.exponential(1, len(cells)), shares)
    assert np.isfinite(found.weights).all()
    assert (found.weights >= 0).all()
    assert all(np.isfinite(factors).all() for factors in found.factors)


def test_rake__what_is_asked_already_changes_nothing():
    cells, weights = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([1.0, 2.0, 3.0, 4.0])
    found = rake(cells, weights, [np.array([0.3, 0.7]), np.array([0.4, 0.6])])
    assert found.weights == pytest.approx(weights / 10)


def test_rake__contradictions_are_not_met():
    cells = np.array([[0, 0], [1, 1]])
    found = rake(cells, np.ones(2), [np.array([0.9, 0.1]), np.array([0.2, 0.8])])
    assert not found.is_met
    assert max(float(np.abs(gap).max()) for gap in found.gaps) > 0.1


def test_rake__a_cell_without_anybody_is_not_met():
    found = rake(np.array([[0], [1]]), np.ones(2), [np.array([0.2, 0.3, 0.5])])
    assert not found.is_met
    assert found.gaps[0][2] == pytest.approx(0.5)


@pytest.mark.parametrize(("weights", "expected"), [([1, 1, 1], 3), ([1, 0, 0], 1), ([2, 2], 2), ([3, 1], 1.6), ([], 0)])
def test_effective_size__as_many_equal_ones(weights, expected):
    assert effective_size(np.array(weights, float)) == pytest.approx(expected)
