"""Talking to the manager from outside: submit a job, follow it, cancel it, fetch what it made.

In: a connection to any Dask cluster. Where the scheduler has no manager yet, one is sent there.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

from distributed import Client

from issodask.errors import InputError, LostError
from issodask.runtime.cluster import connected
from issodask.service.manager import JobManager
from issodask.store.places import create, download, is_file, is_url, overwrite, place, remove

Record = dict[str, Any]

_FOLLOW_S = 0.5
_PATIENCE_S = 60.0
_CHUNK_BYTES = 32 << 20
_END_BYTES = 16 << 10
_NO_WORKERS = "the cluster has no workers yet: wait for them, or look at `issodask cluster status`"


class Service:
    """The manager of one cluster. Raises InputError when there is none, and none can be sent there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        try:
            client.register_plugin(JobManager())
        except ImportError as error:
            raise InputError(
                f"the scheduler can't import issodask ({error}): install it where scheduler and workers run"
            ) from error

    def submit(self, name: str, out: str, job_path: str, verb: str) -> str:
        """Hand over the job whose file all workers see at `job_path`, for the verb that does it; return its id.

        Raises InputError if `out` is in use.
        """
        return str(self._ask("submit", name=name, out=out, job_path=job_path, verb=verb)["id"])

    def jobs(self) -> list[Record]:
        """All jobs, as the manager lists them."""
        return list(self._ask("jobs"))

    def job(self, id: str | None) -> Record:
        """One job; by default the newest. Raises InputError for an unknown id."""
        jobs = self.jobs()
        if id is None:
            if not jobs:
                raise InputError("there are no jobs yet: hand one over with `issodask submit JOB.toml`")
            return jobs[-1]
        for job in jobs:
            if job["id"] == id:
                return job
        known = ", ".join(job["id"] for job in jobs) or "none"
        raise InputError(f"no job {id} is known here: give one of those that `issodask status` lists ({known})")

    def follow(self, id: str, until_over: bool) -> Iterator[Record]:
        """Yield a job's events so far; with `until_over` also those to come, until the job is over.

        A scheduler that is starting again is waited for. Raises LostError when it does not come back.
        """
        n_known = 0
        while True:
            answer = self._ask_patiently("events", id=id, since=n_known)
            yield from answer["events"]
            n_known = answer["n"]
            if not until_over or answer["state"] in ("finished", "failed", "cancelled"):
                return
            sleep(_FOLLOW_S)

    def cancel(self, id: str) -> str:
        """Stop a job; the state that it was in."""
        return str(self._ask("cancel", id=id)["state"])

    # files on the workers' side

    def is_seen_by_all(self, path: str) -> bool:
        """Whether all workers see this file or folder, and the same one; the same as here, if there is one here."""
        marks = set(self._client.run(mark, path).values())
        if not marks:
            raise InputError(_NO_WORKERS)
        here = mark(path)
        if here is not None:
            marks.add(here)
        return len(marks) == 1 and None not in marks

    def make_folder(self, folder: str) -> None:
        """Make a folder where workers are. Raises InputError unless it is one and the same folder for all of them."""
        probe = f"{folder}/.seen-{uuid4().hex}"
        if is_url(folder):
            self._check_store(place(probe))
            return
        try:
            self._on_one(_write, probe, b"")
        except OSError as error:
            raise InputError(f"workers can't write to {folder} ({error}): give `out` another place") from error
        try:
            unseen = [worker for worker, seen in self._client.run(mark, probe).items() if seen is None]
        finally:
            self._client.run(_remove, probe)
        if unseen:
            raise InputError(
                f"{folder} is not one folder for all workers: {', '.join(unseen)} don't see what another one writes "
                "there: give `out` a place on storage that all hosts share"
            )

    def _check_store(self, probe: Path) -> None:
        """Raise InputError unless all workers reach the store, each by its own environment, as this process does."""
        create(probe, b"")
        try:
            found = self._client.run(_reaches, str(probe))
        finally:
            remove(probe)
        for worker, why_not in found.items():
            if why_not is not None:
                raise InputError(
                    f"worker {worker} can't reach {probe.parent} ({why_not}): see to the environment of its host"
                )

    def write(self, path: str, data: bytes) -> None:
        """Write a small file where workers see it."""
        if is_url(path):
            overwrite(place(path), data)
        else:
            self._on_one(_write, path, data)

    def fetch(self, path: str, into: Path) -> None:
        """Copy a file from where workers see it."""
        if is_url(path):
            download(place(path), into)
            return
        with into.open("wb") as file:
            while chunk := self._on_one(_read, path, file.tell(), _CHUNK_BYTES):
                file.write(chunk)

    def _on_one(self, function: Callable[..., Any], *arguments: Any) -> Any:
        workers = list(self._client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise InputError(_NO_WORKERS)
        return self._client.run(function, *arguments, workers=workers[:1])[workers[0]]

    def _ask_patiently(self, what: str, **question: Any) -> Any:
        deadline = monotonic() + _PATIENCE_S
        while True:
            try:
                return self._ask(what, **question)
            except LostError:
                if monotonic() > deadline:
                    raise
                sleep(_FOLLOW_S)

    def _ask(self, what: str, **question: Any) -> Any:
        try:
            answer = self._client.sync(getattr(self._client.scheduler, f"issodask_{what}"), **question)
        except OSError as error:
            raise LostError(f"the Dask scheduler does not answer ({error}): ask again in a while") from error
        if isinstance(answer, dict) and "error" in answer:
            raise InputError(answer["error"])
        return answer


@contextmanager
def open_service(scheduler: str | None) -> Iterator[Service]:
    """The manager of the cluster that `scheduler` names. Raises InputError when it does not answer."""
    client = connected(scheduler)
    try:
        yield Service(client)
    finally:
        client.close()


def mark(path: str) -> str | None:
    """What tells two files of one name apart without reading them whole: size, and a hash of both ends.

    Of a folder: those of all files in it and below. None when there is nothing.
    """
    place = Path(path)
    if place.is_file():
        return _mark(place)
    if place.is_dir():
        below = [file for file in place.rglob("*") if file.is_file()]
        files = sorted((file.relative_to(place).as_posix(), _mark(file)) for file in below)
        return hashlib.sha256(repr(files).encode()).hexdigest()
    return None


def _mark(path: Path) -> str:
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        ends = hashlib.sha256(file.read(_END_BYTES))
        file.seek(max(0, n_bytes - _END_BYTES))
        ends.update(file.read(_END_BYTES))
    return f"{n_bytes}-{ends.hexdigest()}"


def _reaches(path: str) -> str | None:
    """Why this process doesn't see a file of a store; None if it does."""
    try:
        return None if is_file(place(path)) else "it sees no file there"
    except InputError as error:
        return str(error)


def _write(path: str, data: bytes) -> None:
    """Readable by its owner alone: it may be a private table."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    work = f"{path}.{uuid4().hex[:8]}.work"
    with os.fdopen(os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    os.replace(work, path)


def _read(path: str, start: int, n_bytes: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(n_bytes)


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)
