"""Talking to the desk from outside: submit a job, follow it, cancel it, fetch what it made.

In: a connection to any Dask cluster. Where the scheduler has no desk yet, one is sent there.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any
from uuid import uuid4

from distributed import Client

from issodask.errors import InputError
from issodask.runtime.cluster import connected
from issodask.runtime.service.desk import Desk

Record = dict[str, Any]

_FOLLOW_S = 0.5
_CHUNK_BYTES = 32 << 20


class Service:
    """The desk of one cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        client.register_plugin(Desk())

    def submit(self, name: str, out: str, job_path: str) -> str:
        """Hand over the job whose file all workers see at `job_path`; its id. Raises InputError if `out` is in use."""
        return str(self._ask("submit", name=name, out=out, job_path=job_path)["id"])

    def jobs(self) -> list[Record]:
        """All jobs, as the desk lists them."""
        found: list[Record] = self._ask("jobs")
        return found

    def job(self, id: str | None) -> Record:
        """One job; by default the newest. Raises InputError for an unknown id."""
        jobs = self.jobs()
        if id is None and jobs:
            return jobs[-1]
        for job in jobs:
            if job["id"] == id:
                return job
        known = ", ".join(job["id"] for job in jobs) or "none"
        raise InputError(f"no job {id or ''} is known here: give one of those that `issodask status` lists ({known})")

    def follow(self, id: str, until_over: bool) -> Iterator[Record]:
        """Yield a job's events so far; with `until_over` also those to come, until the job is over."""
        n_known = 0
        while True:
            answer = self._ask("events", id=id, since=n_known)
            yield from answer["events"]
            n_known = answer["n"]
            if not until_over or answer["state"] in ("finished", "failed", "cancelled"):
                return
            sleep(_FOLLOW_S)

    def cancel(self, id: str) -> str:
        """Stop a job; the state that it was in."""
        return str(self._ask("cancel", id=id)["state"])

    # files on the workers' side

    def seen_by_all(self, paths: Sequence[str]) -> dict[str, bool]:
        """Which of the files and folders each worker sees, with the same size as all the others."""
        answers = list(self._client.run(_sizes, list(paths)).values())
        if not answers:
            raise InputError("the cluster has no workers yet: wait for them, or look at `issodask cluster status`")
        seen = {}
        for i, path in enumerate(paths):
            sizes = {answer[i] for answer in answers}
            seen[path] = len(sizes) == 1 and None not in sizes
        return seen

    def make_folder(self, folder: str) -> None:
        """Make a folder where workers are. Raises InputError unless it is one and the same folder for all of them."""
        probe = f"{folder}/.seen-{uuid4().hex}"
        try:
            self._on_one(_write, probe, b"")
            unseen = [worker for worker, sizes in self._client.run(_sizes, [probe]).items() if sizes == [None]]
        except OSError as error:
            raise InputError(f"workers can't write to {folder} ({error}): give `out` another place") from error
        finally:
            self._client.run(_remove, probe)
        if unseen:
            raise InputError(
                f"{folder} is not one folder for all workers: {', '.join(unseen)} don't see what another one writes "
                "there: give `out` a place on storage that all hosts share"
            )

    def write(self, path: str, data: bytes) -> None:
        """Write a small file where workers see it."""
        self._on_one(_write, path, data)

    def fetch(self, path: str, into: Path) -> None:
        """Copy a file from where workers see it."""
        with into.open("wb") as file:
            while chunk := self._on_one(_read, path, file.tell(), _CHUNK_BYTES):
                file.write(chunk)

    def exists(self, path: str) -> bool:
        """Whether a worker sees the file."""
        return bool(self._on_one(_sizes, [path])[0] is not None)

    def _on_one(self, function: Callable[..., Any], *arguments: Any) -> Any:
        workers = list(self._client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise InputError("the cluster has no workers yet: wait for them, or look at `issodask cluster status`")
        return self._client.run(function, *arguments, workers=workers[:1])[workers[0]]

    def _ask(self, what: str, **question: Any) -> Any:
        answer = self._client.sync(getattr(self._client.scheduler, f"issodask_{what}"), **question)
        if isinstance(answer, dict) and "error" in answer:
            raise InputError(answer["error"])
        return answer


@contextmanager
def open_service(scheduler: str | None) -> Iterator[Service]:
    """The desk of the cluster that `scheduler` names. Raises InputError when it does not answer."""
    client = connected(scheduler)
    try:
        yield Service(client)
    finally:
        client.close()


def _sizes(paths: list[str]) -> list[str | None]:
    """For each path what tells two files of one name apart: the size, of folders the names and sizes of their files."""
    return [_size(Path(path)) for path in paths]


def _size(path: Path) -> str | None:
    if path.is_file():
        return str(path.stat().st_size)
    if path.is_dir():
        files = sorted((file.name, file.stat().st_size) for file in path.iterdir() if file.is_file())
        return hashlib.sha256(repr(files).encode()).hexdigest()
    return None


def _write(path: str, data: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    work = f"{path}.{uuid4().hex[:8]}.work"
    Path(work).write_bytes(data)
    os.replace(work, path)


def _read(path: str, start: int, n_bytes: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(n_bytes)


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)
