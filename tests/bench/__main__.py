"""`python -m tests.bench run`: measure; `python -m tests.bench data`: write a table and a pool of any shape."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from issodask.host import n_processors
from tests.bench.data import PATTERNS, SHAPES, Shape, write_data
from tests.bench.measure import machine
from tests.bench.speed import MINUTES, Suite, Tables, minutes
from tests.bench.table import markdown, show, write_between_marks

_PATH = click.Path(path_type=Path)
_PAGE = Path(__file__).parents[2] / "docs" / "bench.md"


@click.group()
def main() -> None:
    """Benchmarks of issodask."""


@main.command()
@click.option("--only", help=f"Of all parts, just these, with commas: {', '.join(MINUTES)}.")
@click.option("--quick", is_flag=True, help="All of it at a fiftieth of its size, to see that it works; no page.")
@click.option("--whole-baseline", is_flag=True, help="Run NumPy's version of the whole on large shapes too: hours.")
@click.option("--original", type=_PATH, help="Your own table, with --pool: nothing else is measured then.")
@click.option("--pool", type=_PATH, help="Your own pool: a folder of Parquet.")
@click.option("--holdout", type=_PATH, help="Real rows that nothing has seen.")
@click.option("--effort", type=float, help="As of `issodask select`.")
@click.option("--time-limit", "time_limit_s", type=float, help="As of `issodask select`.")
@click.option("--workers", type=click.IntRange(min=1), help="Of all but IPF, which takes one and two.  [default: all]")
@click.option("--folder", type=_PATH, help="Keep the data that is made here, and take what is there.")
@click.option("--page/--no-page", default=True, help="Write the table into docs/bench.md (a full run).")
def run(
    only: str | None,
    quick: bool,
    whole_baseline: bool,
    original: Path | None,
    pool: Path | None,
    holdout: Path | None,
    effort: float | None,
    time_limit_s: float | None,
    workers: int | None,
    folder: Path | None,
    page: bool,
) -> None:
    """Measure time, peak memory and accuracy; compare with NumPy and pandas, with the hardware, and with the bars."""
    parts, own = _chosen(only, original, pool, holdout)
    console, status = Console(), Console(stderr=True)
    if not quick:
        status.print(f"{', '.join(parts)}: about {minutes(parts, whole_baseline)} minutes on two idle cores")
    settings = {"effort": effort, "time_limit_s": time_limit_s}
    config = {name: value for name, value in settings.items() if value is not None}
    with _folder(folder) as data_folder:
        suite = Suite(
            data_folder,
            workers or n_processors(),
            quick,
            whole_baseline,
            own,
            config,
            lambda text: status.print(f"  {text}"),
        )
        suite.run(parts)
    show(suite.rows, suite.bars, suite.bounds, console)
    if page and not quick and own is None and only is None:
        write_between_marks(_PAGE, markdown(suite.rows, suite.bars, suite.bounds, machine(), "make bench"))
        status.print(f"written   {_PAGE}")


def _chosen(
    only: str | None, original: Path | None, pool: Path | None, holdout: Path | None
) -> tuple[list[str], Tables | None]:
    """The parts to run, and the user's own tables, if any."""
    if (original is None) != (pool is None):
        raise click.UsageError("give both --original and --pool, or neither")
    if original is not None and pool is not None:
        if only is not None:
            raise click.UsageError("--only chooses among made-up tables: leave it out with --original")
        for path in filter(None, (original, pool, holdout)):
            if not path.exists():
                raise click.UsageError(f"there is no {path}")
        return ["own"], Tables(original.absolute(), pool.absolute(), holdout.absolute() if holdout else None)
    parts = only.split(",") if only is not None else list(MINUTES)
    unknown = [part for part in parts if part not in MINUTES]
    if unknown:
        raise click.UsageError(f"--only knows no {unknown[0]!r}, but {', '.join(MINUTES)}")
    return parts, None


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="issodask-bench-") as made:
        yield Path(made)


@main.command()
@click.argument("folder", type=_PATH)
@click.option("--shape", type=click.Choice(list(SHAPES)), help="One of the shapes that the benchmarks use.")
@click.option("--rows", type=click.IntRange(min=1), help="Rows of the original.")
@click.option("--columns", type=click.IntRange(min=1))
@click.option("--pool", type=click.IntRange(min=1), help="Rows of the pool.")
@click.option("--pattern", type=click.Choice(list(PATTERNS)), default="mixed", show_default=True)
@click.option("--strength", type=float, default=Shape.strength, show_default=True, help="How far the pool is off.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Parts made side by side.")
def data(
    folder: Path,
    shape: str | None,
    rows: int | None,
    columns: int | None,
    pool: int | None,
    pattern: str,
    strength: float,
    seed: int,
    threads: int,
) -> None:
    """Write original.parquet, holdout.parquet and pool/ into FOLDER: a --shape, or --rows, --columns and --pool."""
    if shape is not None:
        chosen = SHAPES[shape]
    elif rows is not None and columns is not None and pool is not None:
        chosen = Shape(rows, columns, pool, pattern, strength)
    else:
        raise click.UsageError("give --shape, or all of --rows, --columns and --pool")
    write_data(folder, chosen, seed, threads)


if __name__ == "__main__":
    main()
