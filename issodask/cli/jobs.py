"""Jobs on a cluster: hand one over and leave, come back and see, follow, stop, and fetch."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from issodask.cli.options import PATH, scheduler_option, told

_WIDE = 1_000
"""Columns, where no terminal limits them: what other programs read is not cut."""


@click.command()
@click.argument("job", type=PATH)
@scheduler_option
@told
def submit(job: Path, scheduler: str | None) -> None:
    """Hand a JOB, or a study of benchmark, over to a cluster and leave; prints its id."""
    from issodask.config import is_study, load_job
    from issodask.service.client import open_service
    from issodask.stages.submit import submit
    from issodask.study import study_of
    from issodask.validation import read_settings

    config = study_of(job, {}) if is_study(read_settings(job)) else load_job(job)
    with open_service(scheduler) as service:
        click.echo(submit(config, service, job.stem))


@click.command()
@click.argument("id", required=False)
@scheduler_option
@told
def status(id: str | None, scheduler: str | None) -> None:
    """Tell how all jobs are doing, or all that is known of the one with ID."""
    from issodask.service.client import open_service

    with open_service(scheduler) as service:
        found = service.jobs() if id is None else [service.job(id)]
    if id is None:
        _show_table(found)
        return
    for name, value in found[0].items():
        if value not in (None, ""):
            click.echo(f"{name:<13} {_shown(name, value)}")


@click.command()
@click.argument("id", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the job is over.")
@scheduler_option
@told
def logs(id: str | None, follow: bool, scheduler: str | None) -> None:
    """Show what the job with ID (default: the newest) did so far."""
    from rich.console import Console

    from issodask.display import shown
    from issodask.errors import InputError
    from issodask.event_log import event_of
    from issodask.service.client import open_service

    with open_service(scheduler) as service, shown(Console(), sparse=not follow) as listener:
        id = service.job(id)["id"]
        for event in map(event_of, service.follow(id, until_over=follow)):
            if event is not None:
                listener(event)
        job = service.job(id)
    if job["state"] == "failed":
        raise InputError(f"job {id} failed: {job['error']}")
    if follow:
        click.echo(f"{id} {job['state']}")


@click.command()
@click.argument("id")
@scheduler_option
@told
def cancel(id: str, scheduler: str | None) -> None:
    """Stop the job with ID. What it finished stays: submitted again, it goes on from there."""
    from issodask.service.client import open_service

    with open_service(scheduler) as service:
        state = service.cancel(id)
    was_over = state in ("finished", "failed", "cancelled")
    click.echo(f"{id} was {state} already" if was_over else f"{id} cancelled")


@click.command()
@click.argument("id", required=False)
@click.option("--to", type=PATH, help="Copy the results into this folder.  [default: tell where they are]")
@scheduler_option
@told
def result(id: str | None, to: Path | None, scheduler: str | None) -> None:
    """Tell where the results of the job with ID (default: the newest) are, or fetch them."""
    from issodask.errors import InputError
    from issodask.service.client import open_service
    from issodask.service.jobs import BENCHMARK
    from issodask.store.places import place
    from issodask.store.run_folder import RunFolder, StudyFolder

    with open_service(scheduler) as service:
        job = service.job(id)
        if job["state"] != "finished" and not (job["state"] == "seen" and job["ended"]):
            reason = f": {job['error']}" if job["error"] else f" ({job['stage']})" if job["stage"] else ""
            raise InputError(f"job {job['id']} is {job['state']}{reason}; results are there when it is finished")
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
        if job["accuracy"] is not None:
            click.echo(f"accuracy  {job['accuracy']:.5f} against the original")
        folder = place(job["out"])
        for path in (StudyFolder if job["verb"] == BENCHMARK else RunFolder)(folder).results:
            if to is not None:
                service.fetch(str(path), to / path.name)
            click.echo(f"written   {path if to is None else to / path.name}")


def _show_table(jobs: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from issodask.progress import duration

    if not jobs:
        click.echo("no jobs yet: issodask submit JOB.toml")
        return
    table = Table("job", "state", "stage", "left", "took", "accuracy", box=None, pad_edge=False)
    table.add_column("folder", overflow="fold")
    for job in jobs:
        is_over = job["state"] in ("finished", "failed", "cancelled")
        took = duration((job["ended"] or time.time()) - job["started"]) if job["started"] else ""
        left = "" if is_over or job["seconds_left"] is None else duration(job["seconds_left"])
        accuracy = f"{job['accuracy']:.5f}" if job["accuracy"] else ""
        table.add_row(job["id"], job["state"], "" if is_over else job["stage"], left, took, accuracy, job["out"])
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    for job in jobs:
        if job["error"]:
            click.echo(f"{job['id']}: {job['error'].splitlines()[-1]}")


def _shown(name: str, value: Any) -> str:
    from issodask.progress import duration

    if name in ("submitted", "started", "ended"):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    return duration(value) if name == "seconds_left" else str(value)
