"""`python -m issodask.stages.trial_work FOLDER`: what a trial's own process does, in one thread.

In: the trial's folder. Out: what was found so far, in a file of its own, whatever ends the process; one line and exit
code 2 for what a user can mend.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from issodask.config import EvaluateConfig, GenerateConfig, RulesConfig, SelectConfig
from issodask.errors import InputError
from issodask.report.studied import ALONE, SELECTED
from issodask.runtime.children import end_group, end_with_parent
from issodask.runtime.local import Serial
from issodask.stages.compare import compare
from issodask.stages.generate import generate
from issodask.stages.roles import KnownColumns
from issodask.stages.run import sample_pool
from issodask.stages.select import select
from issodask.stages.trial import BAD_INPUT, Trial
from issodask.store.files import file_hash, read_json, write_json
from issodask.store.pool import MANIFEST, Pool, open_pool
from issodask.store.run_folder import RunFolder
from issodask.store.tables import read_table, write_rows
from issodask.validation import validated


def main() -> None:
    end_with_parent(end_group)
    try:
        make(Trial.read(Path(sys.argv[1])))
    except InputError as error:
        print(f"issodask: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        sys.exit(BAD_INPUT)


def make(trial: Trial) -> None:
    """Do all of it. Raises InputError for what can't be used."""
    notes = _Notes(trial.found, trial.took)
    original = read_table(trial.tables["original"])
    published = _published(trial, original, notes)
    notes.begin("measure")
    evaluate = trial.settings["evaluate"] | {"predict": trial.settings["predict"]}
    found = compare(
        original,
        published,
        trial.tables["holdout"],
        validated(EvaluateConfig, evaluate, "[evaluate]"),
        trial.seed,
        trial.settings["group_key"],
        trial.settings["columns"],
        validated(RulesConfig, trial.settings["rules"], "rules"),
    )
    notes.end(standings={name: one.to_dict() for name, one in found.standings.items()})


def _published(trial: Trial, original: Any, notes: "_Notes") -> Mapping[str, Path]:
    """The synthesizer alone, as random units of its pool, and the subset that is selected from that.

    Other real rows are published as they are.
    """
    if "spare" in trial.tables:
        return {ALONE: Path(trial.tables["spare"])}
    folder, runtime = Path(trial.folder), Serial()
    group_key, columns = trial.settings["group_key"], trial.settings["columns"]
    notes.begin("generate")
    pool = _pool(trial, original, runtime)
    notes.end(made=None if trial.pools else trial.run.pool / MANIFEST)
    notes.begin("select")
    config = validated(SelectConfig, trial.settings["select"] | {"units": trial.n_units}, "[select]")
    alone, subset = folder / "alone.parquet", RunFolder(folder).subset
    chosen = select(
        original,
        pool,
        subset,
        config,
        group_key=group_key,
        seed=trial.seed,
        folder=trial.run.path,
        runtime=runtime,
        columns=columns,
    )
    notes.end(made=subset)
    known = KnownColumns.of(original, group_key, columns)
    write_rows(sample_pool(pool, chosen, known, trial.seed, runtime), alone)
    return {ALONE: alone, SELECTED: subset}


def _pool(trial: Trial, original: Any, runtime: Serial) -> Pool:
    if trial.pools:
        return open_pool(_gathered(trial))
    config = validated(GenerateConfig, trial.settings["generate"] | {"source": trial.synthesizer}, "[generate]")
    settings = trial.settings
    group_key, columns = settings["group_key"], settings["columns"]
    return generate(original, config, trial.n_pool, trial.run.path, trial.seed, runtime, None, group_key, columns)


def _gathered(trial: Trial) -> Path:
    """All parts of the given pools in one folder."""
    place = Path(trial.folder) / "pools"
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        old.unlink()
    for i, pool in enumerate(trial.pools):
        for part in sorted(Path(pool).glob("*.parquet")):
            os.link(part, place / f"{i:02d}-{part.name}")
    return place


class _Notes:
    """What is found, written as soon as it is there; and how long it took to make what an earlier attempt left."""

    def __init__(self, path: Path, took: Path) -> None:
        self._path = path
        self._took = took
        self._values: dict[str, Any] = {"phase": "generate", "seconds": {}, "standings": {}}
        self._began = monotonic()

    def begin(self, phase: str) -> None:
        self._values["phase"], self._began = phase, monotonic()
        write_json(self._path, self._values)

    def end(self, made: Path | None = None, **values: Any) -> None:
        """The phase is over; the file that it `made` says whether it is the work of an earlier attempt."""
        phase = self._values["phase"]
        self._values["seconds"][phase] = self._seconds(phase, made)
        self._values.update(values)
        write_json(self._path, self._values)

    def _seconds(self, phase: str, made: Path | None) -> float:
        seconds = round(monotonic() - self._began, 2)
        if made is None:
            return seconds
        took, hashed = read_json(self._took) or {}, file_hash(made)
        if took.get(phase, [""])[0] == hashed:
            return max(seconds, took[phase][1])
        write_json(self._took, {**took, phase: [hashed, seconds]})
        return seconds


if __name__ == "__main__":
    main()
