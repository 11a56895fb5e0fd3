"""Events on their way: an event at a time, one JSON line each in `events.jsonl`, and to whoever listens."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from issodask import events as kinds
from issodask.event import Event

KINDS: dict[str, type[Event]] = {
    kind.KIND: kind for kind in vars(kinds).values() if isinstance(kind, type) and issubclass(kind, Event) and kind.KIND
}

Listener = Callable[[Event], None]


class Events:
    """Appends events to a file (if given) and hands each to the listeners (a display, whoever watches a cluster)."""

    def __init__(self, path: Path | None = None, *listeners: Listener) -> None:
        self.path = path
        self._listeners = listeners
        self._lock = Lock()
        if path is not None and path.exists():
            _end_last_line(path)

    @contextmanager
    def also_to(self, listener: Listener) -> Iterator[None]:
        """Within this context, tell `listener` too."""
        before = self._listeners
        self._listeners = (*before, listener)
        try:
            yield
        finally:
            self._listeners = before

    def emit(self, event: Event) -> None:
        """Tell of `event`, as of now."""
        event = replace(event, time=round(time.time(), 3))
        with self._lock:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(event.record()) + "\n")
            for listener in self._listeners:
                listener(event)


def _end_last_line(path: Path) -> None:
    """A run that was killed may have left half a line, which must not swallow the next event."""
    with path.open("rb+") as file:
        if not (file.read() or b"\n").endswith(b"\n"):
            file.write(b"\n")


def event_of(record: Any) -> Event | None:
    """The event that a record holds; None for one of another version that is not known here, or lacks something."""
    kind = KINDS.get(record.get("event", "")) if isinstance(record, Mapping) else None
    try:
        return None if kind is None else kind.from_record(record)
    except TypeError:
        return None


def read_events(path: Path) -> list[Event]:
    """All events of a run so far; a line that was cut off is left out."""
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            event = event_of(json.loads(line))
        except json.JSONDecodeError:
            continue
        if event is not None:
            events.append(event)
    return events
