"""What a job told so far: its last events as they came, for clients that follow it, and how far it is."""

import time
from collections import deque
from typing import Any

from issodask.event import Event
from issodask.event_log import event_of
from issodask.progress import Progress

MAX_EVENTS = 5_000


class Told:
    """Of one job."""

    def __init__(self) -> None:
        self.records: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self.n_events = 0
        self.progress = Progress()

    def hear(self, record: dict[str, Any]) -> Event | None:
        """Take in the record of an event; one of an unknown kind is kept, and changes nothing else."""
        record = {"time": time.time(), **record}
        self.records.append(record)
        self.n_events += 1
        event = event_of(record)
        if event is not None:
            self.progress.hear(event)
        return event

    def since(self, n: int) -> list[dict[str, Any]]:
        """The records after the first `n`, as far as they are still kept."""
        n_kept_from = self.n_events - len(self.records)
        return list(self.records)[max(0, n - n_kept_from) :]
