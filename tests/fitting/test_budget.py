"""Budgets: what is given first counts, and each ends a search in its own way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issodask.errors import InputError
from issodask.fitting.budget import (
    Effort,
    GivenRounds,
    Speed,
    TimeLimit,
    budget_of,
    read_rounds,
    usual_effort,
    write_rounds,
)
from issodask.fitting.schedule import N_SEGMENTS, Cooling, TrimPlan

PLAN = TrimPlan.of(800, 100)


def never():
    raise AssertionError("only a time limit has to know how fast the machine is")


@pytest.mark.parametrize(
    ("rounds", "effort", "time_limit_s", "expected"),
    [
        ("2/9", 50.0, 7.0, GivenRounds(2, [9] * N_SEGMENTS)),
        (None, 50.0, 7.0, TimeLimit(7.0)),
        (None, 50.0, None, Effort(50.0)),
        (None, None, None, Effort(usual_effort(10_600))),
    ],
)
def test_budget_of__rounds_before_time_before_effort(rounds, effort, time_limit_s, expected):
    assert budget_of(rounds, effort, time_limit_s, 10_600) == expected


@pytest.mark.parametrize("budget", [GivenRounds(2, [9] * N_SEGMENTS), Effort(180.0)])
def test_pace__fixed_work_needs_no_clock(budget):
    pace = budget.pace(PLAN, Speed(never, never))
    assert {pace.n_rounds(i) for i in range(PLAN.n_steps)} == {9}
    assert budget.swap_rounds(never) > 0
    assert budget.seconds(lambda n_rounds: 10.0 * n_rounds) == 90.0


def test_pace__a_time_limit_follows_the_speed_that_it_sees():
    now = [0.0]
    per_round = PLAN.gains_left(0)
    pace = TimeLimit(100.0).pace(PLAN, Speed(lambda: now[0], lambda: 1.0 / per_round))
    assert pace.n_rounds(0) == 85
    now[0] = 20.0  # a hundredth of the work took a quarter of the time
    assert pace.n_rounds(2) < 10


def test_pace__goes_on_where_an_interrupted_one_began_its_segment():
    now = [0.0]
    speed = Speed(lambda: now[0], lambda: 1.0 / PLAN.gains_left(0))
    first = TimeLimit(100.0).pace(PLAN, speed)
    first.n_rounds(0)
    now[0] = 20.0
    again = TimeLimit(100.0).pace(PLAN, speed, first.began)
    assert again.n_rounds(2) == first.n_rounds(2)


def test_swap_rounds__of_a_time_limit_fill_it_but_are_never_none():
    assert TimeLimit(100.0).swap_rounds(lambda: 1.0) == 85
    assert TimeLimit(0.01).swap_rounds(lambda: 1.0) == 3


@pytest.mark.parametrize(
    ("budget", "n_done", "has_converged", "elapsed_s", "reason"),
    [
        (GivenRounds(3, [9]), 2, True, 1e9, ""),
        (GivenRounds(3, [9]), 3, False, 0.0, "rounds done"),
        (Effort(100.0), 4, False, 1e9, ""),
        (Effort(100.0), 5, False, 0.0, "effort spent"),
        (Effort(100.0), 1, True, 0.0, "converged"),
        (TimeLimit(10.0), 99, False, 9.0, ""),
        (TimeLimit(10.0), 1, False, 11.0, "time limit"),
        (TimeLimit(10.0), 1, True, 11.0, "converged"),
    ],
)
def test_reason_to_stop__each_budget_has_its_own(budget, n_done, has_converged, elapsed_s, reason):
    assert budget.reason_to_stop(n_done, 5, has_converged, elapsed_s) == reason


@pytest.mark.parametrize(("effort", "n_rounds"), [(0.001, 1), (20, 1), (300, 15), (1000, 50)])
def test_effort__at_least_one_round(effort, n_rounds):
    assert Effort(effort).n_rounds == n_rounds


@pytest.mark.parametrize(("cells_per_unit", "effort"), [(575, 340), (3_000, 340), (10_600, 100), (0, 340)])
def test_usual_effort__less_where_a_gain_takes_long(cells_per_unit, effort):
    assert usual_effort(cells_per_unit) == effort


plans = st.one_of(
    st.integers(1, 999).map(lambda n: [n] * N_SEGMENTS),
    st.lists(st.integers(1, 999), min_size=N_SEGMENTS, max_size=N_SEGMENTS),
)


@given(st.integers(0, 99), plans)
def test_read_rounds__reads_what_was_written(n_done, planned):
    assert read_rounds(write_rounds(n_done, planned)) == (n_done, planned)


def test_read_rounds__plan_alone_is_all_of_its_rounds():
    assert read_rounds("12") == (3, [12] * N_SEGMENTS)
    assert read_rounds("500")[0] == Cooling.of(500).n_rounds


@pytest.mark.parametrize("text", ["", "0", "-5", "3/", "x/4", "3/0", "1/2/3", "3.5", " 4", "4/5-6", "4/5--6"])
def test_read_rounds__refuses_anything_else(text):
    with pytest.raises(InputError, match=r"^rounds"):
        read_rounds(text)
