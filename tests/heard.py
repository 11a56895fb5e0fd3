"""Listeners for tests that look at events as others read them: as records."""

from collections.abc import Callable
from typing import Any

from issodask.event import Event
from issodask.event_log import Listener


def of_records(hear: Callable[[dict[str, Any]], None]) -> Listener:
    """A listener that passes the record of each event to `hear`."""

    def listen(event: Event) -> None:
        hear(event.record())

    return listen
