"""Run: the whole job, from the original to the report; what is finished and intact is skipped.

In: a job. Out: its directory: pool, codes, subset and lineage, metrics.json, report.html, card.md, events.jsonl.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from issodask import seeds
from issodask.config import GenerateConfig, JobConfig, RulesConfig, TargetConfig
from issodask.errors import InputError
from issodask.event_log import Events
from issodask.events import Evaluating, RunFinished
from issodask.host import check_installed
from issodask.runtime import Runtime, open_runtime, told
from issodask.stages.asked import Asked, asked_of
from issodask.stages.evaluate import evaluate
from issodask.stages.generate import generate
from issodask.stages.impute import impute
from issodask.stages.original import KnownOriginal
from issodask.stages.place import PoolSize, makes_pool, place_to_make
from issodask.stages.roles import KnownColumns
from issodask.stages.select import Selected, select
from issodask.stages.write import read_units
from issodask.store.copies import copies_of
from issodask.store.files import file_hash, read_json, sole_writer, write_json
from issodask.store.frames import key_codes, table_hash
from issodask.store.logs import growing_file
from issodask.store.places import folder_of_run, is_remote, storage
from issodask.store.pool import Pool
from issodask.store.receipts import Receipt, key_of
from issodask.store.run_folder import RunFolder
from issodask.store.tables import as_table, check_place
from issodask.store.types import take
from issodask.table.groups import Groups
from issodask.table.roles import checked_names

if TYPE_CHECKING:
    from issodask.runtime.opening import Client

POOL_UNITS_PER_UNIT = 20
MOST_TIMES_LARGER = 10
"""A pool may be that much larger where rare units are asked for."""


@dataclass(frozen=True)
class Finished:
    """Where the results of a job lie, the content of its metrics.json, and what it learnt from (as Arrow)."""

    subset: Path
    report: Path
    metrics: dict[str, Any]
    selected: Selected
    pool: Pool
    original: Any


def run(
    job: JobConfig,
    events: Events | None = None,
    client: "Client | None" = None,
    columns: Mapping[str, str] | None = None,
) -> Finished:
    """Generate, select, evaluate; on the job's runtime, or on the cluster of a Dask `client`.

    `columns`: roles of columns, by name, beside those that the job names.

    Raises InputError for a job or input that can't be used, LostError when the cluster is lost on the way.
    """
    check_installed("mostlyai.qa", "the report at the end of a run")
    job = with_roles(job, columns)
    with storage(job.storage):
        folder = RunFolder(folder_of_run(job.out))
        for place in (
            job.original.path,
            job.original.holdout,
            None if makes_pool(job.generate) else job.generate.source_name,
        ):
            check_place(place)
        with sole_writer(folder.path), growing_file(folder.events) as told:
            return _run(job, folder, events or Events(told), client or job.runtime.scheduler)


def _run(job: JobConfig, folder: RunFolder, events: Events, scheduler: "str | Client | None") -> Finished:
    original, holdout = read_original(job)
    write_json(folder.job, job.model_dump())
    if job.original.impute:
        original = _without_gaps(original, job, folder, events, scheduler)
    pool, generate_s = make_pool(original, job, folder, events, scheduler)
    with _watched_runtime(job, folder, events, job.runtime.workers, scheduler) as runtime:
        if not is_remote(pool.folder):
            runtime.check_seen(pool.folder)
        selected = select(
            original,
            pool,
            folder.subset,
            job.select,
            group_key=job.original.group_key,
            seed=job.seed,
            folder=folder.path,
            runtime=runtime,
            events=events,
            columns=job.columns,
            held_out=holdout if job.original.holdout_share is not None else None,
            target=job.target,
            rules=job.rules,
        )
        selected = replace(selected, facts=selected.facts.of_job(job.model_dump(), generate_s))
        receipt = Receipt(folder.evaluated, _evaluation_key(job, original, holdout, selected), _reports(job, folder))
        if receipt.is_valid():
            metrics = read_json(folder.metrics)
        else:
            known = KnownColumns.of(original, job.original.group_key, job.columns)
            sample = sample_pool(pool, selected, known, job.seed, runtime)
            metrics = _evaluate(job, folder, original, holdout, sample, selected, events)
            receipt.write()
        events.emit(RunFinished(accuracy=selected.accuracy))
    return Finished(folder.subset, folder.report, metrics, selected, pool, original)


def _without_gaps(
    original: Any, job: JobConfig, folder: RunFolder, events: Events, scheduler: "str | Client | None"
) -> Any:
    """The original, filled where the job says so; what an earlier run filled is read."""
    trained = job.generate.model_copy(update={"source": "mostlyai"})
    with _watched_runtime(job, folder, events, *_place_to_train(trained, 1, scheduler)) as runtime:
        filled = impute(
            original,
            job.original.impute,
            trained,
            folder.path / "impute",
            runtime,
            seed=job.seed,
            roles=job.columns,
            events=events,
        )
    return filled[0]


@contextmanager
def _watched_runtime(
    job: JobConfig, folder: RunFolder, events: Events, workers: int | None, scheduler: "str | Client | None"
) -> Iterator[Runtime]:
    """A runtime that has its files in the run's folder and passes the run's events on."""
    with (
        open_runtime(workers, scheduler) as runtime,
        told(runtime, events, folder.path),
        growing_file(folder.dask_report) if job.runtime.performance_report else nullcontext() as report,
        runtime.performance_report(report),
        copies_of(folder.path, runtime.everywhere),
    ):
        runtime.check_seen(folder.path)
        runtime.keep_in(folder.path)
        yield runtime


def with_roles(job: JobConfig, columns: Mapping[str, str] | None) -> JobConfig:
    """The job with these roles of columns beside its own."""
    return job.model_copy(update={"columns": {**job.columns, **checked_names(columns)}})


def read_original(job: JobConfig) -> tuple[Any, Any | None]:
    """The original and the holdout, as Arrow (split off by the job's seed, read from its own file, or none)."""
    csv = job.original.csv.model_dump()
    table = as_table(job.original.path, csv=csv)
    if job.original.holdout is not None:
        return table, as_table(job.original.holdout, csv=csv)
    if job.original.holdout_share is None:
        return table, None
    units = unit_of_rows(table, job.original.group_key)
    n_units = int(units.max()) + 1
    n_holdout = round(n_units * job.original.holdout_share)
    if not 0 < n_holdout < n_units:
        raise InputError(
            f"[original] holdout_share {job.original.holdout_share} of {n_units:,} units leaves one side empty: "
            "change it, or leave it out"
        )
    order = seeds.generator(job.seed, "holdout").permutation(n_units)
    is_held_out = np.isin(units, order[:n_holdout])
    return take(table, np.flatnonzero(~is_held_out)), take(table, np.flatnonzero(is_held_out))


def unit_of_rows(table: Any, group_key: str | None) -> NDArray[np.int64]:
    """The number of the unit that each row belongs to."""
    if group_key is None:
        return np.arange(table.num_rows)
    groups = Groups.of(key_codes(table, group_key, "the original"), where="the original")
    units = np.empty(table.num_rows, np.int64)
    units[groups.order] = np.repeat(np.arange(groups.n_groups), groups.lengths)
    return units


def make_pool(
    original: Any,
    job: JobConfig,
    folder: RunFolder,
    events: Events,
    scheduler: "str | Client | None",
) -> tuple[Pool, float]:
    """The pool, and the seconds that making it took (0 when it was there)."""
    group_key = job.original.group_key
    asked = None
    if job.target != TargetConfig() or job.rules != RulesConfig():  # say what is wrong with it before anything starts
        known = KnownOriginal.of(original, group_key, job.columns)
        asked = asked_of(job.target, job.rules, original, known, job.select.units)
    balance = None if asked is None or group_key is not None or job.generate.source != "mostlyai" else asked.balance
    n_units = pool_units(original, group_key, job.generate, job.select.units, asked)
    size = PoolSize.of(original, n_units, group_key) if makes_pool(job.generate) else None
    began = monotonic()
    with _watched_runtime(
        job, folder, events, *_place_to_train(job.generate, job.runtime.workers, scheduler, size)
    ) as runtime:
        pool = generate(
            original, job.generate, n_units, folder.path, job.seed, runtime, events, group_key, job.columns, balance
        )
    return pool, round(monotonic() - began, 2)


def pool_units(
    original: Any, group_key: str | None, config: GenerateConfig, n_selected: int | None, asked: Asked | None = None
) -> int:
    """The units that a pool is to have: as given, or so many for each that will be selected (default: all).

    More, where more units are asked for in a cell than the original has a share of: a pool like it has to have them.
    """
    if config.units is not None:
        return config.units
    if asked is not None:
        is_balanced = group_key is None and config.source == "mostlyai"
        scarcity = asked.scarcity_beside(asked.balance if is_balanced else None)
        return round(POOL_UNITS_PER_UNIT * asked.n_units * min(MOST_TIMES_LARGER, max(1.0, scarcity / 2)))
    return POOL_UNITS_PER_UNIT * (n_selected or int(unit_of_rows(original, group_key).max()) + 1)


def sample_pool(pool: Pool, selected: Selected, known: KnownColumns, seed: int, runtime: Runtime) -> Any:
    """What the subset would be without selection: as many units, drawn at random from the pool."""
    n_pool = selected.facts.pool_units
    units = seeds.generator(seed, "random sample").choice(n_pool, min(selected.n_units, n_pool), replace=False)
    return read_units(pool, units, known, runtime)


def _place_to_train(
    config: GenerateConfig, workers: int | None, scheduler: "str | Client | None", size: PoolSize | None = None
) -> "tuple[int | None, str | Client | None]":
    """Processes where threads are asked for: these share one, in which there can be but one training at a time."""
    return place_to_make(config, workers, None if scheduler == "threads" else scheduler, size)


def _evaluation_key(job: JobConfig, original: Any, holdout: Any | None, selected: Selected) -> str:
    """Names all that metrics and report follow from."""
    return key_of(
        file_hash(selected.out),
        table_hash(original),
        None if holdout is None else table_hash(holdout),
        [source.pool_units for source in selected.facts.lineage],
        selected.rounds,
        job.model_dump(exclude={"runtime": True, "select": {"checkpoint_s"}}),
    )


def _reports(job: JobConfig, folder: RunFolder) -> list[Path]:
    """What evaluation leaves."""
    made = [folder.metrics, folder.report, folder.card, folder.card_record]
    return [*made, *([folder.qa_report] if job.evaluate.qa_report else [])]


def _evaluate(
    job: JobConfig,
    folder: RunFolder,
    original: Any,
    holdout: Any | None,
    sample: Any,
    selected: Selected,
    events: Events,
) -> dict[str, Any]:
    events.emit(Evaluating(n=0, of=1, what="accuracy, distances, report"))
    metrics = evaluate(
        original,
        selected.out,
        holdout,
        sample,
        job.evaluate,
        seed=job.seed,
        select_facts=selected.facts,
        events_path=events.path,
        json_path=folder.metrics,
        html_path=folder.report,
        qa_path=folder.qa_report,
        card_path=folder.card,
        title=folder.name,
        group_key=job.original.group_key,
        columns=job.columns,
        asked=selected.asked,
    )
    events.emit(Evaluating(n=1, of=1, what="done"))
    return metrics
