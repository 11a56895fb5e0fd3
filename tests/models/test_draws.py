"""Draws of the engine by the inverse transform: of the same distribution as its own, whatever it is asked for."""

import numpy as np
import pytest
import torch
from mostlyai.engine._tabular import argn
from scipy.stats import chisquare

from issodask.models import draws
from issodask.models.draws import knows_engine, quicker_draws

pytestmark = pytest.mark.slow

PROBS = torch.tensor([0.4, 0.0, 0.25, 0.2, 0.1, 0.05])
N_ROWS = 60_000


def counts(probs, seed=1, **settings):
    torch.manual_seed(seed)
    with quicker_draws():
        drawn = argn._sample(probs.repeat(N_ROWS, 1), **settings)
    assert drawn.shape == (N_ROWS, 1)
    return np.bincount(drawn.squeeze(-1).numpy(), minlength=len(probs))


def assert_drawn_from(expected, found):
    """By chi-squared at one in ten thousand; what has no probability is never drawn."""
    expected = np.asarray(expected)
    assert (found[expected == 0] == 0).all()
    has_some = expected > 0
    assert chisquare(found[has_some], N_ROWS * expected[has_some] / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_draws__follow_the_probabilities(seed):
    assert_drawn_from(PROBS.numpy().astype(float), counts(PROBS, seed))


def test_draws__of_thousands_of_categories():
    probs = torch.softmax(2 * torch.randn(3_000, generator=torch.Generator().manual_seed(1)), -1)
    found, expected = counts(probs), probs.numpy().astype(float)
    often = expected > 20 / N_ROWS
    rest = N_ROWS * expected[~often].sum() / expected.sum()
    together = np.append(N_ROWS * expected[often] / expected.sum(), rest)
    assert chisquare(np.append(found[often], found[~often].sum()), together).pvalue > 1e-4


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.5])
def test_draws__follow_the_temperature(temperature):
    assert_drawn_from(PROBS.numpy().astype(float) ** (1 / temperature), counts(PROBS, temperature=temperature))


@pytest.mark.parametrize(("top_p", "expected"), [(0.5, [8, 0, 5, 0, 0, 0]), (0.9, [8, 0, 5, 4, 2, 0])])
def test_draws__follow_top_p(top_p, expected):
    assert_drawn_from(expected, counts(PROBS, top_p=top_p))


@pytest.mark.parametrize(
    ("fixed", "expected"),
    [
        ({0: 0.0}, [0, 0, 25, 20, 10, 5]),  # a rare value
        ({0: 0.0, 5: 0.0}, [0, 0, 25, 20, 10, 0]),  # and none that is missing
        ({2: 0.7}, [40 * 0.3 / 75, 0, 0.7, 20 * 0.3 / 75, 10 * 0.3 / 75, 5 * 0.3 / 75]),  # rebalanced
        ({2: 0.7, 0: 0.0}, [0, 0, 0.7, 20 * 0.3 / 35, 10 * 0.3 / 35, 5 * 0.3 / 35]),
        ({0: 0.5, 1: 0.5}, [1, 1, 0, 0, 0, 0]),
    ],
)
def test_draws__follow_fixed_shares(fixed, expected):
    assert_drawn_from(expected, counts(PROBS, fixed_probs=fixed))


def test_draws__all_at_once():
    cooled = PROBS.numpy().astype(float) ** 2
    expected = np.where([False, False, True, True, False, False], cooled, 0)
    assert_drawn_from(expected, counts(PROBS, temperature=0.5, top_p=0.9, fixed_probs={0: 0.0}))


def test_draws__where_all_is_hidden_are_the_engines():
    assert_drawn_from([1, 1, 1], counts(torch.tensor([0.5, 0.25, 0.25]), fixed_probs={0: 0.0, 1: 0.0, 2: 0.0}))
    assert_drawn_from([0, 1, 1], counts(torch.tensor([1.0, 0.0, 0.0]), fixed_probs={0: 0.0}))


def test_draws__of_what_is_no_number_are_the_engines():
    assert counts(torch.tensor([0.0, float("nan")])).tolist() == [0, N_ROWS]


@pytest.mark.parametrize("probs", [[1.0], [0.0, 0.0, 1.0], [0.0, 0.9999999, 0.0]])
def test_draws__of_what_can_be_one_thing_only(probs):
    found = counts(torch.tensor(probs))
    assert found[np.argmax(probs)] == N_ROWS


def test_draws__leave_the_probabilities_as_they_were():
    probs = PROBS.repeat(100, 1)
    with quicker_draws():
        argn._sample(probs, fixed_probs={0: 0.0})
    assert torch.equal(probs, PROBS.repeat(100, 1))


def test_draws__repeat_with_the_seed():
    assert (counts(PROBS, 1) == counts(PROBS, 1)).all()
    assert (counts(PROBS, 1) != counts(PROBS, 2)).any()


def test_draws__are_the_engines_again_outside():
    before, within = argn._sample, []
    with quicker_draws():
        within.append(argn._sample)
    assert argn._sample is before is not within[0]
    with pytest.raises(KeyError), quicker_draws():
        raise KeyError
    assert argn._sample is before


def _multiplied(probs, fixed_probs):
    return 2 * probs


@pytest.mark.parametrize(
    ("name", "other"),
    [("_sample", lambda probs, *_: probs), ("_sampling_fixed_probs", _multiplied), ("_sampling_nucleus", None)],
)
def test_knows_engine__not_one_that_does_otherwise(monkeypatch, name, other):
    assert knows_engine()
    monkeypatch.setattr(argn, name, other)
    assert not knows_engine()
    before = argn._sample
    with quicker_draws():
        assert argn._sample is before


def test_knows_engine__not_another_version(monkeypatch):
    monkeypatch.setattr(draws.metadata, "version", lambda _: "2.8.0")
    assert not knows_engine()
