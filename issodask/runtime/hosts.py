"""Objects that stay on Dask workers: actors, one on each of some workers, as long as a stage needs them.

A call goes from the driver to the worker and back in a millisecond or two, past the scheduler's queue of tasks. What an
actor keeps is lost with its worker, which is told as HostLostError: whoever has it called knows how to begin again.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from distributed import Client, Future, wait

from issodask.errors import HostLostError
from issodask.runtime.shared import received

_LOOKED_AFTER_S = 2.0


class ActorHosts:
    """The actors of a stage."""

    def __init__(self, client: Client, addresses: Sequence[str], actors: Sequence[Any]) -> None:
        self.n_hosts = len(actors)
        self._client = client
        self._addresses = addresses
        self._actors = actors

    def ask(self, method: str, arguments: Sequence[Any]) -> Callable[[], list[Any]]:
        try:
            with self._client.as_current():  # actors look for it
                pairs = zip(self._actors, arguments, strict=False)
                asked = [getattr(actor, method)(argument) for actor, argument in pairs]
        except RuntimeError as error:  # Dask's own word that the worker is gone
            raise HostLostError(f"a worker that kept something is gone ({error}): run again to go on") from error
        return lambda: [self._answer(future) for future in asked]

    def _answer(self, future: Any) -> Any:
        """What an actor answers; now and then it is looked whether its worker is still there."""
        while True:
            try:
                return future.result(timeout=_LOOKED_AFTER_S)
            except (TimeoutError, FutureTimeoutError):
                check_there(self._client, self._addresses)
            except OSError as error:
                if error.errno is not None:
                    raise  # of a file that the actor reads or writes
                raise HostLostError(f"a worker that kept something is gone ({error}): run again to go on") from error


@contextmanager
def actors(
    client: Client,
    addresses: Sequence[str],
    make: Callable[..., Any],
    items: Sequence[Any],
    shared: tuple[Any, ...],
    label: str,
) -> Iterator[ActorHosts]:
    """An actor `make(item, *shared)` on each of these workers, of which there are as many as items."""
    futures = [
        client.submit(
            _made,
            make,
            item,
            shared,
            key=f"{label}-{uuid4().hex}",
            workers=[address],
            allow_other_workers=False,
            actor=True,
        )
        for item, address in zip(items, addresses, strict=True)
    ]
    try:
        with client.as_current():
            _await(client, futures, addresses)
            made = [future.result() for future in futures]
        yield ActorHosts(client, addresses, made)
    finally:
        client.cancel(futures, force=True)


def check_there(client: Client, addresses: Sequence[str]) -> None:
    """Raise HostLostError unless the scheduler still knows all of these workers."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    for address in addresses:
        if address not in known:
            raise HostLostError(f"worker {address}, which kept something, is gone: run again to go on")


def _await(client: Client, futures: list[Future], addresses: Sequence[str]) -> None:
    """Until all actors are made; one that is to be made on a worker that is gone never would be."""
    while True:
        try:
            wait(futures, timeout=_LOOKED_AFTER_S)
            return
        except (TimeoutError, FutureTimeoutError):
            check_there(client, addresses)


def _made(make: Callable[..., Any], item: Any, shared: tuple[Any, ...]) -> Any:
    return make(item, *received(shared))
