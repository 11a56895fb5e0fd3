"""Objects that stay where work runs, on every runtime; and what is told when a worker that kept one is gone."""

import os
import signal

import numpy as np
import pytest

from issodask.errors import HostLostError, InputError
from issodask.runtime import open_runtime
from tests.runtime import tasks


def test_hosts__each_keeps_what_is_its_own(runtime):
    items = [10, 20][: runtime.n_workers]
    with runtime.hosts(tasks.Tally, items, runtime.share(np.ones(3)), label="tally") as hosts:
        assert hosts.n_hosts == len(items)
        assert hosts.ask("add", [1] * len(items))() == [item + 4 for item in items]
        assert hosts.ask("add", [2] * len(items))() == [item + 6 for item in items]


def test_hosts__the_first_alone(runtime):
    items = [10, 20][: runtime.n_workers]
    with runtime.hosts(tasks.Tally, items, np.zeros(1), label="tally") as hosts:
        assert hosts.ask("add", [5])() == [15]
        assert hosts.ask("add", [0] * len(items))() == [15, *items[1:]]


def test_hosts__large_values_there_and_back(runtime):
    values = np.arange(200_000)
    with runtime.hosts(tasks.Tally, [0], runtime.share(values), label="tally") as hosts:
        (doubled,) = hosts.ask("doubled", [values])()
    assert np.array_equal(doubled, 2 * values)


def test_hosts__error_reaches_the_caller_and_nothing_is_forgotten(runtime):
    with runtime.hosts(tasks.Tally, [10], np.zeros(1), label="tally") as hosts:
        with pytest.raises(InputError, match="found -1, needed another: change it"):
            hosts.ask("add", [-1])()
        assert hosts.ask("add", [1])() == [11]


def test_hosts__one_that_can_not_be_made(runtime):
    with (
        pytest.raises(InputError, match="found -1, needed another: change it"),
        runtime.hosts(tasks.Tally, [-1], np.zeros(1), label="tally"),
    ):
        pass


def test_hosts__tasks_go_on_beside_them(runtime):
    with runtime.hosts(tasks.Tally, [1], np.zeros(1), label="tally") as hosts:
        assert list(runtime.map(tasks.square, range(4), label="square")) == [0, 1, 4, 9]
        assert hosts.ask("add", [1])() == [2]


def kill_one_and_go_on(hosts, method):
    victim = hosts.ask("pid", [0, 0])()[1]
    assert victim != os.getpid()
    if method == "slow_pid":
        tasks.kill_soon(victim)
    else:
        os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        hosts.ask(method, [0, 0])()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pid", "slow_pid"])
def test_hosts__a_worker_that_is_killed_is_told(method):
    with open_runtime(2, "processes") as runtime:
        with (
            pytest.raises(HostLostError, match="gone"),
            runtime.hosts(tasks.Tally, [1, 2], np.zeros(1), label="tally") as hosts,
        ):
            kill_one_and_go_on(hosts, method)
        with runtime.hosts(tasks.Tally, [1], np.zeros(1), label="again") as hosts:
            assert hosts.ask("add", [1])() == [2]
