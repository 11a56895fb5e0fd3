"""On a machine with a GPU: `python -m tests.gpu` (`make test-gpu`) tries what only a GPU can show, in a few minutes.

Trains and samples on the GPU and on the processor, each in a process of its own; draws with hardly any memory; and runs
a whole job. Prints what it finds, and writes it to a file (`--out`) as JSON. It needs no network.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from issodask.models import mostly
from issodask.models.codec import Codec
from issodask.models.device import Device, installed_gpus, pinned
from issodask.store.tables import as_frame, as_table
from issodask.store.types import schema_of
from tests.bench.data import Shape, write_data

SHAPE = Shape(20_000, 20, 20_000, "mixed", 0.4)
EPOCHS, SAMPLED = 4, 100_000
SAMPLING = mostly.Sampling(temperature=1.0, top_p=1.0, seed=3)


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write what is found here.")
@click.option("--epochs", default=EPOCHS, show_default=True)
@click.option("--sampled", default=SAMPLED, show_default=True)
@click.pass_context
def main(context: click.Context, out: Path | None, epochs: int, sampled: int) -> None:
    """Try a GPU. Exits with 2 where there is none, with 1 when something does not work."""
    if context.invoked_subcommand is not None:
        return
    if not installed_gpus():
        click.echo("no GPU answers nvidia-smi here: nothing was tried", err=True)
        sys.exit(2)
    found: dict[str, Any] = {"gpu": _said("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")}
    with tempfile.TemporaryDirectory(prefix="issodask-gpu-") as folder:
        write_data(Path(folder), SHAPE)
        for step in ("cuda", "cpu", "scarce", "job"):
            found[step] = _step(step, folder, epochs, sampled)
            click.echo(f"{step}: {json.dumps(found[step])}")
    cuda, cpu = found["cuda"], found["cpu"]
    for what in ("epochs_per_s", "rows_per_s"):
        if what in cuda and what in cpu:
            found[f"{what}, GPU by processor"] = round(cuda[what] / cpu[what], 2)
    if out is not None:
        out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    click.echo(json.dumps(found, indent=1))
    sys.exit(any("failed" in one for one in found.values() if isinstance(one, dict)))


@main.command()
@click.argument("name")
@click.argument("folder")
@click.argument("epochs", type=int)
@click.argument("sampled", type=int)
def step(name: str, folder: str, epochs: int, sampled: int) -> None:
    """One step, in this process."""
    print(json.dumps(STEPS[name](Path(folder), epochs, sampled)))


def _step(name: str, folder: str, epochs: int, sampled: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.gpu", "step", name, folder, str(epochs), str(sampled)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _trained(device: Device, folder: Path, epochs: int, sampled: int) -> dict[str, Any]:
    """Epochs a second, and rows a second, on one device."""
    table = as_table(str(folder / "original.parquet"))
    frame, schema = as_frame(table), schema_of(table)
    codec, place = Codec.fit(frame, schema, None), folder / device.kind
    training = mostly.Training("MOSTLY_AI/Medium", max_epochs=epochs, max_time_min=3, batch_size=None, seed=3)
    seen: list[tuple[float, float]] = []

    def report(phase: str, **told: Any) -> None:
        if phase == "train" and told.get("val_loss") is not None:
            seen.append((float(told["epoch"]), perf_counter()))

    with pinned(device, 0):
        mostly.train(codec.encode(frame), place, training, device, report)
        began = perf_counter()
        rows = mostly.sample(place, sampled, 0, SAMPLING, device)
        seconds = perf_counter() - began
        again = mostly.sample(place, sampled, 0, SAMPLING, device)
    (first, began), (last, ended) = seen[0], seen[-1]
    return {
        "epochs_per_s": round((last - first) / max(ended - began, 1e-9), 3),
        "rows_per_s": round(len(rows) / seconds),
        "same_again": bool(rows.equals(again)),
        "peak_gpu_gb": _peak_gb(),
    }


def on_gpu(folder: Path, epochs: int, sampled: int) -> dict[str, Any]:
    return _trained(Device("cuda", 4, installed_gpus()), folder, epochs, sampled)


def on_processor(folder: Path, epochs: int, sampled: int) -> dict[str, Any]:
    return _trained(Device("cpu", 1), folder, epochs, sampled // 4)


def with_scarce_memory(folder: Path, epochs: int, sampled: int) -> dict[str, Any]:
    """Draw from what was trained on the GPU, with so little of its memory that batches have to be smaller."""
    import torch

    device = Device("cuda", 4, installed_gpus())
    tried: list[float] = []
    with pinned(device, 0):
        for share in (0.02, 0.01, 0.005):
            torch.cuda.set_per_process_memory_fraction(share)
            rows = mostly.sample(folder / "cuda", sampled // 4, 0, SAMPLING, device)
            tried.append(share)
    return {"rows": len(rows), "shares_of_memory": tried, "peak_gpu_gb": _peak_gb()}


def whole_job(folder: Path, epochs: int, sampled: int) -> dict[str, Any]:
    """Two generators on two workers that share the GPUs there are, to the report."""
    import issodask

    original = {"path": str(folder / "original.parquet"), "holdout": str(folder / "holdout.parquet")}
    job = {
        "out": str(folder / "run"),
        "original": original,
        "generate": {"generators": 2, "max_epochs": float(epochs), "units": sampled, "device": "cuda"},
        "select": {"effort": 60.0},
        "evaluate": {"distance_rows": 1_000},
        "runtime": {"workers": 2},
    }
    began = perf_counter()
    finished = issodask.run(job, progress=False)
    return {
        "seconds": round(perf_counter() - began, 1),
        "accuracy": finished.selection.accuracy,
        "random": finished.selection.random_accuracy,
    }


STEPS: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "cuda": on_gpu,
    "cpu": on_processor,
    "scarce": with_scarce_memory,
    "job": whole_job,
}


def _peak_gb() -> float:
    import torch

    return round(torch.cuda.max_memory_allocated() / 1e9, 3) if torch.cuda.is_available() else 0.0


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
