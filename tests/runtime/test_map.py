"""Tasks on every runtime: the same results, in the order of the items."""

import time
from itertools import pairwise

import numpy as np
import pytest
from distributed import Client, LocalCluster

from issodask.errors import InputError
from issodask.runtime import is_abandoned, open_runtime
from issodask.runtime.cluster import EXCLUSIVE, Cluster
from tests.runtime import tasks


def test_map__results_of_all_items(runtime):
    assert list(runtime.map(tasks.square, range(30), label="square")) == [i * i for i in range(30)]


def test_map__order_of_the_items(runtime):
    assert list(runtime.map(tasks.slow_first, range(12), label="slow")) == list(range(12))


def test_map__no_items(runtime):
    assert list(runtime.map(tasks.square, [], label="nothing")) == []


def test_map__equal_items_are_tasks_of_their_own(runtime):
    assert list(runtime.map(tasks.square, [3, 3, 3], label="square")) == [9, 9, 9]


@pytest.mark.parametrize("n", [1_000, 100_000], ids=["small", "large"])
def test_map__shared_values(runtime, n):
    weights = runtime.share(np.ones(n))
    assert list(runtime.map(tasks.weighted_sum, [1, 2], weights, 0.5, label="sum")) == [n + 0.5, 2 * n + 0.5]
    assert list(runtime.map(tasks.weighted_sum, [3], weights, 0, label="again")) == [3 * n]


def test_map__error_reaches_the_caller(runtime):
    results = runtime.map(tasks.fail_at_two, range(20), label="fail")
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RuntimeError, match="no 2"):
        next(results)
    assert list(runtime.map(tasks.square, [4], label="after")) == [16]


def test_map__input_error_stays_one(runtime):
    with pytest.raises(InputError) as caught:
        list(runtime.map(tasks.refuse, ["7"], label="refuse", retries=1))
    assert str(caught.value) == "found 7, needed another: change it"


def test_map__tries_again(runtime, tmp_path):
    assert list(runtime.map(tasks.fail_until, [(str(tmp_path), 3)], label="retry", retries=2)) == [3]


def test_map__gives_up_after_the_last_retry(runtime, tmp_path):
    with pytest.raises(RuntimeError, match="attempt 2"):
        list(runtime.map(tasks.fail_until, [(str(tmp_path), 3)], label="retry", retries=1))


@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_map__bad_input_is_not_tried_again(scheduler, tmp_path):
    with open_runtime(2, scheduler) as runtime, pytest.raises(InputError):
        list(runtime.map(tasks.refuse_and_count, [str(tmp_path)], label="refuse", retries=5))
    assert len(list(tmp_path.iterdir())) == 1


def test_map__leaving_early_leaves_the_runtime_usable(runtime):
    results = runtime.map(tasks.square, range(100), label="square")
    assert next(results) == 0
    results.close()
    assert list(runtime.map(tasks.square, [5], label="square")) == [25]


def at_once(spans):
    """The largest number of tasks that ran at the same time in one process."""
    most = 0
    for worker in {pid for pid, _, _ in spans}:
        times = sorted((start, stop) for pid, start, stop in spans if pid == worker)
        most = max(most, *(sum(a <= start < b for a, b in times) for start, _ in times))
    return most


def test_map__exclusive_never_two_at_a_time_on_a_worker(runtime):
    assert at_once(list(runtime.map(tasks.span, range(6), label="train", exclusive=True))) == 1


@pytest.mark.parametrize("resources", [{EXCLUSIVE: 1}, None], ids=["with the resource", "without"])
def test_map__exclusive_on_workers_with_several_threads(resources):
    """Any cluster that a user connects to: its workers may have many threads, and may not know of our resource."""
    options = {"n_workers": 1, "threads_per_worker": 3, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options, resources=resources) as local, Client(local) as client:
        runtime = Cluster(client)
        assert at_once(list(runtime.map(tasks.span, range(5), label="train", exclusive=True))) == 1
        assert at_once(list(runtime.map(tasks.span, range(5), label="any"))) > 1


def test_map__threads_and_processes_share_the_work(two_processes):
    assert len(set(two_processes.map(tasks.span, range(8), label="where"))) == 8
    assert len({pid for pid, _, _ in two_processes.map(tasks.span, range(8), label="where")}) == 2
    with open_runtime(2, "threads") as runtime:
        spans = sorted((start, stop) for _, start, stop in runtime.map(tasks.span, range(4), label="where"))
    assert any(second < stop for (_, stop), (second, _) in pairwise(spans))


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_is_abandoned__not_outside_of_a_cluster():
    assert not is_abandoned()


def test_is_abandoned__a_running_task_whose_client_is_gone(two_processes, tmp_path):
    path = tmp_path / "said"
    with Client(two_processes.client.scheduler.address) as client:
        future = client.submit(tasks.work_until_abandoned, str(path))
        wait_for(path.exists)
        time.sleep(0.3)
        assert path.read_text() == ""
        del future
    wait_for(lambda: path.read_text() != "")
    assert path.read_text() == "abandoned"
