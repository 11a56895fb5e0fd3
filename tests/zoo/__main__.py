"""`python -m tests.zoo run`: go through the zoo; `list`: its tables; `table`: what was found so far."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Printed

from tests.bench.measure import machine
from tests.zoo.page import HEADS, Finding, findings, markdown, promises, remarks
from tests.zoo.runner import STEPS, Case, Zoo, forget
from tests.zoo.tables import KINDS, matching

_ROOT = Path(__file__).parents[2]
_PATH = click.Path(path_type=Path)


@click.group()
def main() -> None:
    """Real tables, and how well subsets of all kinds of pools match them."""


def _chooses(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which cases are meant."""
    only = click.option("--only", metavar="PATTERNS", help="Of all tables, those with such names: nass*,who.")
    kinds = click.option("--kinds", default=",".join(KINDS), show_default=True, help="Kinds of pools.")
    folder = click.option(
        "--folder", type=_PATH, default=_ROOT / "zoo", show_default="zoo", help="Pools and receipts are kept there."
    )
    return only(kinds(folder(command)))


@main.command()
@_chooses
@click.option("--again", type=click.Choice(STEPS), help="Do this step again, and what follows from it.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Side by side, a core each.")
@click.option("--limit", "limit_s", type=float, default=900, show_default=True, help="Seconds that a step may take.")
@click.option("--page", type=_PATH, help="Where a whole run writes its table.  [default: docs/zoo.md]")
def run(
    only: str | None, kinds: str, folder: Path, again: str | None, jobs: int, limit_s: float, page: Path | None
) -> None:
    """Make pools and select from them, unless that was done before. Exits with 1 when a promise is not kept."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # steps that run are stopped on the way out
    cases = _cases(only, kinds, folder)
    status = Console(stderr=True)
    if again is not None:
        forget(cases, again)
    Zoo(limit_s, lambda text: status.print(text, highlight=False, markup=False, soft_wrap=True)).run(cases, jobs)
    found = findings(cases)
    _show(found)
    if page is not None or (only is None and kinds == ",".join(KINDS)):
        _write(page or _ROOT / "docs" / "zoo.md", found)
    sys.exit(any(met != "yes" for _, _, met in promises(found)))


@main.command()
@_chooses
@click.option("--page", type=_PATH, help="Also write it as Markdown.")
def table(only: str | None, kinds: str, folder: Path, page: Path | None) -> None:
    """Show what was found so far."""
    found = [finding for finding in findings(_cases(only, kinds, folder)) if finding.selected or finding.failed]
    _show(found)
    if page is not None:
        _write(page, found)


@main.command("list")
@click.option("--only", metavar="PATTERNS", help="Of all tables, those with such names: nass*,who.")
def list_(only: str | None) -> None:
    """List the tables, and why they are here."""
    printed = Printed("table", "from", "group key", "why")
    for each in _matching(only):
        printed.add_row(each.name, each.source, each.key or "", each.why)
    Console().print(printed)


def _cases(only: str | None, kinds: str, folder: Path) -> list[Case]:
    chosen = kinds.split(",")
    unknown = [kind for kind in chosen if kind not in KINDS]
    if unknown:
        raise click.UsageError(f"--kinds knows no {unknown[0]!r}, but {', '.join(KINDS)}")
    return [Case(table, kind, folder.absolute()) for table in _matching(only) for kind in chosen]


def _matching(only: str | None) -> list[Any]:
    try:
        return matching(only)
    except ValueError as error:
        raise click.UsageError(f"--only: {error}") from error


def _show(found: list[Finding]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=200)
    printed = Printed(*HEADS)
    for finding in found:
        printed.add_row(*finding.line)
    console.print(printed)
    for title, lines in remarks(found).items():
        for line in lines:
            console.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    for what, said, met in promises(found):
        console.print(f"{met.strip('*'):4} {what}: {said}", markup=False, highlight=False)


def _write(path: Path, found: list[Finding]) -> None:
    path.write_text(markdown(found, "make zoo", machine()), encoding="utf-8")
    Console(stderr=True).print(f"written   {path}")


if __name__ == "__main__":
    main()
