"""Where the verbs work, and what is seen of it: the runtime, events, and what Ctrl-C leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from issodask.api.folders import Folder
from issodask.display import listening
from issodask.errors import Stopped

if TYPE_CHECKING:
    from issodask.event_log import Events
    from issodask.runtime import Runtime
    from issodask.runtime.opening import Client

    Where: TypeAlias = Runtime | Client | str | None


@contextmanager
def opened(where: "Where", workers: int | None, events: "Events", folder: Path) -> Iterator["Runtime"]:
    """The runtime; whoever watches the cluster hears the events."""
    from issodask.runtime import open_runtime, told
    from issodask.store.copies import copies_of

    with (
        open_runtime(workers, where) as runtime,
        told(runtime, events, folder),
        copies_of(folder, runtime.everywhere),
    ):
        yield runtime


@contextmanager
def work(verb: str, folder: Folder, progress: bool | None) -> Iterator["Events"]:
    """Events that are kept in the folder and shown; an interruption says how to go on."""
    from issodask.event_log import Events
    from issodask.store.logs import growing_file

    try:
        with listening(progress) as listeners, growing_file(folder.files.events) as path:
            yield Events(path, *listeners)
    except KeyboardInterrupt:
        raise Stopped(_how_to_go_on(verb, folder)) from None


def _how_to_go_on(verb: str, folder: Folder) -> str:
    if folder.is_kept:
        return f"{verb} was stopped; call it again with the same folder ({folder.path}) to go on"
    return f"{verb} was stopped; give a folder to be able to go on the next time"
