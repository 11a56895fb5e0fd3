"""Tables, and synthesizers, beside one another: compare and benchmark."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from issodask.cli.options import PATH, PLACE, columns_option, given, group_key_option, runtime_options, told
from issodask.cli.settings import command_with

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command(cls=command_with("evaluate", leave_out=["qa_report", "anonymeter", "license"]))
@click.argument("tables", nargs=-1, required=True, metavar="[NAME=]TABLE...")
@click.option("--original", required=True, help="The private table that they were made from.")
@click.option("--holdout", help="Real rows that nothing has seen.")
@group_key_option
@columns_option
@click.option(
    "--rules", type=PATH, help="A TOML file with [rules], such as a job file: shares that keep them are told."
)
@click.option("--json", "json_path", type=PLACE, help="Write all measures here.")
@click.option("--csv", "csv_path", type=PLACE, help="Write a row per table here.")
@click.option("--html", "html_path", type=PLACE, help="Write a page here.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@told
def compare(
    tables: tuple[str, ...],
    original: str,
    holdout: str | None,
    group_key: str | None,
    columns: dict[str, str],
    rules: Path | None,
    json_path: Path | None,
    csv_path: Path | None,
    html_path: Path | None,
    seed: int,
    **settings: Any,
) -> None:
    """Measure where synthetic TABLES stand beside one another, whoever made them."""
    import issodask
    from issodask.config import asked_in

    found = issodask.compare(
        original,
        _named(tables),
        holdout=holdout,
        group_key=group_key,
        seed=seed,
        columns=columns,
        rules=None if rules is None else asked_in(rules)[1],
        progress=True,
        **given(settings),
    )
    _print(found.found.shown())
    for path, write in ((json_path, found.to_json), (csv_path, found.to_csv), (html_path, found.to_html)):
        if path is not None:
            click.echo(f"written   {write(path)}")


@click.command()
@click.argument("study", type=PATH)
@click.option(
    "--train-rows", callback=lambda *given: _numbers(given[2]), metavar="N,N,...", help="Units to learn from."
)
@click.option("--repeats", type=click.IntRange(min=1), help="How often each trial is made.")
@runtime_options
@told
def benchmark(
    study: Path,
    train_rows: tuple[int, ...] | None,
    repeats: int | None,
    workers: int | None,
    scheduler: str | None,
) -> None:
    """Try the synthesizers of a STUDY (a TOML file) on its tables; goes on where it stopped."""
    import issodask
    from issodask.store.run_folder import StudyFolder

    settings = given({"train_rows": train_rows, "repeats": repeats})
    found = issodask.benchmark(study, runtime=scheduler, workers=workers, progress=True, **settings)
    _print(found.found.shown())
    for path in StudyFolder(found.path).results:
        click.echo(f"written   {path}")


def _named(tables: "Iterable[str]") -> "dict[str, Any]":
    """By the names that were given, or those of the files."""
    from issodask.api.comparing import named
    from issodask.errors import InputError

    pairs: list[tuple[str | None, str]] = []
    for text in tables:
        name, sign, path = text.partition("=")
        pairs.append((name, path) if sign and "://" not in name and not Path(text).exists() else (None, text))
    unnamed = named([path for name, path in pairs if name is None])
    found: dict[str, Any] = {}
    for name, path in [*unnamed.items(), *((name, path) for name, path in pairs if name is not None)]:
        if name in found:
            raise InputError(f"two tables would be called {name!r}: give them other names")
        found[name] = path
    return found


def _numbers(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part.replace("_", "")) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of numbers: give one such as 100,400,1600") from error


def _print(rows: "list[tuple[str, ...]]") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    head, *body = rows
    table = Table(*map(escape, head), box=None, pad_edge=False)
    for row in body:
        table.add_row(*map(escape, row))
    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)
