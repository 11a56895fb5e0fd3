"""A cluster larger than any machine at hand, played: real scheduler, real driver, workers whose tasks only sleep.

`python -m tests.bench.simulation` lets this program's own runtime map over tasks that take as long as one of a stage
was measured to take (`make bench-scale`), on more and more workers of this process, and prints how far the clock is
from what so many workers would need if handing out tasks cost nothing. What is left over is the scheduler's and the
driver's; all workers share two processors here, so it is an upper bound of that.
"""

import os
import time
from dataclasses import dataclass

import click
from distributed import Client, LocalCluster

from issodask.runtime.cluster import SETTINGS, Cluster


@dataclass(frozen=True)
class Stage:
    """Tasks of one kind: how long each takes, and for how many rows of the pool there is one."""

    name: str
    task_s: float
    rows: int


STAGES = (
    Stage("encode a part of 1,000,000 rows", 0.8, 1_000_000),
    Stage("weigh a block of 131,072 rows", 0.2, 131_072),
)


def _sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def simulated(n_workers: int, n_tasks: int, task_s: float) -> float:
    """Seconds that a map over so many tasks takes on so many workers."""
    import dask

    with (
        dask.config.set({**SETTINGS, "distributed.worker.heartbeat-interval": "5s"}),
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=False, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        runtime = Cluster(client)
        list(runtime.map(_sleep, [0.0] * n_workers, label="warm"))
        began = time.perf_counter()
        for _ in runtime.map(_sleep, [task_s] * n_tasks, label="simulated"):
            pass
        return time.perf_counter() - began


@click.command()
@click.option("--workers", default="10,25,50", show_default=True)
@click.option("--tasks", "per_worker", default=10, show_default=True, help="For each worker.")
def main(workers: str, per_worker: int) -> None:
    """Print, stage by stage, the clock beside the time that tasks alone would take."""
    click.echo("| stage | workers | tasks | rows | seconds | tasks alone | over, ms a task |")
    click.echo("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for stage in STAGES:
        for n_workers in map(int, workers.split(",")):
            n_tasks = per_worker * n_workers
            took, alone = simulated(n_workers, n_tasks, stage.task_s), per_worker * stage.task_s
            over_ms = 1e3 * (took - alone) / n_tasks
            click.echo(
                f"| {stage.name} | {n_workers} | {n_tasks:,} | {n_tasks * stage.rows:,} | {took:.1f} | {alone:.1f} "
                f"| {over_ms:.2f} |"
            )


if __name__ == "__main__":
    main()
