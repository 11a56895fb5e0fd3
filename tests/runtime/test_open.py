"""Opening and closing runtimes."""

import json
import threading

import psutil
import pytest

from issodask.errors import InputError
from issodask.runtime import open_runtime
from issodask.runtime.local import Serial, Threads, ThreadTeam
from tests.runtime import tasks


def children():
    """Processes below this one, but for the one that multiprocessing keeps until the end."""
    processes = psutil.Process().children(recursive=True)
    return {process.pid for process in processes if "resource_tracker" not in " ".join(process.cmdline())}


def own_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("issodask")]


@pytest.mark.parametrize(
    ("workers", "scheduler", "kind"),
    [(1, None, Serial), (1, "threads", Serial), (2, None, Threads), (4, "serial", Serial)],
)
def test_open_runtime__kind(workers, scheduler, kind):
    with open_runtime(workers, scheduler) as runtime:
        assert type(runtime) is kind
        assert runtime.n_workers == (workers if kind is Threads else 1)


def test_open_runtime__threads_end():
    with open_runtime(2, "threads") as runtime:
        list(runtime.map(tasks.square, range(5), label="square"))
        assert own_threads()
    assert not own_threads()


def test_open_runtime__threads_end_after_an_error():
    with pytest.raises(RuntimeError, match="no 2"), open_runtime(2, "threads") as runtime:
        list(runtime.map(tasks.fail_at_two, range(50), label="fail"))
    assert not own_threads()


@pytest.mark.slow
def test_open_runtime__processes_end_after_an_error():
    before, opened = children(), []
    with pytest.raises(RuntimeError, match="no 2"):
        fail_in_a_process(opened)
    assert set(opened) - before
    assert children() <= before


def fail_in_a_process(opened):
    with open_runtime(1, "processes") as runtime:
        list(runtime.map(tasks.square, [1], label="square"))
        opened.extend(children())
        list(runtime.map(tasks.fail_at_two, range(50), label="fail"))


def test_open_runtime__processes_start_when_first_needed():
    before = children()
    with open_runtime(1, "processes"):
        assert children() == before


def test_open_runtime__two_workers_are_two_processes(two_processes):
    assert two_processes.n_workers == 2
    assert len({pid for pid, _ in two_processes.map(tasks.where, range(20), label="where")} & children()) > 0


def test_open_runtime__address_of_a_scheduler(two_processes):
    before = children()
    with open_runtime(scheduler=two_processes.client.scheduler.address) as runtime:
        assert runtime.n_workers == 2
        assert list(runtime.map(tasks.square, [3], label="square")) == [9]
    assert children() == before
    assert list(two_processes.map(tasks.square, [4], label="square")) == [16]


def test_open_runtime__scheduler_file(two_processes, tmp_path):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": two_processes.client.scheduler.address}))
    with open_runtime(scheduler=str(file)) as runtime:
        assert list(runtime.map(tasks.square, [3], label="square")) == [9]


def test_open_runtime__unknown_scheduler():
    with (
        pytest.raises(InputError, match="'slurm' is not known: give serial, threads, processes"),
        open_runtime(1, "slurm"),
    ):
        pass


def test_open_runtime__no_scheduler_answers(monkeypatch):
    monkeypatch.setattr("issodask.runtime.cluster._CONNECT_TIMEOUT_S", 0.5)
    with (
        pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 .*check the address"),
        open_runtime(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


def test_crew__runs_every_part_once():
    done = []
    with ThreadTeam(3) as team:
        team.run(lambda part: done.extend(range(part.start, part.stop)), [slice(0, 4), slice(4, 5), slice(5, 9)])
        team.run(lambda part: done.append(part.start), [slice(9, 10)])
    assert sorted(done) == list(range(10))
    assert not own_threads()


@pytest.mark.parametrize("bad", [0, 1])
def test_crew__error_reaches_the_caller(bad):
    def fail(part):
        if part.start == bad:
            raise RuntimeError("no")

    with ThreadTeam(2) as team, pytest.raises(RuntimeError, match="no"):
        team.run(fail, [slice(0, 1), slice(1, 2)])
    assert not own_threads()
