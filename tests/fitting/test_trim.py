"""Trimming an oversized subset."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.fitting import trim as trim_room
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import trim
from issodask.runtime.local import Crew
from tests.fitting.boards import bench_for, pool_of, random_uses, residual_of, value_of


def trimmed(uses, n_units, blocks, bench, n_steps=20, n_picks=4, n_threads=1, seed=1):
    """How often each unit is used after trimming, and the sizes on the way."""
    uses, residual = uses.copy(), residual_of(uses, blocks, bench)
    plan = TrimPlan(int(uses.sum()), n_units, n_steps)
    with Crew(n_threads) as crew:
        steps = list(trim(uses, residual, plan, blocks, bench, crew, seed, lambda i_step: n_picks))
    assert np.array_equal(residual, residual_of(uses, blocks, bench))
    assert steps[-1].objective == pytest.approx(value_of(uses, blocks, bench))
    return uses, [step.n_left for step in steps]


@settings(max_examples=20)
@given(st.data(), st.integers(1, 60), st.integers(1, 5), st.integers(1, 30))
def test_trim__ends_at_the_exact_size(data, n_start, n_picks, n_steps):
    blocks = pool_of(25, 0, 35)
    n_units = data.draw(st.integers(1, n_start))
    n_original = data.draw(st.sampled_from([n_units, 17]))
    before = random_uses(60, n_start)
    uses, sizes = trimmed(before, n_units, blocks, bench_for(n_units, n_original), n_steps, n_picks)
    assert uses.sum() == sizes[-1] == n_units
    assert (uses <= before).all()
    assert len(sizes) == n_steps
    assert sizes == sorted(sizes, reverse=True)


def test_trim__units_used_twice_may_go_once():
    blocks, before = pool_of(20, 10), np.full(30, 2, np.uint16)
    uses, _ = trimmed(before, 45, blocks, bench_for(45, may_repeat=True))
    assert uses.sum() == 45
    assert set(uses.tolist()) <= {0, 1, 2}


def test_trim__beats_chance():
    blocks, bench = pool_of(300, 300), bench_for(100)
    uses, _ = trimmed(np.ones(600, np.uint16), 100, blocks, bench, n_picks=16)
    by_chance = [value_of(random_uses(600, 100, seed), blocks, bench) for seed in range(10)]
    assert value_of(uses, blocks, bench) < 0.7 * min(by_chance)


def test_trim__any_number_of_threads(monkeypatch):
    bench, before = bench_for(30), random_uses(120, 90)
    expected, _ = trimmed(before, 30, pool_of(120), bench)
    monkeypatch.setattr(trim_room, "_WORTH_THREADS", 0)
    for n_threads in (1, 2, 3):
        uses, _ = trimmed(before, 30, pool_of(120), bench, n_threads=n_threads)
        assert np.array_equal(uses, expected)


def test_trim__any_cut_into_blocks():
    whole = pool_of(120)
    codes = bench_for(30).load_codes(whole[0])
    cut = pool_of(50, 0, 1, 69)
    bench = bench_for(30)
    of_the_whole = replace(bench, load_codes=lambda b: codes[b.first_unit : b.first_unit + b.n_units])
    before, after = random_uses(120, 90), []
    for blocks in (whole, cut):
        uses, residual = before.copy(), residual_of(before, whole, bench)
        with Crew(1) as crew:
            list(trim(uses, residual, TrimPlan(90, 30, 20), blocks, of_the_whole, crew, 1, lambda i_step: 4))
        after.append(uses)
    assert np.array_equal(*after)


def test_trim__seed_decides():
    blocks, bench, before = pool_of(120), bench_for(30), random_uses(120, 90)
    first, again, other = (trimmed(before, 30, blocks, bench, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("n_units", [1, 60])
def test_trim__nothing_to_do(n_units):
    blocks, before = pool_of(60), random_uses(60, n_units)
    uses, sizes = trimmed(before, n_units, blocks, bench_for(n_units))
    assert np.array_equal(uses, before)
    assert set(sizes) == {n_units}


def test_trim__asks_for_picks_when_each_step_begins():
    blocks, bench, before, asked = pool_of(60), bench_for(10), random_uses(60, 40), []
    residual = residual_of(before, blocks, bench)
    with Crew(1) as crew:
        for _ in trim(before, residual, TrimPlan(40, 10, 5), blocks, bench, crew, 1, lambda i: asked.append(i) or 2):
            assert asked == list(range(len(asked)))
    assert asked == [0, 1, 2, 3, 4]
