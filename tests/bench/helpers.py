"""Trimming with help from other hosts: how much sooner it ends when another process looks up a share of the gains.

`python -m tests.bench.helpers --original TABLE --pool FOLDER` encodes and weighs once, then trims with the driver's one
thread alone, and with one helper in a process of its own that stands for a worker elsewhere, in turn. The bytes of all
subsets must be the same.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import click

from issodask.config import SelectConfig
from issodask.event_log import Events
from issodask.protocols import Runtime
from issodask.runtime import open_runtime
from issodask.stages.select import select
from issodask.store.files import file_hash


@contextmanager
def one_worker(is_elsewhere: bool) -> Iterator[Runtime]:
    """A runtime with one worker process, which counts as one on another host or not; so the driver has one thread."""
    with open_runtime(1, "processes") as runtime:
        if is_elsewhere:
            runtime.__class__ = type("Elsewhere", (type(runtime),), {"n_elsewhere": 1})
        yield runtime


@click.command()
@click.option("--original", required=True)
@click.option("--pool", required=True)
@click.option("--effort", default=300.0, show_default=True)
@click.option("--units", type=int, help="Of the subset; default: as many as the original has.")
@click.option("--repeats", default=2, show_default=True)
def main(original: str, pool: str, effort: float, units: int | None, repeats: int) -> None:
    """Trim with and without a helper, and compare."""
    config = SelectConfig(aim="original", effort=effort, units=units)
    with tempfile.TemporaryDirectory(prefix="issodask-helpers-") as folder:
        place, seconds, hashes = Path(folder), {False: [], True: []}, set()
        for _ in range(repeats):
            for helps in (False, True):
                with one_worker(helps) as runtime:
                    (place / "work" / "select" / "state.npz").unlink(missing_ok=True)
                    out, began = place / f"{helps}.parquet", perf_counter()
                    done = select(
                        original, pool, out, config, folder=place / "work", runtime=runtime, events=Events(None)
                    )
                    whole, trim = perf_counter() - began, done.facts.timings["trim"]
                    seconds[helps].append(trim)
                    hashes.add(file_hash(out))
                    who = "one helper" if helps else "alone"
                    click.echo(f"{who}: trimmed in {trim:.1f} s of {whole:.1f}, error {done.facts.original_error:.6f}")
    ratio = median(seconds[False]) / median(seconds[True])
    click.echo(
        f"with one helper trimming is {ratio:.2f} times as fast; {'same' if len(hashes) == 1 else 'OTHER'} bytes"
    )


if __name__ == "__main__":
    main()
