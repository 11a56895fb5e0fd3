"""What a run tells while it works: one JSON line per event in `events.jsonl`, and the same to whoever listens."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

Listener = Callable[[dict[str, Any]], None]


class Events:
    """Appends events to a file (if given) and hands each to the listeners (the terminal's progress, a dashboard)."""

    def __init__(self, path: Path | None = None, *listeners: Listener) -> None:
        self._path = path
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

    def emit(self, event: str, **fields: Any) -> None:
        """Tell that `event` happened; `fields` are JSON values."""
        record = {"time": round(time.time(), 3), "event": event, **fields}
        with self._lock:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            for listener in self._listeners:
                listener(record)


def _end_last_line(path: Path) -> None:
    """A run that was killed may have left half a line, which must not swallow the next event."""
    with path.open("rb+") as file:
        if not file.read().endswith(b"\n"):
            file.write(b"\n")


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events of a run so far; a line that was cut off is left out."""
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
