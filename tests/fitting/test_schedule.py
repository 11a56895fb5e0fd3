"""Plans: how the work is dealt out over a search."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.fitting.schedule import N_SEGMENTS, Cooling, TrimPlan, units_to_start_from


@st.composite
def trim_plans(draw):
    n_end = draw(st.integers(1, 10_000))
    return TrimPlan(n_end + draw(st.integers(0, 100_000)), n_end, draw(st.integers(1, 400)))


@given(trim_plans())
def test_trim_plan__shrinks_from_start_to_end(plan):
    sizes = [plan.size(i) for i in range(plan.n_steps + 1)]
    assert (sizes[0], sizes[-1]) == (plan.n_start, plan.n_end)
    assert all(after <= before for before, after in pairwise(sizes))


@given(trim_plans(), st.integers(1, 500))
def test_trim_plan__picks_grow_and_are_never_none(plan, n_rounds):
    picks = [plan.picks(i, n_rounds) for i in range(plan.n_steps)]
    assert picks[0] >= 1
    assert picks == sorted(picks)


def test_trim_plan__spends_its_gains():
    plan = TrimPlan.of(80_000, 10_000)
    removed = [plan.size(i) - plan.size(i + 1) for i in range(plan.n_steps)]
    n_gains = sum(n * plan.picks(i, 50) for i, n in enumerate(removed))
    assert n_gains == pytest.approx(20 * 50 * plan.n_end, rel=0.02)
    assert plan.gains_left(0) == pytest.approx(20 * plan.n_end)
    assert plan.gains_left(plan.n_steps) == 0


@given(st.integers(1, 200_000), st.floats(1, 20))
def test_trim_plan__last_steps_look_so_many_units_ahead(n_end, oversize):
    plan = TrimPlan.of(int(n_end * oversize), n_end)
    last = plan.size(plan.n_steps - 1) - n_end
    assert 200 <= plan.n_steps <= 4_000
    if 200 < plan.n_steps < 4_000:
        assert last == pytest.approx(128, rel=0.02, abs=1)
    else:
        assert last <= 128 * 1.02 + 1 or plan.n_steps == 4_000


@given(trim_plans())
def test_trim_plan__segments_in_order(plan):
    segments = [plan.segment(i) for i in range(plan.n_steps)]
    assert segments[0] == 0
    assert segments == sorted(segments)
    assert segments[-1] < N_SEGMENTS


def test_trim_plan__nothing_to_trim():
    plan = TrimPlan.of(7, 7)
    assert {plan.size(i) for i in range(plan.n_steps + 1)} == {7}
    assert plan.gains_left(0) == 0
    assert plan.picks(0, 5) >= 1


@given(st.integers(1, 300))
def test_cooling__from_full_heat_to_almost_none(n_rounds):
    plan = Cooling.of(n_rounds)
    heats = [plan.heat(i) for i in range(plan.n_rounds)]
    assert heats[0] == 1
    assert heats == sorted(heats, reverse=True)
    assert 0 < heats[-1] <= 1
    assert plan.heat(plan.n_rounds) == plan.heat(plan.n_rounds + 7) == 0


@given(st.integers(1, 300))
def test_cooling__rounds_grow_longer(n_rounds):
    plan = Cooling.of(n_rounds)
    trials = [plan.trials_per_unit(i) for i in range(plan.n_rounds + 2)]
    assert trials == sorted(trials)
    assert (trials[0], trials[-1]) == (1 / 16, 1)


@pytest.mark.parametrize(
    ("n_pool", "oversize", "have_weights", "expected"),
    [
        pytest.param(1_200, None, True, 400, id="a third of the pool"),
        pytest.param(9_999, None, True, 800, id="at most eightfold"),
        pytest.param(300, None, True, 200, id="at least twofold"),
        pytest.param(1_200, None, False, 6_400, id="without weights all of it, at most 64-fold"),
        pytest.param(1_200, 1.5, True, 150, id="as asked for"),
    ],
)
def test_units_to_start_from__what_weights_favour(n_pool, oversize, have_weights, expected):
    assert units_to_start_from(n_pool, 100, oversize, have_weights) == expected
