"""The way through the zoo: for each table a split, for each kind of pool a pool, a selection, an evaluation.

Each step is a process of its own with a time limit, so whatever happens to it is a row of the table. What is finished
has a receipt, with the hash of all that it follows from; it is not done again.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any

from issodask.store.files import read_json, write_json
from tests.zoo.tables import KINDS, Table

_ROOT = Path(__file__).parents[2]
_COPULA = "python:examples/copula.py:draw"
_MODEL = "MOSTLY_AI/Medium"
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": ""}

STEPS = ("pool", "select", "evaluate")
"""Of each case, in order; the split before them is the table's."""

Tell = Callable[[str], None]


class FailedError(Exception):
    """A step ended in an error, or not in time; the message is one line of what it said."""


@dataclass(frozen=True)
class Case:
    """One table with one kind of pool, and its folders within that of the zoo."""

    table: Table
    kind: str
    zoo: Path

    @property
    def home(self) -> Path:
        return self.zoo / self.table.name

    @property
    def folder(self) -> Path:
        return self.home / self.kind

    @property
    def name(self) -> str:
        return f"{self.table.name} {self.kind}"

    def found(self) -> dict[str, Any]:
        """What there is to say of it: receipts of its steps, and how it failed if it did."""
        paths = {"split": self.home, "cells": self.home, **dict.fromkeys(STEPS, self.folder)}
        notes = {step: read_json(folder / f"{step}.json") for step, folder in paths.items()}
        return {step: note["found"] for step, note in notes.items() if note} | (
            read_json(self.folder / "failed.json") or {}
        )


class Zoo:
    """Runs cases, some side by side."""

    def __init__(self, limit_s: float, tell: Tell) -> None:
        self._limit_s = limit_s
        self._tell = tell
        self._locks: dict[str, Lock] = {}
        self._running: set[subprocess.Popen[str]] = set()

    def run(self, cases: Sequence[Case], jobs: int) -> None:
        """Run what is not finished, trainings first, so that no core is idle at the end.

        The locks keep two kinds from splitting the same table.
        """
        self._locks = {case.table.name: Lock() for case in cases}
        in_order = sorted(cases, key=lambda case: list(KINDS).index(case.kind))
        with ThreadPoolExecutor(jobs) as threads:
            running = [threads.submit(self._run, case) for case in in_order]
            try:
                for i, done in enumerate(as_completed(running), 1):
                    self._tell(f"{i:3} of {len(cases)}   {done.result()}")
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
                for process in list(self._running):
                    _end(process)

    def _run(self, case: Case) -> str:
        case.folder.mkdir(parents=True, exist_ok=True)
        (case.folder / "failed.json").unlink(missing_ok=True)
        began = perf_counter()
        step = "split"
        try:
            with self._locks[case.table.name]:
                key = self._split(case)
                step = "cells"
                self._cells(case, key)
            step = "pool"
            key = self._pool(case, key)
            step = "select"
            key = self._select(case, key)
            step = "evaluate"
            if case.kind == "trained":
                self._evaluate(case, key)
        except FailedError as error:
            write_json(case.folder / "failed.json", {"failed": {"step": step, "said": str(error)}})
            return f"{case.name}: {step} failed after {perf_counter() - began:.0f} s: {error}"
        found = case.found()["select"]
        return f"{case.name}: {found['random']:.4f} -> {found['subset']:.4f}, {perf_counter() - began:.0f} s"

    def _split(self, case: Case) -> str:
        settings = case.table.split
        key = _hash(settings)

        def make() -> dict[str, Any]:
            return self._found("split", **settings, folder=str(case.home))

        _receipt(case.home / "split.json", key, make)
        return key

    def _cells(self, case: Case, of: str) -> None:
        original = str(case.home / "original.parquet")
        _receipt(case.home / "cells.json", of, lambda: self._found("cells", original=original, key=case.table.key))

    def _pool(self, case: Case, of: str) -> str:
        table, pool = case.table, case.folder / "pool"
        units = read_json(case.home / "split.json")["found"]["units"] * table.pool
        original = str(case.home / "original.parquet")
        generate = _generate(case, units)
        arguments = {"key": table.key, "units": units, "is_bad": case.kind == "bad"}

        def make() -> dict[str, Any]:
            _remove(pool, case.folder / "made")
            if not generate:
                return self._found("pool", original=original, **arguments, folder=str(pool))
            made = case.folder / "made"
            self._finish(["issodask", "generate", "--original", original, "--pool", str(made), *generate])
            (made / "pool").rename(pool)
            _remove(made)
            return {}

        key = _hash([of, generate or arguments])
        _receipt(case.folder / "pool.json", key, make)
        return key

    def _select(self, case: Case, of: str) -> str:
        paths = {"original": case.home / "original.parquet", "pool": case.folder / "pool", "out": _subset(case)}

        def make() -> dict[str, Any]:
            work = _subset(case).with_suffix(".work")
            _remove(work)
            found = self._found("select", **{name: str(path) for name, path in paths.items()}, key=case.table.key)
            _remove(work)
            return found

        _receipt(case.folder / "select.json", of, make)
        return of

    def _evaluate(self, case: Case, of: str) -> None:
        """The report, and how a second real sample (the holdout) scores."""
        json_path = case.folder / "metrics.json"
        command = ["issodask", "evaluate", "--original", str(case.home / "original.parquet")]
        command += ["--subset", str(_subset(case)), "--holdout", str(case.home / "holdout.parquet")]
        command += ["--json", str(json_path), "--html", str(case.folder / "report.html"), *_group_key(case.table)]

        def make() -> dict[str, Any]:
            self._finish(command)
            against = read_json(json_path)["issodask"]["accuracy"]["against_original"]
            return {"holdout": against["holdout"]["overall"]}

        _receipt(case.folder / "evaluate.json", of, make)

    def _found(self, step: str, **arguments: Any) -> dict[str, Any]:
        said = self._finish(["tests.zoo.steps", step, json.dumps(arguments)])
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found

    def _finish(self, module: Sequence[str]) -> str:
        """Run `python -m` with these arguments to its end; return what it printed."""
        with subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=_ROOT,
            env=os.environ | _ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            self._running.add(process)
            try:
                said, complained = process.communicate(timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                _end(process)
                raise FailedError(f"not done after {self._limit_s:g} s") from None
            finally:
                self._running.discard(process)
        if process.returncode:
            lines = [line for line in complained.splitlines() if line.strip()]
            raise FailedError(lines[-1].strip()[:500] if lines else f"exit code {process.returncode}")
        return said


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a step that is not over, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def forget(cases: Iterable[Case], step: str) -> None:
    """Let a step of these cases (of STEPS) be done again, with what follows from it."""
    for case in cases:
        for each in STEPS[STEPS.index(step) :]:
            (case.folder / f"{each}.json").unlink(missing_ok=True)


def _generate(case: Case, units: int) -> list[str]:
    """The options of `issodask generate` for this case; none where its pool is made otherwise."""
    shared = ["--units", str(units), "--generators", "1", "--scheduler", "serial", *_group_key(case.table)]
    if case.kind == "trained":
        return [*shared, "--model", _MODEL, "--max-training-time", str(case.table.minutes)]
    return [*shared, "--source", _COPULA] if case.kind == "crude" and case.table.key is None else []


def _group_key(table: Table) -> list[str]:
    return [] if table.key is None else ["--group-key", table.key]


def _subset(case: Case) -> Path:
    return case.folder / "subset.parquet"


def _receipt(path: Path, key: str, make: Callable[[], dict[str, Any]]) -> None:
    """Unless there is a receipt with this key: do it, and leave one."""
    note = read_json(path)
    if note is not None and note["key"] == key:
        return
    path.unlink(missing_ok=True)
    began = perf_counter()
    found = make()
    write_json(path, {"key": key, "found": {"took_s": perf_counter() - began, **found}})


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
