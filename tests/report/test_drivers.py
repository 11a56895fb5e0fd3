"""Drivers: the columns that were learnt by heart, and nothing where nothing was."""

import numpy as np
import pandas as pd
import pytest

from issodask.report.drivers import find_drivers, nearer_share
from issodask.report.privacy import measure_privacy

N = 600


def people(seed):
    """A column that is nearly unique, and two that many share."""
    random = np.random.default_rng(seed)
    case = random.integers(0, 10**9, N)
    tier, kind = random.choice([0, 1, 2], N, p=[0.8, 0.1, 0.1]), random.choice(["a", "b"], N, p=[0.9, 0.1])
    return pd.DataFrame({"case": case, "tier": tier, "kind": kind})


def found(original, subset, holdout):
    privacy = measure_privacy(original, subset, holdout, max_rows=N, seed=1)
    return privacy, find_drivers(original, subset, holdout, privacy, seed=1)


@pytest.mark.slow
def test_drivers__are_the_columns_taken_over_from_the_original():
    original, subset, holdout = (people(seed) for seed in (1, 2, 3))
    subset["case"] = original["case"].sample(frac=1, random_state=4).to_numpy()
    privacy, drivers = found(original, subset, holdout)
    assert privacy.dcr_share > 0.6
    assert list(drivers.columns) == ["case"]
    assert drivers.columns["case"] > 0.95
    assert drivers.share_without == pytest.approx(0.5, abs=0.02)


def test_drivers__nothing_to_explain():
    original, subset, holdout = (people(seed) for seed in (1, 2, 3))
    assert found(original, subset, holdout)[1] is None
    privacy = measure_privacy(original, subset, None, max_rows=N, seed=1)
    assert find_drivers(original, subset, None, privacy, seed=1) is None


@pytest.mark.parametrize(
    ("original", "holdout", "share"), [([3, 9], [3, 9], 0.5), ([3, 9], [3], 0.75), ([1], [9], 0.5), ([2], [20], 1.0)]
)
def test_nearer_share__counts_ties_half(original, holdout, share):
    columns = (np.array(column, float)[:, None] for column in (original, [3, 9], holdout))
    assert nearer_share(*columns) == share
