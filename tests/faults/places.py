"""Where the disturbed runs lie: in a folder of this machine, or in a store that is itself one of the victims."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from issodask.host import PROCESS_FOLDER
from tests import stores
from tests.faults import job as jobs


class Place(Protocol):
    """What is asked of the place of all runs; a run is named by its folder there."""

    def out(self, name: str) -> str:
        """What the job file says."""

    def copy_pool(self, from_run: str, to_run: str) -> None:
        """Begin a run where another one of the same job has its generators and its pool."""

    def results(self, name: str) -> dict[str, bytes]:
        """The bytes of the results and of the pool that they came from."""

    def remove(self, name: str) -> None:
        """Forget a run."""

    def told(self, name: str) -> list[dict[str, Any]]:
        """The events of a run so far."""

    def is_driver(self, command: list[str], name: str) -> bool:
        """Whether this is the command of the process that drives the run."""


class OnDisk:
    """Runs are folders of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def out(self, name: str) -> str:
        return str(self._folder / name)

    def copy_pool(self, from_run: str, to_run: str) -> None:
        for part in jobs.PARTS_OF_POOL:
            shutil.copytree(self._folder / from_run / part, self._folder / to_run / part)

    def results(self, name: str) -> dict[str, bytes]:
        out = self._folder / name
        pool = {f"pool/{path.name}": path.read_bytes() for path in sorted((out / "pool").glob("*.parquet"))}
        return pool | {result: (out / result).read_bytes() for result in jobs.RESULTS}

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def told(self, name: str) -> list[dict[str, Any]]:
        path = self._folder / name / "events.jsonl"
        return jobs.records(path.read_bytes() if path.is_file() else b"")

    def is_driver(self, command: list[str], name: str) -> bool:
        return any(part.startswith(f"{self._folder / name}/") for part in command)


class InStore:
    """Runs lie in a store; processes find it by their environment."""

    def __init__(self, store: stores.Store) -> None:
        self._store = store

    def out(self, name: str) -> str:
        return self._store.url(name)

    def copy_pool(self, from_run: str, to_run: str) -> None:
        for path, data in self._store.all_files(from_run).items():
            if path.startswith(tuple(f"{part}/" for part in jobs.PARTS_OF_POOL)):
                self._store.files.pipe(f"{self._store.bucket}/{to_run}/{path}", data)

    def results(self, name: str) -> dict[str, bytes]:
        files = self._store.all_files(name)
        parts = {path: data for path, data in files.items() if path.startswith("pool/") and path.endswith(".parquet")}
        return parts | {result: files[result] for result in jobs.RESULTS}

    def remove(self, name: str) -> None:
        self._store.files.rm(f"{self._store.bucket}/{name}", recursive=True)

    def told(self, name: str) -> list[dict[str, Any]]:
        return jobs.records(self._store.file(f"{name}/events.jsonl"))

    def is_driver(self, command: list[str], name: str) -> bool:
        return any(PROCESS_FOLDER in part for part in command)  # the job file is copied from the store

    def take_away(self) -> None:
        """The store does not answer for some seconds; what it holds stays."""
        self._store.shut()
        time.sleep(_AWAY_S)
        self._store.open()


_AWAY_S = 5.0


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Any]:
    """The place of the runs of one kind."""
    if kind not in jobs.KINDS_IN_STORE:
        yield OnDisk(folder)
        return
    with stores.running("faults") as store:
        before = dict(os.environ)
        os.environ.update(store.environment())
        try:
            yield InStore(store)
        finally:
            os.environ.clear()
            os.environ.update(before)
