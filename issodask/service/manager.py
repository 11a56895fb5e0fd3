"""The manager in the scheduler: keeps the list of jobs, has each one driven, and hears what all of them tell.

It lives in the scheduler's process: as a preload (`issodask.service.manager`) in clusters of ours, or sent there
by the first client that submits a job. A job is driven by a task on a worker (see `drive`), which goes to another
worker when its own dies. With a folder (a cluster of ours has one) the list is on disk, and a scheduler that was
started again takes up the jobs that were not finished; without, jobs last as long as the scheduler.
"""

import asyncio
import logging
import os
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import KilledWorker, Scheduler

from issodask.event import Event
from issodask.events import Driving, RunFinished, Running, StudyFinished
from issodask.runtime.address import as_client
from issodask.runtime.cluster import TOPIC
from issodask.service.driver import Ended, drive
from issodask.service.host import JOBS
from issodask.service.jobs import RUN, Job, Jobs
from issodask.service.processes import FOLDER_VARIABLE
from issodask.service.told import Told

logger = logging.getLogger("distributed.issodask")

NAME = "issodask-jobs"
_FINISHED, _BAD_INPUT, _LOST = 0, 2, 75
_MOST_LOSSES = 10  # one after the other, with nothing told in between
_MOST_CRASHES = 2
_LONGEST_PAUSE_S = 10.0


class JobManager(SchedulerPlugin):
    """Jobs by their ids; what the scheduler's handlers and the dashboard's page ask."""

    name = NAME
    idempotent = True  # a scheduler that has a manager keeps it

    def __init__(self, folder: str | None = None) -> None:
        self.jobs = Jobs(Path(folder) if folder else None)
        self._drivers: dict[str, asyncio.Task[None]] = {}
        self._client: Client | None = None

    async def start(self, scheduler: Scheduler) -> None:
        """Begin to serve, and go on with what an earlier scheduler left unfinished."""
        self._scheduler = scheduler
        scheduler.handlers.update(
            issodask_submit=self.submit,
            issodask_jobs=self.list_jobs,
            issodask_events=self.events_of,
            issodask_cancel=self.cancel,
        )
        _show_page(scheduler, self.jobs)
        for job in self.jobs.read():
            await asyncio.to_thread(self.jobs.read_events, job)  # they may lie in a store
            if not job.is_over:  # somebody may have cancelled it meanwhile
                self._begin(job)

    async def close(self) -> None:
        for driver in self._drivers.values():
            driver.cancel()
        if self._client is not None:
            with suppress(Exception):
                await self._client.close()

    # what clients ask

    async def submit(self, name: str, out: str, job_path: str, verb: str = RUN) -> dict[str, Any]:
        """Take a job; {"id"}, or {"error"} when another job writes to the same folder."""
        for other in self.jobs.values():
            if other.out == out and not other.is_over and other.state != "seen":
                return {"error": f"job {other.id} writes to {out} already: wait for it, cancel it, or change out"}
        job = Job(self._new_id(name), name, out, job_path, verb=verb)
        self.jobs[job.id] = job
        self._begin(job)
        return {"id": job.id}

    async def list_jobs(self) -> list[dict[str, Any]]:
        """All jobs, oldest first, with what they are doing."""
        rows = []
        for job in sorted(self.jobs.values(), key=lambda job: job.submitted):
            progress = self.jobs.progress_of(job)
            rows.append({**asdict(job), "stage": progress.stage, "seconds_left": progress.seconds_left})
        return rows

    async def events_of(self, id: str, since: int) -> dict[str, Any]:
        """A job's events after the first `since`, their number so far, and its state; {"error"} for no such job."""
        job = self.jobs.get(id)
        if job is None:
            return {"error": self._unknown(id)}
        told = self.jobs.told.get(id, Told())
        return {"events": told.since(since), "n": told.n_events, "state": job.state, "error_of_job": job.error}

    async def cancel(self, id: str) -> dict[str, Any]:
        """Stop a job; {"state"} that it was in, or {"error"}."""
        job = self.jobs.get(id)
        if job is None:
            return {"error": self._unknown(id)}
        state = job.state
        if state == "seen":
            return {"error": f"job {id} was not submitted: stop the process that runs it"}
        if not job.is_over:
            self._close_job(job, "cancelled")
            driver = self._drivers.pop(id, None)
            if driver is not None:
                driver.cancel()
        return {"state": state}

    def _new_id(self, name: str) -> str:
        while (id := f"{name}-{uuid4().hex[:4]}") in self.jobs:
            pass
        return id

    def _unknown(self, id: str) -> str:
        known = ", ".join(self.jobs) or "none"
        return f"no job {id} is known here: give one of those that `issodask status` lists ({known})"

    # what jobs tell

    def log_event(self, topic: str, msg: Any) -> None:
        """Hear what a run, or the task that drives it, told under our topic."""
        if topic != TOPIC or not isinstance(msg, dict) or "job" not in msg:
            return
        record = {name: value for name, value in msg.items() if name != "job"}
        event = self.jobs.told.setdefault(msg["job"], Told()).hear(record)
        job = self.jobs.get(msg["job"]) or self._seen(msg["job"], event)
        if job is not None:
            self._note(job, event)

    def _seen(self, id: str, event: Event | None) -> Job | None:
        """A run that somebody started with this cluster, without submitting it."""
        if not isinstance(event, Running):
            return None
        self.jobs[id] = Job(id, event.name, event.out, "", "seen", started=event.time)
        return self.jobs[id]

    def _note(self, job: Job, event: Event | None) -> None:
        match event:
            case Driving():
                job.state, job.started = "running", job.started or event.time
                job.pid, job.host, job.worker = event.pid, event.host, event.worker
                self.jobs.save(job)
            case RunFinished() | StudyFinished():
                job.accuracy = event.accuracy if isinstance(event, RunFinished) else None
                if job.state == "seen":
                    job.ended = event.time

    # how jobs are driven

    def _begin(self, job: Job) -> None:
        job.state = "queued"
        self.jobs.save(job)
        self._drivers[job.id] = asyncio.create_task(self._drive(job))

    async def _drive(self, job: Job) -> None:
        """Have the job driven until it is over, however often its driver is lost."""
        losses = crashes = 0
        heard = -1
        while not job.is_over:
            job.attempts += 1
            ended = await self._attempt(job)
            n_heard = self.jobs.told[job.id].n_events if job.id in self.jobs.told else 0
            losses = 0 if n_heard > heard + 2 else losses + 1  # a driver that starts tells two events
            heard = n_heard
            if ended.code == _FINISHED:
                self._close_job(job, "finished")
            elif ended.code == _BAD_INPUT:
                self._close_job(job, "failed", ended.tail.strip().splitlines()[-1:] or ["see its log"])
            elif ended.code > 0 and ended.code not in (_LOST, 247):
                crashes += 1
                if crashes > _MOST_CRASHES:
                    self._close_job(job, "failed", ended.tail.splitlines())
            if losses > _MOST_LOSSES:
                self._close_job(
                    job, "failed", [f"its driver was lost {losses} times in a row", *ended.tail.splitlines()]
                )
            if not job.is_over:
                logger.warning("job %s: its driver was lost (code %d), another one goes on", job.id, ended.code)
                job.state = "queued"
                self.jobs.save(job)
                await asyncio.sleep(min(_LONGEST_PAUSE_S, 0.5 * 2**losses))

    async def _attempt(self, job: Job) -> Ended:
        future = None
        try:
            client = await self._connected()
            future = client.submit(
                drive,
                job.id,
                job.job_path,
                job.verb,
                self._scheduler.address,
                key=f"drive-{job.id}-{uuid4().hex[:8]}",
                priority=100,
                pure=False,
            )
            ended: Ended = await future
            return ended
        except asyncio.CancelledError:
            if future is not None and job.is_over:
                with suppress(Exception):
                    await future.cancel()
            raise
        except (CancelledError, KilledWorker, OSError) as error:
            return Ended(_LOST, str(error))
        except Exception as error:
            return Ended(1, f"{type(error).__name__}: {error}")

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await Client(
                self._scheduler.address,
                security=as_client(self._scheduler.security, "scheduler"),
                asynchronous=True,
                set_as_default=False,
                name=NAME,
            )
        return self._client

    def _close_job(self, job: Job, state: str, lines: list[str] | None = None) -> None:
        job.state, job.ended = state, time.time()
        job.error = "\n".join(lines or []).removeprefix("issodask: ")
        self.jobs.save(job)
        self.jobs.forget_old()


def _show_page(scheduler: Scheduler, jobs: Jobs) -> None:
    """Add our page to the dashboard, if there is one."""
    if scheduler.http_server is None:
        return
    try:
        from issodask.service.dashboard import add_page
    except ImportError as error:  # bokeh may be missing, or not what Dask needs
        logger.warning("the dashboard has no page of issodask: %s", error)
        return
    add_page(scheduler, jobs)


async def dask_setup(scheduler: Scheduler) -> None:
    """What Dask calls when a scheduler preloads this module; it starts its plugins next."""
    folder = os.environ.get(FOLDER_VARIABLE)
    scheduler.add_plugin(JobManager(str(Path(folder) / JOBS) if folder else None))
