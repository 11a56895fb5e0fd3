"""The jobs that a manager knows: what each is and has told, and the list on disk that outlives the scheduler."""

import json
import logging
import os
import time
from collections import UserDict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from issodask.errors import InputError
from issodask.progress import Progress
from issodask.service.told import Told
from issodask.store.places import place, read_bytes
from issodask.store.run_folder import RunFolder

logger = logging.getLogger("distributed.issodask")

RUN, BENCHMARK = "run", "benchmark"
"""The commands that do jobs and studies."""

_MOST_WATCHED = 50


@dataclass
class Job:
    """A job at the manager. Times are seconds since 1970; `job_path` is the job file, in the run's folder, and `verb`
    the command that does it.

    state: queued, running, finished, failed, cancelled; or seen, when somebody else drives it and only tells of it
    """

    id: str
    name: str
    out: str
    job_path: str
    state: str = "queued"
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    attempts: int = 0
    error: str = ""
    pid: int | None = None
    host: str = ""
    worker: str = ""
    accuracy: float | None = None
    verb: str = RUN

    @property
    def is_over(self) -> bool:
        return self.state in ("finished", "failed", "cancelled")


class Jobs(UserDict[str, Job]):
    """Jobs by their ids. With a folder each has a note there."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self.told: dict[str, Told] = {}
        self._folder = folder

    def progress_of(self, job: Job) -> Progress:
        """How far a job is, as far as it has told."""
        return self.told[job.id].progress if job.id in self.told else Progress()

    def forget_old(self) -> None:
        """Keep what is to see of the last jobs; the others stay on the list."""
        over = [id for id in self.told if id not in self or self[id].is_over]
        for id in over[:-_MOST_WATCHED]:
            del self.told[id]

    def save(self, job: Job) -> None:
        """Note a job on disk, unless somebody else drives it."""
        if self._folder is None or job.state == "seen":
            return
        path = self._folder / f"{job.id}.json"
        work = path.with_suffix(".work")
        try:
            work.write_text(json.dumps(asdict(job), indent=1), encoding="utf-8")
            os.replace(work, path)
        except OSError as error:  # a full disk should not stop the jobs that still can go on
            logger.error("job %s could not be noted in %s: %s", job.id, path, error)

    def read(self) -> list[Job]:
        """Take up what an earlier scheduler noted; return the jobs that are not over."""
        for path in sorted(self._folder.glob("*.json")) if self._folder else []:
            try:
                job = Job(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError) as error:
                logger.error("%s is no note of a job (%s): left alone", path, error)
                continue
            self[job.id] = job
        return [job for job in self.values() if not job.is_over]

    def read_events(self, job: Job) -> None:
        """What the job told before this scheduler was started, where its folder can be seen from here."""
        told = self.told.setdefault(job.id, Told())
        with suppress(OSError, InputError):
            lines = (read_bytes(RunFolder(place(job.out)).events) or b"").decode("utf-8", errors="replace")
            for line in lines.splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    told.hear(json.loads(line))
