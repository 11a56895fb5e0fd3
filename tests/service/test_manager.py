"""The manager: what it makes of how drivers end, what it keeps on disk, and who may ask."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from distributed import Client

from issodask.config import load_job
from issodask.runtime.address import own_folder
from issodask.runtime.cluster import TOPIC
from issodask.service import host
from issodask.service.certificates import make_keys
from issodask.service.client import Service, open_service
from issodask.service.driver import Ended
from issodask.service.manager import JobManager
from issodask.stages.run import run
from issodask.stages.submit import submit
from tests.clusters import ended, is_waiting, quick_job, results, wait_for, waiting_job, write_inputs

pytestmark = pytest.mark.cluster

LOST = Ended(75, "issodask: the connection was lost: run again to go on")
KILLED = Ended(-9, "")
DONE = Ended(0, "")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr("issodask.service.manager._LONGEST_PAUSE_S", 0)


class Rehearsed(JobManager):
    """A manager whose drivers end as a test says, without driving anything."""

    def __init__(self, folder=None, ends=()):
        super().__init__(folder)
        self._ends = list(ends)
        self.handlers = {}

    async def _attempt(self, job):
        self.log_event(TOPIC, {"job": job.id, "event": "driving", "time": 5.0, "pid": 7, "host": "a", "worker": "w"})
        if not self._ends:
            await asyncio.Event().wait()
        return self._ends.pop(0)

    async def open(self):
        await self.start(SimpleNamespace(handlers=self.handlers, http_server=None))
        return self

    async def until_over(self, id):
        while not self.jobs[id].is_over:
            await asyncio.sleep(0)
        return self.jobs[id]


def driven(*ends):
    """A job, when it is over, whose drivers ended like that one after the other."""

    async def drive():
        manager = await Rehearsed(ends=ends).open()
        answer = await manager.submit("job", "/out", "/out/job.json")
        return await manager.until_over(answer["id"])

    return asyncio.run(asyncio.wait_for(drive(), 20))


def test_drive__a_driver_that_is_lost_has_a_successor():
    job = driven(KILLED, LOST, KILLED, DONE)
    assert (job.state, job.attempts, job.error) == ("finished", 4, "")
    assert (job.pid, job.host, job.worker, job.started) == (7, "a", "w", 5.0)


def test_drive__bad_input_is_not_tried_again():
    job = driven(Ended(2, "trim 5 %\nissodask: pool is empty: generate some\n"), DONE)
    assert (job.state, job.attempts, job.error) == ("failed", 1, "pool is empty: generate some")


def test_drive__a_crash_is_tried_again_and_told_in_the_end():
    crash = Ended(1, "Traceback\nValueError: no")
    assert driven(crash, crash, DONE).state == "finished"
    job = driven(crash, crash, crash, DONE)
    assert (job.state, job.attempts, job.error) == ("failed", 3, "Traceback\nValueError: no")


def test_drive__gives_up_when_driver_after_driver_gets_nowhere():
    job = driven(*[LOST] * 50)
    assert job.state == "failed"
    assert 5 < job.attempts < 20
    assert "its driver was lost" in job.error.splitlines()[0]
    assert job.error.splitlines()[-1] == LOST.tail


def asked(*steps, folder=None, ends=()):
    """What a manager answers to the last of these, each of which gets the manager."""

    async def ask():
        manager = await Rehearsed(folder, ends).open()
        for step in steps:
            answer = await step(manager)
        await manager.close()
        return answer

    return asyncio.run(asyncio.wait_for(ask(), 20))


def submitting(out, name="job"):
    return lambda manager: manager.submit(name, out, f"{out}/job.json")


def test_submit__two_jobs_in_one_folder_are_refused():
    answer = asked(submitting("/out"), submitting("/out", "other"))
    assert answer["error"].startswith("job job-")
    assert answer["error"].endswith("writes to /out already: wait for it, cancel it, or change out")


def test_submit__the_folder_of_a_job_that_is_over_is_free():
    async def until_over(manager):
        await manager.until_over(next(iter(manager.jobs)))

    assert "id" in asked(submitting("/out"), until_over, submitting("/out"), ends=[DONE])


def test_submit__ids_differ():
    jobs = asked(submitting("/a"), submitting("/b"), submitting("/c"), JobManager.list_jobs)
    assert len({job["id"] for job in jobs}) == 3
    assert all(job["id"].startswith("job-") for job in jobs)


def test_submit__an_id_that_is_taken_is_not_given_again(monkeypatch):
    drawn = [SimpleNamespace(hex=text) for text in ("aaaa1", "aaaa2", "bbbb1")]
    monkeypatch.setattr("issodask.service.manager.uuid4", lambda: drawn.pop(0))
    jobs = asked(submitting("/a"), submitting("/b"), JobManager.list_jobs)
    assert [job["id"] for job in jobs] == ["job-aaaa", "job-bbbb"]


def test_list_jobs__oldest_first_with_what_they_are_doing():
    async def tell(manager):
        await asyncio.sleep(0.01)
        first = min(manager.jobs.values(), key=lambda job: job.submitted)
        event = {"event": "ipf", "n": 1, "of": 4, "residual": 0.5}
        for i in (1, 2):
            manager.log_event(TOPIC, {"job": first.id, "time": 10.0 * i, **event, "n": i})

    jobs = asked(submitting("/a", "first"), submitting("/b", "second"), tell, JobManager.list_jobs)
    assert [job["name"] for job in jobs] == ["first", "second"]
    assert [(job["state"], job["stage"], job["seconds_left"]) for job in jobs] == [
        ("running", "weigh 50%", 20.0),
        ("running", "", None),
    ]


def test_cancel__is_final():
    async def cancel(manager):
        id = next(iter(manager.jobs))
        return [await manager.cancel(id), manager.jobs[id].state, await manager.cancel(id)]

    first, state, second = asked(submitting("/out"), cancel)
    assert (first, state, second) == ({"state": "queued"}, "cancelled", {"state": "cancelled"})


@pytest.mark.parametrize("ask", [lambda manager: manager.cancel("a"), lambda manager: manager.events_of("a", 0)])
def test_ask__for_an_unknown_job(ask):
    assert "no job a is known here" in asked(ask)["error"]


def test_log_event__a_run_that_nobody_submitted_is_seen():
    async def tell(manager):
        for event in ({"event": "run", "name": "x", "out": "/x"}, {"event": "finished", "accuracy": 0.9}):
            manager.log_event(TOPIC, {"job": "x-1", "time": 8.0, **event})
        return [await manager.list_jobs(), await manager.cancel("x-1"), await manager.submit("y", "/x", "/x/job.json")]

    (job,), cancelled, submitted = asked(tell)
    assert (job["state"], job["out"], job["started"], job["ended"], job["accuracy"]) == ("seen", "/x", 8.0, 8.0, 0.9)
    assert cancelled == {"error": "job x-1 was not submitted: stop the process that runs it"}
    assert "id" in submitted


@pytest.mark.parametrize(
    "told", [("other topic", {"job": "a", "event": "run"}), (TOPIC, "text"), (TOPIC, {"event": 1})]
)
def test_log_event__leaves_what_others_tell(told):
    async def tell(manager):
        manager.log_event(*told)
        return [manager.jobs, manager.jobs.told]

    assert asked(tell) == [{}, {}]


def test_folder__a_new_scheduler_goes_on_with_what_was_not_over(tmp_path):
    async def until_over(manager):
        (running,) = [job.id for job in manager.jobs.values() if job.out == "/b"]
        over = await manager.until_over(next(job.id for job in manager.jobs.values() if job.out == "/a"))
        return over.id, running

    finished, running = asked(submitting("/a"), submitting("/b"), until_over, folder=tmp_path, ends=[DONE])

    async def again():
        manager = await Rehearsed(str(tmp_path), ends=[DONE]).open()
        job = await manager.until_over(running)
        await manager.close()
        return manager.jobs[finished], job

    before, resumed = asyncio.run(asyncio.wait_for(again(), 20))
    assert (before.state, before.attempts) == ("finished", 1)
    assert (resumed.state, resumed.attempts) == ("finished", 2)
    states = [json.loads(path.read_text())["state"] for path in tmp_path.glob("*.json")]
    assert states == ["finished", "finished"]


@pytest.mark.parametrize("text", ["", "[1]", '{"id": "a"}', '{"id": "a", "colour": 1}', "\xff"])
def test_folder__a_damaged_note_is_left_alone(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    jobs = asked(submitting("/out"), JobManager.list_jobs, folder=tmp_path)
    assert [job["name"] for job in jobs] == ["job"]
    assert (tmp_path / "a.json").read_text(encoding="latin-1") == text


def test_folder__events_before_the_scheduler_was_started_again(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    event = {"time": 3.0, "event": "selected", "accuracy": 0.75, "rounds": "5", "reason": "done"}
    (out / "events.jsonl").write_text(f"{json.dumps(event)}\n{{half a li")
    asked(submitting(str(out)), folder=tmp_path)

    async def ask(manager):
        return await manager.events_of(next(iter(manager.jobs)), 0)

    assert event in asked(ask, folder=tmp_path)["events"]


def test_watches__of_old_jobs_are_forgotten_but_not_the_jobs(monkeypatch):
    monkeypatch.setattr("issodask.service.jobs._MOST_WATCHED", 2)

    async def until_all_over(manager):
        for id in list(manager.jobs):
            await manager.until_over(id)
        return [len(manager.jobs), len(manager.jobs.told)]

    steps = [submitting(f"/{i}") for i in range(5)]
    assert asked(*steps, until_all_over, ends=[DONE] * 5) == [5, 2]


# with real schedulers


def test_scheduler__killed_and_started_again_goes_on(home, tmp_path):
    """The job's driver and the workers are lost with it; the bytes are those of an undisturbed serial run."""
    write_inputs(tmp_path)
    waiting_job(tmp_path, "undisturbed")
    (tmp_path / "go").touch()
    finished = run(load_job(tmp_path / "undisturbed.toml"))
    (tmp_path / "go").unlink()
    for path in tmp_path.glob("waits-*"):
        path.unlink()

    with open_service(None) as service:
        id = submit(load_job(waiting_job(tmp_path, "disturbed")), service, "disturbed")
    wait_for(lambda: is_waiting(tmp_path))
    before = host.status(own_folder()).processes[0]
    assert before.name == "scheduler"
    os.kill(before.pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    wait_for(lambda: host.status(own_folder()).processes[0].pid not in (0, before.pid))

    job = ended(id)
    assert (job["state"], job["attempts"] > 1) == ("finished", True)
    assert job["accuracy"] == finished.selected.accuracy
    said = (tmp_path / "disturbed" / "driver.log").read_text(encoding="utf-8")
    assert said.count("report    ") == 1
    assert results(tmp_path / "disturbed") == results(tmp_path / "undisturbed")


@pytest.fixture
def plain(tmp_path):
    """A scheduler and a worker that know nothing of us, started by Dask's own commands, with TLS: a scheduler file."""
    keys = make_keys(tmp_path / "keys")
    tls = ["--tls-ca-file", keys.ca, "--tls-cert", keys.cert, "--tls-key", keys.key]
    file = tmp_path / "scheduler.json"
    schedule = ["distributed.cli.dask_scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", file]
    work = ["distributed.cli.dask_worker", "--scheduler-file", file, "--host", "127.0.0.1", "--nthreads", "2"]
    commands = [
        [*schedule, "--dashboard-address", "127.0.0.1:0", *tls],
        [*work, "--local-directory", tmp_path / "spill", "--no-nanny", "--no-dashboard", *tls],
    ]
    processes = []
    try:
        for command in commands:
            command = [sys.executable, "-m", *map(str, command)]
            processes.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL))
            wait_for(file.exists)
        with Client(scheduler_file=str(file), security=keys.security(), set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
            yield client
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(20)


def test_manager__is_sent_to_any_scheduler_by_the_first_client(plain, tmp_path):
    write_inputs(tmp_path)
    service = Service(plain)
    assert service.jobs() == []
    id = submit(load_job(quick_job(tmp_path)), service, "job")
    events = [event["event"] for event in service.follow(id, until_over=True)]
    assert service.job(id)["state"] == "finished", (tmp_path / "job" / "driver.log").read_text()
    assert {"driving", "run", "ipf", "trim", "refine", "finished"} <= set(events)
    assert [job["id"] for job in Service(plain).jobs()] == [id]  # the manager that is there stays
