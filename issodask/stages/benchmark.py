"""Benchmark: each synthesizer on each table, alone and with selection on top of its pool, and all pools together.

In: a study's settings. Out: `Studied`, and in the study's folder all trials, whose outcomes are kept: what is done is
not done again. A trial is a task for any worker, in a process of its own, so that whatever happens to it is a row.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from issodask import seeds
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import StudyFinished, TrialEnded
from issodask.models import external
from issodask.report.metrics import installed_versions
from issodask.report.standings import Standing
from issodask.report.studied import ALL_POOLS, ALONE, SELECTED, Row, Studied
from issodask.runtime import Runtime
from issodask.runtime.children import end_children
from issodask.stages.roles import KnownColumns
from issodask.stages.rules import rules_of
from issodask.stages.run import unit_of_rows
from issodask.stages.study_files import write_study
from issodask.stages.trial import DONE, REFUSED, Outcome, Trial, known_outcome, run_trial
from issodask.store.files import sole_writer, write_json
from issodask.store.frames import table_hash
from issodask.store.places import is_url
from issodask.store.run_folder import StudyFolder
from issodask.store.tables import as_table, write_rows
from issodask.store.types import take
from issodask.study import REAL, StudiedTable, StudyConfig

LEAST_UNITS = 40
"""Of each part of a table: with fewer there is nothing to be said."""

_Ended = Sequence[tuple[Trial, Outcome]]

_NOT_POOLED = ("copy", "perturb", REAL)


def benchmark(study: StudyConfig, runtime: Runtime, events: Events) -> Studied:
    """Make all trials that are not made yet, those of all pools together last, and write what they come to.

    Raises InputError for tables and synthesizers that can't be used, before anything is tried.
    """
    if is_url(study.out):
        raise InputError(
            f"a study keeps its trials on disk, but out is {study.out}: give a folder that all hosts share"
        )
    folder = Path(study.out).absolute()  # workers may run elsewhere
    with sole_writer(folder):
        runtime.check_seen(folder)
        studied = _benchmark(study, folder, runtime, events)
        write_study(studied, folder)
        events.emit(StudyFinished(trials=len(studied.rows)))
    return studied


def _benchmark(study: StudyConfig, folder: Path, runtime: Runtime, events: Events) -> Studied:
    files = StudyFolder(folder)
    for synthesizer in study.synthesizers:
        _check(synthesizer)
    write_json(files.settings, study.model_dump())
    versions = installed_versions()
    splits = [split for table in study.tables for split in _splits(table, study)]
    trials = [_trial(split, synthesizer, study, folder) for split in splits for synthesizer in study.synthesizers]
    n_all = len(trials) + (len(splits) if study.all_pools else 0)
    ended: list[tuple[Trial, Outcome]] = []

    def make(wanted: Sequence[Trial]) -> None:
        for trial, outcome in _made(wanted, splits, folder, runtime, versions):
            ended.append((trial, outcome))
            events.emit(TrialEnded(n=len(ended), of=n_all, name=trial.name, state=outcome.state, error=outcome.error))

    try:
        make(trials)
        if study.all_pools:
            make([_of_all_pools(split, study, folder, ended) for split in splits])
    except BaseException:
        end_children()  # threads would wait for their trials
        raise
    finally:
        shutil.rmtree(files.tables_of_rows, ignore_errors=True)  # real rows are kept no longer than they are needed
    return _studied(study, ended, versions)


def _check(synthesizer: str) -> None:
    """Raise InputError unless it can make rows of any table."""
    if external.is_callable_source(synthesizer):
        external.load(synthesizer)
    elif synthesizer not in ("mostlyai", REAL):
        external.check_no_name(synthesizer)
        raise InputError(f"{synthesizer!r} is no synthesizer: name one, or python:MODULE:NAME (a pool is of one table)")


# what is to be tried


@dataclass(frozen=True)
class _Split:
    """One draw of a table's units: to learn from, to test on, and other real ones."""

    table: StudiedTable
    source: Any
    train_rows: int
    repeat: int
    seed: int
    parts: Mapping[str, np.ndarray]
    source_hash: str

    @property
    def n_units(self) -> int:
        return len(self.parts["original"])

    def folder(self, study: Path) -> Path:
        return StudyFolder(study).tables_of_rows / _slug(self.table.title) / f"{self.train_rows}-{self.repeat}"

    def paths(self, study: Path) -> dict[str, str]:
        return {name: str(self.folder(study) / f"{name}.parquet") for name in self.parts}

    def write(self, study: Path) -> None:
        """The parts as files, where the trials find them."""
        folder = self.folder(study)
        if all(Path(path).is_file() for path in self.paths(study).values()):
            return
        folder.mkdir(parents=True, exist_ok=True)
        for name, units in self.parts.items():
            write_rows(take(self.source, np.flatnonzero(np.isin(self._units, units))), folder / f"{name}.parquet")

    @cached_property
    def _units(self) -> np.ndarray:
        return unit_of_rows(self.source, self.table.group_key)


def _splits(table: StudiedTable, study: StudyConfig) -> Iterator[_Split]:
    """Of each size and repeat; the people held out are the same whatever the size."""
    source = as_table(table.path, csv=table.csv.model_dump())
    known = KnownColumns.of(source, table.group_key, table.columns)
    rules_of(table.rules, source, known)  # say what is wrong with them before anything starts
    n_units = int(unit_of_rows(source, table.group_key).max()) + 1
    n_held_out = min(study.held_out, n_units // 3)
    n_others = n_units - n_held_out
    if n_held_out < LEAST_UNITS:
        raise InputError(
            f"table {table.title!r} has {n_units:,} units, but a study needs {3 * LEAST_UNITS}: give a larger one"
        )
    source_hash = table_hash(source)
    for size in study.train_rows:
        n_train = min(size, n_others // 2 if REAL in study.synthesizers else n_others)
        for repeat in range(1, study.repeats + 1):
            seed = study.seed + repeat - 1
            order = seeds.generator(seed, f"units of {table.title}").permutation(n_units)
            held_out, learnt = order[:n_held_out], order[n_held_out : n_held_out + n_train]
            parts = {"original": learnt, "holdout": held_out}
            if REAL in study.synthesizers:
                parts["spare"] = order[n_held_out + n_train :][:n_train]
            yield _Split(table, source, size, repeat, seed, parts, source_hash)


def _trial(split: _Split, synthesizer: str, study: StudyConfig, folder: Path) -> Trial:
    """A trial of one synthesizer, without what only some need: other real rows."""
    table, n_units, place = split.table, study.units or split.n_units, StudyFolder(folder).trials
    paths = split.paths(folder)
    if synthesizer != REAL:
        paths.pop("spare", None)
    settings = {
        "generate": study.generate.model_dump(),
        "select": study.select.model_dump(),
        "evaluate": study.evaluate.model_dump(),
        "rules": table.rules.model_dump(),
        "predict": study.evaluate.predict if table.predict is None else table.predict,
        "group_key": table.group_key,
        "columns": table.columns,
        "table": split.source_hash,
        "held_out": len(split.parts["holdout"]),
    }
    return Trial(
        folder=str(place / _slug(table.title) / _slug(synthesizer) / f"{split.train_rows}-{split.repeat}"),
        table=table.title,
        synthesizer=synthesizer,
        train_rows=split.train_rows,
        repeat=split.repeat,
        seed=split.seed,
        n_units=n_units,
        n_pool=study.pool_factor * n_units,
        limit_s=study.limit_s,
        tables=paths,
        settings=settings,
    )


def _of_all_pools(split: _Split, study: StudyConfig, folder: Path, ended: _Ended) -> Trial:
    """The trial that selects from what all synthesizers made of the same units, but real rows and near copies."""
    trial = _trial(split, ALL_POOLS, study, folder)
    own = [
        other
        for other, outcome in ended
        if (other.table, other.train_rows, other.repeat) == (trial.table, trial.train_rows, trial.repeat)
        and outcome.state == DONE
        and other.synthesizer.split(":")[0] not in _NOT_POOLED
    ]
    pools = tuple(str(other.run.pool) for other in own)
    return replace(trial, pools=pools, settings={**trial.settings, "pooled": [other.synthesizer for other in own]})


def _slug(text: str) -> str:
    """A name that a folder may have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text)


# trying


def _made(
    trials: Sequence[Trial], splits: Sequence[_Split], folder: Path, runtime: Runtime, versions: Mapping[str, str]
) -> Iterator[tuple[Trial, Outcome]]:
    """Each trial with its outcome: first those that were made before, then the others as they end."""
    others = []
    for trial in trials:
        known = known_outcome(trial, versions)
        if known is None:
            others.append(trial)
        else:
            yield trial, known
    able = [trial for trial in others if trial.synthesizer != ALL_POOLS or trial.pools]
    wanted = {path for trial in able for path in trial.tables.values()}
    for split in splits:
        if not wanted.isdisjoint(split.paths(folder).values()):
            split.write(folder)
    yield from zip(able, runtime.map(run_trial, able, versions, label="trial"), strict=True)
    for trial in others:
        if trial not in able:
            yield trial, Outcome(REFUSED, "no synthesizer made a pool of these units")


def _studied(study: StudyConfig, ended: _Ended, versions: Mapping[str, str]) -> Studied:
    rows, landmarks = [], {}
    for trial, outcome in ended:
        rows += _rows(trial, outcome)
        found = {name: Standing(**one) for name, one in outcome.standings.items() if name in ("original", "holdout")}
        if found:
            landmarks[trial.table, trial.train_rows, trial.repeat] = found
    place = {table.title: i for i, table in enumerate(study.tables)}
    order = {name: i for i, name in enumerate([*study.synthesizers, ALL_POOLS])}
    rows.sort(key=lambda row: (place[row.table], row.train_rows, order[row.synthesizer], row.way, row.repeat))
    return Studied(rows, landmarks, study.model_dump(), versions)


def _rows(trial: Trial, outcome: Outcome) -> list[Row]:
    told: dict[str, Any] = {
        "table": trial.table,
        "synthesizer": trial.synthesizer,
        "train_rows": trial.train_rows,
        "repeat": trial.repeat,
        "state": outcome.state,
        "error": outcome.error,
        "peak_gb": outcome.peak_gb,
    }
    if outcome.state != DONE:
        return [Row(**told, way="", seconds=outcome.total_s)]
    generate = outcome.seconds.get("generate", 0.0)
    seconds = {ALONE: generate, SELECTED: generate + outcome.seconds.get("select", 0.0)}
    return [
        Row(**told, way=way, seconds=round(seconds[way], 2), standing=Standing(**outcome.standings[way]))
        for way in (ALONE, SELECTED)
        if way in outcome.standings
    ]
