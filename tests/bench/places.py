"""Small tables on a cluster: how long a search takes in one thread, in threads, and in worker processes.

`python -m tests.bench.places` selects from made-up tables of several sizes in each place, again and again in turn. The
processes were started, and have selected once, before the clock runs; what is left is what it costs to ask them. The
bytes of all subsets of a table must be the same.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter

import click

from issodask.config import SelectConfig
from issodask.runtime import open_runtime
from issodask.stages.select import select
from tests.bench.data import Shape, write_data

PLACES = ("serial", "threads", "processes")


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(1))
@click.option("--rows", "sizes", multiple=True, default=(500, 5_000, 20_000), show_default=True, type=int)
@click.option("--effort", type=float, help="Of the search, instead of the usual one.")
def main(workers: int, repeats: int, sizes: tuple[int, ...], effort: float | None) -> None:
    """Select from a pool twenty times as large as each table; print medians."""
    config = SelectConfig(effort=effort)
    with tempfile.TemporaryDirectory(prefix="issodask-bench-") as folder, ExitStack() as opened:
        runtimes = {place: opened.enter_context(open_runtime(workers, place)) for place in PLACES}
        print(f"rows    {''.join(f'{place:>12}' for place in PLACES)}  seconds, {workers} workers")
        for n_rows in sizes:
            data = Path(folder) / str(n_rows)
            write_data(data, Shape(n_rows, 12, 20 * n_rows, "mixed", 0.3))
            took: dict[str, list[float]] = {place: [] for place in PLACES}
            written = set()
            for i in range(repeats + 1):
                for place, runtime in runtimes.items():
                    out = data / f"{place}-{i}.parquet"
                    began = perf_counter()
                    select(data / "original.parquet", data / "pool", out, config, runtime=runtime)
                    if i:
                        took[place].append(perf_counter() - began)
                    written.add(out.read_bytes())
            assert len(written) == 1
            print(f"{n_rows:<8}{''.join(f'{median(took[place]):12.1f}' for place in PLACES)}", flush=True)


if __name__ == "__main__":
    main()
