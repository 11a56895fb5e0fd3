"""Aims side by side: what each costs and brings, in five numbers, on the zoo's tables with trained pools.

`python -m tests.zoo.aims run` selects and measures what is not measured yet (after `python -m tests.zoo run --kinds
trained`, whose pools it takes), and writes docs/aims.md; `... one NAME AIM` does one of them, in a process of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

import issodask
from issodask.report.apart import tell_apart
from issodask.report.attack import attack_membership
from issodask.report.scores import score
from issodask.report.use import measure_use
from issodask.stages.evaluate import tables_of
from issodask.stages.roles import KnownColumns
from issodask.store.files import read_json, write_json
from issodask.store.tables import as_table
from tests.zoo.runner import Case
from tests.zoo.tables import matching

_ROOT = Path(__file__).parents[2]
_SEED = 1
RANDOM = "random units"
AIMS: Mapping[str, Mapping[str, Any]] = {
    RANDOM: {},
    "original": {"aim": "original"},
    "population": {"aim": "population"},
    "population, keep 0": {"aim": "population", "keep": 0.0},
    "population, keep 0.5": {"aim": "population", "keep": 0.5},
}
NUMBERS = ("original", "unseen", "use", "told apart", "attack")

_TEXT = """# Aims

What a subset is to match: the original, or the population that it was drawn from (`aim`, `keep`). `make aims` selects
with each aim from the trained pools of the [zoo](zoo.md), and measures five numbers:

- *original*: accuracy against the original. Beyond what a second real sample reaches, it is no merit;
- *unseen*: accuracy against real units that nothing has seen;
- *use*: the AUC (of numbers, R²) of trees that were trained on the subset and tested on unseen real units, a mean over
  up to three columns;
- *told apart*: the AUC of a classifier that tells the subset from unseen real units; 0.5 is best;
- *attack*: the AUC of an attack that tells members of the original from others; 0.5 is best.

## In the median

Differences from `aim = "original"`, the median over {n_tables} tables, and on how many tables it is better.

{medians}

## Table by table

{tables}
"""


@dataclass(frozen=True)
class Study:
    """One table's trained pool, and one aim."""

    case: Case
    aim: str

    @property
    def path(self) -> Path:
        return self.case.folder / "aims" / f"{self.aim}.json"

    @property
    def found(self) -> dict[str, float | None] | None:
        return read_json(self.path)

    def measure(self) -> None:
        """Select (or draw), measure, and keep what was found."""
        case = self.case
        original, holdout = case.home / "original.parquet", case.home / "holdout.parquet"
        out = self.path.with_suffix(".parquet")
        key = case.table.key
        selection = issodask.select(
            str(original), str(case.folder / "pool"), str(out), group_key=key, seed=_SEED, workers=1, **AIMS[self.aim]
        )
        subset = selection.random_units() if self.aim == RANDOM else str(out)
        write_json(self.path, five_numbers(str(original), subset, str(holdout), key))


def five_numbers(original: Any, subset: Any, holdout: Any, key: str | None) -> dict[str, float | None]:
    """The five numbers, and those of the original where there are some."""
    known = KnownColumns.of(as_table(original), key)
    tables = tables_of(original, subset, holdout, None, known, _SEED)
    scored, unseen = score(tables, "original", _SEED), score(tables, "holdout", _SEED)
    attack, told = attack_membership(tables, scored, _SEED), tell_apart(tables, _SEED)
    use = measure_use(tables, None, _SEED)

    def of_use(table: str) -> float | None:
        scores = [found for one in use if (found := one.score(table)) is not None]
        return sum(scores) / len(scores) if scores else None

    return {
        "original": scored.accuracies["subset"].overall,
        "unseen": unseen.accuracies["subset"].overall,
        "unseen, the original": unseen.accuracies["original"].overall,
        "use": of_use("subset"),
        "use, the original": of_use("original"),
        "told apart": None if told is None else told.by_table["subset"].auc,
        "attack": None if attack is None else attack.strongest("subset").everybody.auc,
    }


@click.group()
def main() -> None:
    """Aims side by side."""


@main.command()
@click.argument("name")
@click.argument("aim")
@click.option("--folder", type=click.Path(path_type=Path), default=_ROOT / "zoo")
def one(name: str, aim: str, folder: Path) -> None:
    """Measure one aim on one table."""
    (table,) = matching(name)
    Study(Case(table, "trained", folder), aim).measure()


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), default=_ROOT / "zoo")
@click.option("--jobs", default=2, show_default=True)
@click.option("--only", help="Tables: nass*,who.")
@click.option("--aims", default=None, help="Some of the aims, separated by semicolons.")
@click.option("--page", type=click.Path(path_type=Path), default=_ROOT / "docs" / "aims.md")
def run(folder: Path, jobs: int, only: str | None, aims: str | None, page: Path) -> None:
    """Measure what is not measured yet, and write the page."""
    chosen = list(AIMS) if aims is None else aims.split(";")
    cases = [case for table in matching(only) if (case := Case(table, "trained", folder)).found().get("select")]
    studies = [Study(case, aim) for case in cases for aim in chosen]

    def finish(study: Study) -> str:
        command = [
            sys.executable,
            "-m",
            "tests.zoo.aims",
            "one",
            study.case.table.name,
            study.aim,
            "--folder",
            str(folder),
        ]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
        said = json.dumps(study.found) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
        return f"{study.case.table.name}, {study.aim}: {said}"

    with ThreadPoolExecutor(jobs) as threads:
        for said in threads.map(finish, [study for study in studies if study.found is None]):
            click.echo(said)
    page.write_text(page_of(cases), encoding="utf-8")
    click.echo(f"written {page}")


def page_of(cases: Sequence[Case]) -> str:
    """The page, of the tables that all aims were measured on."""
    found = {case.table.name: {aim: Study(case, aim).found for aim in AIMS} for case in cases}
    whole = {name: by_aim for name, by_aim in found.items() if by_aim["original"] and by_aim["population"]}
    return _TEXT.format(
        n_tables=len(whole),
        medians=_table(["aim", *NUMBERS], _medians(whole)),
        tables=_table(["table", "aim", *NUMBERS], _lines(whole)),
    )


def _lines(found: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for name, by_aim in found.items():
        first = by_aim["original"]
        real = {"original": None, "unseen": first["unseen, the original"], "use": first["use, the original"]}
        yield [name, "*(the original)*", *(_number(real.get(number)) for number in NUMBERS)]
        for aim, numbers in by_aim.items():
            if numbers:
                yield ["", aim, *(_number(numbers[number]) for number in NUMBERS)]


def _medians(found: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    better: Mapping[str, Callable[[float], bool]] = {
        "told apart": lambda change: change < 0,
        "attack": lambda change: change < 0,
    }
    for aim in AIMS:
        if aim == "original":
            continue
        line = [aim]
        for number in NUMBERS:
            pairs = [(by_aim[aim], by_aim["original"]) for by_aim in found.values() if by_aim.get(aim)]
            changes = [a[number] - b[number] for a, b in pairs if a[number] is not None and b[number] is not None]
            n_better = sum(better.get(number, lambda change: change > 0)(change) for change in changes)
            line.append(f"{median(changes):+.4f} ({n_better} of {len(changes)})" if changes else "")
        yield line


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _table(heads: Sequence[str], lines: Iterator[list[str]]) -> str:
    rows = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return "\n".join([*rows, *(f"| {' | '.join(line)} |" for line in lines)])


if __name__ == "__main__":
    main()
