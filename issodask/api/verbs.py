"""generate, select, run, plan: the stages' verbs for people.

All take their arguments in one order: original, pool, units, group_key, seed, runtime, folder; then the settings. What
they share: where the work runs, what is shown of it, and what Ctrl-C leaves.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.api.folders import Folder
from issodask.api.report import Report
from issodask.api.results import Finished, Plan, Pool, Selection
from issodask.api.settings import with_settings
from issodask.api.stores import reaching_stores
from issodask.api.target import Target, target_of
from issodask.api.working import opened, work
from issodask.config import GenerateConfig, JobConfig, RulesConfig, SelectConfig, job_of
from issodask.validation import validated

if TYPE_CHECKING:
    from issodask.api.working import Where


@with_settings("generate", leave_out=["csv"])
@reaching_stores
def generate(
    original: Any,
    *,
    units: int | None = None,
    group_key: str | None = None,
    seed: int = 1,
    runtime: "Where" = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    columns: Mapping[str, str] | None = None,
    csv: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    config: GenerateConfig,
) -> Pool:
    """Make a pool of units like those of `original`: by generators that are trained here, or by one of your own.

    original   the private table: of pandas, Arrow, polars or Dask, or a path of Parquet or CSV
    units      of the whole pool, rows or groups; default: 20 for each of the original
    group_key  the column that says which rows belong together, where units are groups
    seed       the same seed gives the same pool
    runtime    serial, threads, processes, cluster (of `issodask cluster up`), an address, a Dask client, or an object
               of your own (issodask.protocols.Runtime); default: processes, one per generator, more for a large pool
    folder     where the pool and its generators are kept, to go on from there; default: one that goes with the pool
    workers    how many; default: one per processor
    columns    roles of columns by name, where they are not found right: number, time, category, text, id, constant
    csv        how CSV files are written, where that can't be found in them: separator, decimal and encoding
    storage_options  options of fsspec's file systems that reach stores (s3://, gs:// ...), where the
                     environment doesn't say
    progress   show it; default: in a terminal or a notebook

    `source` may also be a function (original, n, seed) -> table, or an object as issodask.protocols.Generator says.
    """
    from issodask.stages.generate import generate
    from issodask.stages.place import PoolSize, makes_pool, place_to_make
    from issodask.stages.run import pool_units
    from issodask.store.tables import as_table

    kept = Folder(folder)
    table = as_table(original, where="the original", csv=csv)
    n_units = pool_units(table, group_key, config, None)
    size = PoolSize.of(table, n_units, group_key) if makes_pool(config) else None
    workers, default = place_to_make(config, workers, None, size) if runtime is None else (workers, None)
    with work("generate", kept, progress) as events, opened(runtime or default, workers, events, kept.path) as place:
        made = generate(table, config, n_units, kept.path, seed, place, events, group_key, columns)
    return Pool(made, kept)


@with_settings("select")
@reaching_stores
def select(
    original: Any,
    pool: Any,
    out: str | Path | None = None,
    *,
    units: int | None = None,
    group_key: str | None = None,
    seed: int = 1,
    runtime: "Where" = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    columns: Mapping[str, str] | None = None,
    held_out: Any | None = None,
    csv: Mapping[str, Any] | None = None,
    pool_csv: Mapping[str, Any] | None = None,
    target: "Target | Mapping[str, Any] | None" = None,
    rules: "Mapping[str, Any] | RulesConfig | None" = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    config: SelectConfig,
) -> Selection:
    """Select the subset of a pool whose marginals match `original` best.

    original   the private table: of pandas, Arrow, polars or Dask, or a path of Parquet or CSV
    pool       what `generate` returned, or a table or a path as well
    units      of the subset, rows or groups; default: as many as the original has
    group_key  the column that says which rows belong together, where units are groups
    seed       the same seed gives the same subset
    runtime    serial, threads, processes, cluster (of `issodask cluster up`), an address, a Dask client, or an object
               of your own (issodask.protocols.Runtime); default: threads
    folder     where what can be resumed is kept; default: beside `out`, or else one that goes with the selection
    out        the subset, a Parquet file; default: in `folder`
    workers    how many; default: one per processor
    columns    roles of columns by name, where they are not found right: number, time, category, text, id, constant
    held_out   rows that were split off the same table: the subset has none of their ids and keys either
    csv        how CSV files of the original are written, where that can't be found in them: separator, decimal and
               encoding; pool_csv: those of the pool
    target     shares and totals that the subset is to have, where these are not the original's: a Target, or what a
               job file says of one
    rules      what every unit has to hold, as in a job file: {"rows": ["end >= start"], "dependencies": True}
    storage_options  options of fsspec's file systems that reach stores (s3://, gs:// ...), where the
                     environment doesn't say
    progress   show it; default: in a terminal or a notebook
    """
    from issodask.stages.select import select
    from issodask.store import places
    from issodask.store.subset import work_folder
    from issodask.store.tables import check_place

    for table in (original, pool):
        check_place(table)
    to = None if out is None else places.place(out)
    kept = Folder(folder or (None if to is None else work_folder(to)))
    path = kept.files.subset if to is None else to
    with work("select", kept, progress) as events, opened(runtime, workers, events, kept.path) as place:
        selected = select(
            original,
            pool.opened if isinstance(pool, Pool) else pool,
            path,
            config,
            group_key=group_key,
            seed=seed,
            folder=kept.path,
            runtime=place,
            events=events,
            csv=csv,
            pool_csv=pool_csv,
            columns=columns,
            held_out=held_out,
            target=target_of(target),
            rules=rules if isinstance(rules, RulesConfig) else validated(RulesConfig, dict(rules or {}), where="rules"),
        )
    return Selection(selected, _pool_of(pool, pool_csv, kept), original, group_key, seed, columns, csv, kept)


@reaching_stores
def run(
    job: "str | Path | Mapping[str, Any] | JobConfig",
    *,
    runtime: "Where" = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    columns: Mapping[str, str] | None = None,
    performance_report: bool | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **sections: Mapping[str, Any],
) -> Finished:
    """Do a whole job: generate, select, evaluate; what an earlier run in the same folder finished is kept.

    job                 the path of a job file, what it says as a dict, or a JobConfig
    runtime             serial, threads, processes, cluster (of `issodask cluster up`), an address, a Dask client, or an
                        object of your own (issodask.protocols.Runtime); default: the job's
    folder              where all results are kept, in place of the job's `out`; default, where a dict has none: one
                        that goes with the results
    workers             how many, in place of the job's
    columns             roles of columns by name, beside those that the job names
    performance_report  on Dask: write its report to dask-report.html
    storage_options     options of fsspec's file systems that reach stores (s3://, gs:// ...), where the
                        environment doesn't say
    progress            show it; default: in a terminal or a notebook
    sections            settings in place of the job's, such as select={"units": 20_000}
    """
    from issodask.stages.run import run
    from issodask.store.places import storage

    scheduler, client = (runtime, None) if isinstance(runtime, str) else (None, runtime)
    place = {"workers": workers, "scheduler": scheduler, "performance_report": performance_report}
    config, kept = _job(job, folder, sections, place)
    if storage_options is not None:
        config = config.model_copy(update={"storage": {**config.storage, **storage_options}})
    with storage(config.storage), work("run", kept, progress) as events:
        finished = run(config, events, client, columns)
    pool = Pool(finished.pool, kept)
    roles = {**config.columns, **(columns or {})}
    key, seed = config.original.group_key, config.seed
    selection = Selection(finished.selected, pool, finished.original, key, seed, roles, None, kept)
    return Finished(kept.path, pool, selection, Report.read(finished.metrics, kept.files))


def plan(
    job: "str | Path | Mapping[str, Any] | JobConfig",
    *,
    folder: str | Path | None = None,
    workers: int | None = None,
    pool_units: int | None = None,
    columns: Mapping[str, str] | None = None,
    **sections: Mapping[str, Any],
) -> Plan:
    """Say what a job will need (memory, disk, time) and what its columns are, before anything starts; see `run`.

    workers     what if there were so many; those beyond this machine's processors on other hosts
    pool_units  what if the pool had so many units
    """
    from issodask.stages.plan import known_columns, plan

    config, _ = _job(job, folder, sections, {"workers": workers})
    return Plan(plan(config, columns, pool_units), known_columns(config, columns).found)


def _pool_of(given: Any, csv: Mapping[str, Any] | None, folder: Folder) -> Pool:
    """The pool that was selected from: a table was written to the folder."""
    from issodask.store.places import is_path
    from issodask.store.pool import open_pool

    if isinstance(given, Pool):
        return given
    return Pool(open_pool(given, csv)) if is_path(given) else Pool(folder.files.pool, folder)


def _job(
    job: "str | Path | Mapping[str, Any] | JobConfig",
    folder: str | Path | None,
    sections: Mapping[str, Mapping[str, Any]],
    place: Mapping[str, Any],
) -> tuple[JobConfig, Folder]:
    """The job with what was given beside it, and the folder it works in."""
    from issodask.store.places import storage

    changes: dict[str, Any] = {**sections, "runtime": {key: value for key, value in place.items() if value is not None}}
    if folder is not None:
        changes["out"] = str(folder)
    kept = None
    if isinstance(job, Mapping) and "out" not in {**job, **changes}:
        kept = Folder()
        changes["out"] = str(kept.path)
    config = job_of(job, changes)
    with storage(config.storage):
        return config, kept or Folder(config.out)
