"""`python -m tests.faults`: run the same job again and again on a cluster of two workers, with one kill in each run.

In each stage a worker, a nanny, the scheduler and the driver are killed at a moment drawn at random; a store, where the
run lies in one, is taken away for some seconds. The supervisor starts processes again, the job goes on, and its results
must be the bytes of an undisturbed serial run. A run that is to be disturbed after its pool is made begins with the
pool of the undisturbed one.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from issodask.config import load_job
from issodask.runtime.address import NOTE, own_folder
from issodask.service import host
from issodask.service.client import open_service
from issodask.stages.run import run
from issodask.stages.submit import submit
from issodask.warm import warm_up
from tests.faults import job as jobs
from tests.faults.places import Place, place_of
from tests.faults.victims import VICTIMS, VICTIMS_IN_STORE, kill, wait_for

KINDS = {
    "flat": (jobs.write_flat_job, jobs.STAGES),
    "groups": (jobs.write_group_job, jobs.GROUP_STAGES),
    "asked": (jobs.write_asked_job, jobs.ASKED_STAGES),
    "store": (jobs.write_flat_job, jobs.STAGES),
    "store-groups": (jobs.write_group_job, jobs.GROUP_STAGES),
}
"""How the job of each kind is written, and the stages in which it is disturbed."""

_JOB_S = 400.0


@dataclass(frozen=True)
class Outcome:
    """How one run went: where the kill hit, how many drivers it took, and whether the bytes are the same."""

    kind: str
    stage: str
    victim: str
    hit: str
    seconds: float
    drivers: int
    verdict: str


@dataclass(frozen=True)
class Undisturbed:
    """What the run without a kill came to: its bytes, and how long each stage took."""

    results: dict[str, bytes]
    seconds: dict[str, float]


@click.command()
@click.option("--kind", type=click.Choice([*KINDS, "all"]), default="all", show_default=True)
@click.option("--only", multiple=True, metavar="STAGE:VICTIM", help="Of all pairs, just these.")
@click.option("--seed", default=1, show_default=True, help="Of the moments.")
@click.option("--keep", is_flag=True, help="Keep the folder with all runs.")
def main(kind: str, only: tuple[str, ...], seed: int, keep: bool) -> None:
    """Kill, resume, compare. Exits with 1 when a run does not end in the undisturbed bytes."""
    folder = Path(tempfile.mkdtemp(prefix="issodask-faults-"))
    os.environ["ISSODASK_HOME"] = str(folder / "home")
    outcomes = []
    try:
        for one in KINDS if kind == "all" else (kind,):
            outcomes += [_told(outcome) for outcome in disturbed_runs(folder, one, only, seed)]
    finally:
        host.stop(own_folder())
        if keep:
            click.echo(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    n_same = sum(outcome.verdict == "same bytes" for outcome in outcomes)
    click.echo(f"{n_same} of {len(outcomes)} runs ended in the bytes of the undisturbed run")
    sys.exit(n_same != len(outcomes))


def disturbed_runs(folder: Path, kind: str, only: tuple[str, ...], seed: int) -> Iterator[Outcome]:
    """One run for each stage and victim, on one cluster."""
    write, stages = KINDS[kind]
    victims = VICTIMS_IN_STORE if kind in jobs.KINDS_IN_STORE else VICTIMS
    pairs = [(stage, victim) for stage in stages for victim in victims]
    if only:
        pairs = [pair for pair in pairs if ":".join(pair) in only]
    click.echo(f"{kind}: the undisturbed run, serial", err=True)
    with place_of(kind, folder) as place:
        first = f"{kind}-undisturbed"
        run(load_job(write(folder, first, place.out(first))))
        undisturbed = Undisturbed(place.results(first), jobs.durations(place.told(first)))
        click.echo("  " + ", ".join(f"{s} {undisturbed.seconds.get(s, 0):.1f} s" for s in stages), err=True)
        for i, (stage, victim) in enumerate(pairs):
            name = f"{kind}-{i:02d}-{stage}-{victim}"
            if stage not in jobs.STAGES_OF_POOL:
                place.copy_pool(first, name)
            with _cluster():
                job_file = write(folder, name, place.out(name))
                chance = random.Random(f"{seed} {kind} {stage} {victim}")
                yield _disturbed(job_file, place, name, (kind, stage, victim), undisturbed, chance)
            place.remove(name)
        host.stop(own_folder())  # whoever needs a store has its address in the environment


@contextmanager
def _cluster() -> Iterator[None]:
    """The cluster of all runs; it is started when it is not up."""
    if not host.is_up(own_folder()):
        warm_up()
        host.start(own_folder(), host.Plan(n_workers=2, memory="0", port=0, dashboard_port=0))
    yield


def _disturbed(
    job_file: Path,
    place: Place,
    name: str,
    what: tuple[str, str, str],
    undisturbed: Undisturbed,
    chance: random.Random,
) -> Outcome:
    kind, stage, victim = what
    began = time.monotonic()
    note = str(own_folder() / NOTE)
    with open_service(note) as service:
        id = submit(load_job(job_file), service, name)
    wait_for(lambda: jobs.has_begun(stage, place.told(name)), f"{stage} to begin", _JOB_S)
    time.sleep(chance.random() * min(5.0, undisturbed.seconds.get(stage, 1.0)))
    kill(victim, own_folder(), place, name, chance)
    heard = [stage for event in place.told(name) if (stage := jobs.stage_of(event) or event["event"])]
    record = wait_for(lambda: _record_if_over(id, note), f"{id} to end", _JOB_S)
    verdict = _verdict(record["state"], record["error"], place, name, undisturbed.results)
    return Outcome(kind, stage, victim, heard[-1], time.monotonic() - began, record["attempts"], verdict)


def _record_if_over(id: str, note: str) -> dict[str, object] | None:
    """What the manager says of the job when it is over; the scheduler may just be down."""
    time.sleep(0.5)
    try:
        with open_service(note) as service:
            record = service.job(id)
    except Exception:
        return None
    return record if record["state"] in ("finished", "failed", "cancelled") else None


def _verdict(state: object, error: object, place: Place, name: str, expected: dict[str, bytes]) -> str:
    if state != "finished":
        return f"{state}: {error}"
    found = place.results(name)
    differing = [path for path in sorted({*found, *expected}) if found.get(path) != expected.get(path)]
    return f"other bytes: {', '.join(differing)}" if differing else "same bytes"


def _told(outcome: Outcome) -> Outcome:
    click.echo(
        f"{outcome.kind:<7} {outcome.stage:<7} {outcome.victim:<10} hit in {outcome.hit:<10} {outcome.seconds:6.1f} s, "
        f"{outcome.drivers} drivers: {outcome.verdict}"
    )
    return outcome


if __name__ == "__main__":
    main()
