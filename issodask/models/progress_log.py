"""What a generator tells while it works: one JSON line at a time in its folder, followed by the driver from afar.

A worker appends to `progress.jsonl`; a thread of the driver reads what is new and emits it as events. Files serve every
runtime alike, need no connection, and stay behind as the record of a training and its attempts. Where the folder is in
a store, the file grows on the worker, and is copied there with each line.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from os import SEEK_END
from pathlib import Path
from typing import Any

from issodask.event_log import Events
from issodask.events import GeneratorTold

PROGRESS = "progress.jsonl"

Read = Callable[[Path, int], bytes | None]


class ProgressLog:
    """Appends to a generator's progress file; `on_line` is called with its path after each line."""

    def __init__(self, folder: Path, on_line: Callable[[Path], None] = lambda path: None) -> None:
        self.path = folder / PROGRESS
        self._on_line = on_line
        folder.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            _end_last_line(self.path)

    def write(self, phase: str, **fields: Any) -> None:
        """`phase` is what the generator does now: wait (for an earlier task), start, prepare, train, sample or done.

        "own draws" says that the engine samples in its own, slower way; "damaged" names a file that is made again.
        Where groups have a model of their own, "prepare groups" and "train groups" come before "prepare". At the end of
        each epoch, train has `epoch`, `train_loss` and `val_loss`; one that was killed tells some epochs again.
        """
        record = {"time": round(time.time(), 3), "phase": phase, **fields}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        self._on_line(self.path)


def _end_last_line(path: Path) -> None:
    """A worker that was killed may have left half a line, which must not swallow its successor's first."""
    with path.open("rb+") as file:
        if file.seek(0, SEEK_END) == 0:
            return
        file.seek(-1, SEEK_END)
        if file.read() != b"\n":
            file.write(b"\n")


def read_file(path: Path, start: int) -> bytes | None:
    """What a file of this machine holds from a byte on; None when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read()
    except FileNotFoundError:
        return None


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """All that the generator in `folder` has told."""
    return _Follower(folder, read_file).new_records()


@contextmanager
def watched(
    folders: Mapping[int, Path], events: Events | None, every_s: float = 0.5, read: Read = read_file
) -> Iterator[None]:
    """Within this context, emit what is new in the folders' progress as `generator` events with their `index`.

    `read` reads a file from a byte on, wherever it lies.
    """
    if events is None:
        yield
        return
    followers = {index: _Follower(folder, read) for index, folder in folders.items()}
    for follower in followers.values():
        follower.new_records()  # what earlier runs told is known
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(every_s):
            _emit_new(followers, events)

    thread = threading.Thread(target=follow, name="issodask-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _emit_new(followers, events)


def _emit_new(followers: Mapping[int, "_Follower"], events: Events) -> None:
    for index, follower in followers.items():
        for record in follower.new_records():
            events.emit(GeneratorTold.from_record({**record, "index": index}))


class _Follower:
    """Reads a file that grows; a last line that is not whole yet waits for the next time."""

    def __init__(self, folder: Path, read: Read) -> None:
        self._path = folder / PROGRESS
        self._read = read
        self._offset = 0

    def new_records(self) -> list[dict[str, Any]]:
        text = self._read(self._path, self._offset) or b""
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [record for line in whole.splitlines() if (record := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:  # a line that a dying worker left half written
        return None
    return record if isinstance(record, dict) else None
