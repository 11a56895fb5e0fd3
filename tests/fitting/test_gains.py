"""Helpers of a trimming: the same units leave, however many help, whenever they join and whichever of them are lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issodask.errors import HostLostError
from issodask.fitting import gains
from issodask.fitting.gains import Helper, Helpers
from issodask.fitting.schedule import TrimPlan
from issodask.fitting.trim import Batches, Trimming, TrimStart, shuffled
from issodask.runtime.local import ThreadTeam
from tests.fitting.boards import GROUPS, ROWS, WIDE, all_boards, pool_of, random_uses, residual_of

N_STEPS, N_END, N_START = 12, 60, 250
ALWAYS = Batches(units_per_batch=6, units_per_batch_if_sparse=6, worth_threads=0)
NOW_AND_THEN = Batches(units_per_batch=6, units_per_batch_if_sparse=6, worth_threads=1_200)


class Hosts:
    """Helpers of this process that count how often they are asked, and are lost at a certain time."""

    def __init__(self, n_hosts, begun, problem, lost_at=None):
        self.n_hosts = n_hosts
        self.n_asked = 0
        self.n_rows = 0
        self._helpers = [Helper(i, begun, problem) for i in range(n_hosts)]
        self._lost_at = lost_at

    def ask(self, method, arguments):
        if method == "look_up":
            self.n_asked += 1
            self.n_rows += sum(len(picks) for _, picks in arguments)
        return lambda: self._answers(method, arguments)

    def _answers(self, method, arguments):
        if self._lost_at is not None and self.n_asked > self._lost_at:
            raise HostLostError("it is gone")
        return [getattr(helper, method)(argument) for helper, argument in zip(self._helpers, arguments, strict=True)]


@pytest.fixture(autouse=True)
def _asked_for_the_least(monkeypatch):
    """Or helpers would have nothing to do with so few units."""
    monkeypatch.setattr(gains, "_LEAST_S", 0.0)
    monkeypatch.setattr(gains, "_WAITED_S", np.inf)
    monkeypatch.setattr(gains, "_seconds", lambda act: act() and 0.0)


def trimmed(board, n_hosts=0, joins_at=0, lost_at=None, batches=ALWAYS, n_threads=1, n_picks=4, n_classes=1):
    """The order in the end, what was told, and the hosts."""
    problem = board.problem(N_END, pool_of(150, 0, 250))
    order = shuffled(np.flatnonzero(random_uses(400, N_START)), seed=3)
    by_class = np.bincount(np.arange(N_START) % n_classes), np.bincount(np.arange(N_END) % n_classes)
    plan = TrimPlan(N_START, N_END, N_STEPS, by_class if n_classes > 1 else None)
    start = TrimStart(order, residual_of(random_uses(400, N_START), problem), n_by_class=by_class[0])
    hosts = None
    with ThreadTeam(n_threads) as team:
        trimming = Trimming(start, plan, problem, team, 1, batches)
        told = []
        for i_step in range(N_STEPS):
            if n_hosts and i_step == joins_at:
                hosts = Hosts(n_hosts, trimming.begun, problem, lost_at)
                trimming.help_with(Helpers(hosts))
            told.append(trimming.run_step(n_picks))
        uses = np.bincount(trimming.order, minlength=400).astype(np.uint16)
        assert np.array_equal(trimming.residual, residual_of(uses, problem))
        return trimming.order, told, hosts


@all_boards
@pytest.mark.parametrize("n_hosts", [1, 2, 5])
@pytest.mark.parametrize("batches", [ALWAYS, NOW_AND_THEN], ids=["always", "now and then"])
def test_helpers__any_number(board, n_hosts, batches):
    expected, told, _ = trimmed(board, batches=batches)
    order, told_with_help, hosts = trimmed(board, n_hosts, batches=batches, n_threads=2)
    assert np.array_equal(order, expected)
    assert told_with_help == told
    assert hosts.n_asked > 3
    assert hosts.n_rows > 10


@all_boards
def test_helpers__classes_that_shrink_by_themselves(board):
    expected, _, _ = trimmed(board, batches=NOW_AND_THEN, n_classes=3)
    order, _, hosts = trimmed(board, 2, batches=NOW_AND_THEN, n_classes=3)
    assert np.array_equal(order, expected)
    assert hosts.n_rows > 10


@all_boards
@pytest.mark.parametrize("joins_at", [1, 7])
def test_helpers__that_join_later(board, joins_at):
    expected, told, _ = trimmed(board)
    order, told_with_help, hosts = trimmed(board, 2, joins_at)
    assert np.array_equal(order, expected)
    assert told_with_help == told
    assert hosts.n_rows > 0


@all_boards
@pytest.mark.parametrize("lost_at", [0, 1, 10])
def test_helpers__that_are_lost(board, lost_at):
    expected, told, _ = trimmed(board)
    order, told_with_help, hosts = trimmed(board, 2, lost_at=lost_at)
    assert np.array_equal(order, expected)
    assert told_with_help == told
    assert hosts.n_asked == lost_at + 1


@settings(max_examples=30)
@given(
    st.sampled_from([ROWS, WIDE, GROUPS]),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(0, 11),
    st.none() | st.integers(0, 30),
)
def test_helpers__whatever_happens(board, n_hosts, n_picks, joins_at, lost_at):
    expected, _, _ = trimmed(board, n_picks=n_picks, batches=NOW_AND_THEN)
    order, _, _ = trimmed(board, n_hosts, joins_at, lost_at, NOW_AND_THEN, n_picks=n_picks)
    assert np.array_equal(order, expected)


def test_helpers__slow_ones_are_given_less():
    class Slow(Hosts):
        """The second looks up a tenth of the picks a second."""

        def _answers(self, method, arguments):
            if method == "is_ready":
                return [True, True]
            seconds = [picks.size / rate for (_, picks), rate in zip(arguments, (1e9, 1e8), strict=True)]
            looked = [(picks.astype(np.int64), np.zeros(picks.shape)) for _, picks in arguments]
            self.given = [len(picks) for _, picks in arguments]
            return [gains.Answer(each, s) for each, s in zip(looked, seconds, strict=True)]

    hosts = Slow.__new__(Slow)
    hosts.n_hosts, hosts.n_asked, hosts.n_rows, hosts.given, hosts._lost_at = 2, 0, 0, [], None
    helpers = Helpers(hosts)
    picks = np.zeros((10_000, 1), np.int64)
    for _ in range(40):
        looked, _ = helpers.look_up(picks, lambda: None, lambda own: (own, np.zeros(own.shape)))
        assert looked.shape == picks.shape
    assert hosts.given[0] > 5 * hosts.given[1] > 0


def test_helpers__where_they_take_longer_to_answer_than_the_driver_to_look_nobody_is_asked(monkeypatch):
    monkeypatch.undo()
    order, _, hosts = trimmed(ROWS, 2)
    assert len(order) == N_END
    assert hosts.n_asked == 0
