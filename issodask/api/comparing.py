"""compare and benchmark: tables, and synthesizers, beside one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from issodask.api.compared import Comparison, Study
from issodask.api.folders import Folder
from issodask.api.results import Pool, Selection
from issodask.api.settings import with_settings
from issodask.api.stores import reaching_stores
from issodask.api.working import opened, work
from issodask.config import EvaluateConfig, RulesConfig
from issodask.errors import InputError
from issodask.events import Evaluating
from issodask.validation import validated

if TYPE_CHECKING:
    from issodask.api.working import Where
    from issodask.study import StudyConfig


@with_settings("evaluate", leave_out=["qa_report", "anonymeter", "license"])
@reaching_stores
def compare(
    original: Any,
    tables: Mapping[str, Any] | Sequence[str | Path],
    *,
    holdout: Any | None = None,
    group_key: str | None = None,
    seed: int = 1,
    columns: Mapping[str, str] | None = None,
    csv: Mapping[str, Any] | None = None,
    rules: "Mapping[str, Any] | RulesConfig | None" = None,
    title: str = "Comparison",
    storage_options: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    config: EvaluateConfig,
) -> Comparison:
    """Measure where synthetic tables stand beside one another, whoever made them, against one original.

    original   the private table: of pandas, Arrow, polars or Dask, or a path of Parquet or CSV
    tables     by name: tables of any kind, paths, or what `select` returned; or paths alone
    holdout    real rows that nothing has learnt from: without them neither use nor privacy can be told
    group_key  the column that says which rows belong together, where units are groups
    seed       of what is drawn on the way
    columns    roles of columns by name, where they are not found right
    csv        how CSV files of all tables are written, where that can't be found in them: separator, decimal and
               encoding
    rules      what is to hold for every unit, as in a job file: the share of units that keep it is told
    title      of the page
    storage_options  options of fsspec's file systems that reach stores (s3://, gs:// ...), where the
                     environment doesn't say
    progress   show it; default: in a terminal or a notebook
    """
    from issodask.stages.compare import compare
    from issodask.store.tables import as_table

    def read(table: Any, where: str) -> Any:
        if isinstance(table, Pool):
            raise InputError(f"{where} is a pool: compare what is selected from it, or a sample of its rows")
        return as_table(table.path if isinstance(table, Selection) else table, where=where, csv=csv)

    asked = rules if isinstance(rules, RulesConfig) else validated(RulesConfig, dict(rules or {}), where="rules")
    given = {name: read(table, f"table {name!r}") for name, table in named(tables).items()}
    with work("compare", Folder(), progress) as events:
        events.emit(Evaluating(n=0, of=1, what=f"{len(given)} tables"))
        found = compare(
            read(original, "the original"),
            given,
            None if holdout is None else read(holdout, "the holdout"),
            config,
            seed=seed,
            group_key=group_key,
            columns=columns,
            rules=asked,
        )
        events.emit(Evaluating(n=1, of=1, what="done"))
    return Comparison(found, title)


def named(tables: Mapping[str, Any] | Sequence[str | Path]) -> dict[str, Any]:
    """Tables by name: of a path, the file's without its ending, with its folder's where two have the same."""
    if isinstance(tables, Mapping):
        return dict(tables)
    if isinstance(tables, str | Path):
        tables = [tables]
    unnamed = [table for table in tables if not isinstance(table, str | Path)]
    if unnamed:
        raise InputError("a table that is no path has no name: give tables as a dict, {'name': table}")
    paths = [Path(table) for table in tables]
    stems = [_stem(path) for path in paths]
    both = zip(paths, stems, strict=True)
    names = [f"{path.parent.name}/{stem}" if stems.count(stem) > 1 else stem for path, stem in both]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(f"two tables would be called {repeated[0]!r}: give names, as in NAME=PATH")
    return dict(zip(names, map(str, tables), strict=True))


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def benchmark(
    study: "str | Path | Mapping[str, Any] | StudyConfig",
    *,
    runtime: "Where" = None,
    folder: str | Path | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> Study:
    """Try synthesizers on tables, alone and with selection on top of their pools; what was tried before is kept.

    study     the path of a study's file, what it says as a dict, or a StudyConfig
    runtime   serial, threads, processes, cluster (of `issodask cluster up`), an address, a Dask client, or an object
              of your own (issodask.protocols.Runtime); default: the study's, or threads: each trial is a process
    folder    where all trials and results are kept, in place of the study's `out`; default, where a dict has none: one
              that goes with the results
    workers   how many trials at a time, in place of the study's; default: one per processor
    progress  show it; default: in a terminal or a notebook
    settings  in place of the study's, such as repeats=5 or train_rows=[100, 400, 1600]
    """
    from issodask.stages.benchmark import benchmark
    from issodask.study import study_of

    kept = Folder(folder) if folder is not None or (isinstance(study, Mapping) and "out" not in study) else None
    config = study_of(study, settings if kept is None else settings | {"out": str(kept.path)})
    kept = kept or Folder(config.out)
    place, n = runtime or config.runtime.scheduler, workers or config.runtime.workers
    with work("benchmark", kept, progress) as events, opened(place, n, events, kept.path) as running:
        found = benchmark(config, running, events)
    return Study(found, kept)
