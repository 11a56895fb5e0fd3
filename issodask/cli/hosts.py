"""`issodask cluster`: a scheduler and workers on this host, as `make cluster-up` starts them."""

import time
from pathlib import Path

import click

from issodask.cli.options import PATH, told


@click.group()
def cluster() -> None:
    """Start and stop a cluster on this host: a Dask scheduler and workers that a supervisor keeps alive."""


_workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Default: one per GPU, else one per processor."
)
_memory_option = click.option(
    "--memory", help="Of each worker, such as 4GB; 0 for no limit.  [default: an equal share]"
)


@cluster.command()
@_workers_option
@_memory_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Where scheduler and workers listen.")
@click.option("--dashboard-host", default="127.0.0.1", show_default=True, help="Where the dashboard listens.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8786, show_default=True, help="If it is free.")
@click.option(
    "--dashboard-port", type=click.IntRange(0, 65_535), default=8787, show_default=True, help="If it is free."
)
@told
def up(workers: int | None, memory: str | None, **places: str | int) -> None:
    """Start it. Nobody without the certificate that is made now can talk to it."""
    from issodask.models.device import installed_gpus
    from issodask.runtime.address import NOTE, own_folder
    from issodask.service.host import start
    from issodask.service.programs import Plan
    from issodask.warm import warm_up

    click.echo("compiling kernels (once per installation)", err=True)
    warm_up()
    plan = Plan(workers, memory, gpus=installed_gpus(), **places)  # type: ignore[arg-type]
    started = start(own_folder(), plan, lambda text: click.echo(text, err=True))
    click.echo(f"scheduler  {started.address}")
    click.echo(f"dashboard  {started.dashboard}")
    click.echo(f"elsewhere  --scheduler {own_folder() / NOTE}  (with the folder keys/ beside it)")


@cluster.command()
@click.argument("note", type=PATH, metavar="CLUSTER.JSON")
@_workers_option
@_memory_option
@told
def join(note: Path, workers: int | None, memory: str | None) -> None:
    """Start workers here for the cluster of another host, from its CLUSTER.JSON, copied with the folder keys/."""
    from issodask.models.device import installed_gpus
    from issodask.runtime.address import own_folder
    from issodask.service.host import join
    from issodask.service.programs import Plan
    from issodask.warm import warm_up

    click.echo("compiling kernels (once per installation)", err=True)
    warm_up()
    plan = Plan(workers, memory, gpus=installed_gpus())
    joined = join(own_folder(), note, plan, lambda text: click.echo(text, err=True))
    click.echo(f"scheduler  {joined.address}")
    click.echo(f"joined by  {len(joined.processes)} workers of this host; `issodask cluster down` stops them")


@cluster.command()
@told
def down() -> None:
    """Stop it; jobs that were not finished go on when it is started again."""
    from issodask.runtime.address import own_folder
    from issodask.service.host import stop

    click.echo("stopped" if stop(own_folder()) else "no cluster was up")


@cluster.command()
@told
def status() -> None:
    """Tell where it listens and how its processes are."""
    from issodask.runtime.address import own_folder
    from issodask.service.host import status

    found = status(own_folder())
    click.echo(f"scheduler  {found.address}")
    click.echo(f"dashboard  {found.dashboard}")
    for process in found.processes:
        since = f"for {time.time() - process.since:,.0f} s" if process.pid else ""
        click.echo(f"{process.name:<10} {process.state.lower():<9} process {process.pid or '-':<8} {since}".rstrip())


@cluster.command()
@click.argument("folder", type=PATH)
@told
def keys(folder: Path) -> None:
    """Make certificates in FOLDER for a cluster that something else starts (see cluster/README.md)."""
    from issodask.errors import InputError
    from issodask.service.certificates import Keys, make_keys

    if Keys.within(folder).key.exists():
        raise InputError(f"{folder} has keys already: remove them first, or choose another folder")
    made = make_keys(folder)
    for path in (made.ca, made.cert, made.key):
        click.echo(f"written   {path}")
