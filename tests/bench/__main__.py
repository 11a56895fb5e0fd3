"""`python -m tests.bench`: write data of any shape (`data`)."""

from pathlib import Path

import click

from tests.bench.data import PATTERNS, SHAPES, Shape, write_data


@click.group()
def main() -> None:
    """Benchmarks of issodask."""


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
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
