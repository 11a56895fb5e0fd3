"""Values that all tasks of a map need: small ones go along with each task, large ones through a file.

Dask's own way, scattering, loses a value with the worker that holds it. A file outlives workers, and processes of one
host read it from the same memory (the page cache).
"""

import pickle
import weakref
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

_SMALL_BYTES = 100_000
_KEPT = 4


class SharedFile:
    """Names a value in a file, which goes when the driver forgets this object. Tasks see the value itself."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        work = path.with_name(f".{path.name}.work")
        work.write_bytes(data)
        work.rename(path)
        weakref.finalize(self, path.unlink, missing_ok=True)

    def __reduce__(self) -> Any:
        return _Reference, (self.path,)


class _Reference:
    """What a SharedFile is on a worker."""

    def __init__(self, path: Path) -> None:
        self.path = path


class _Cache:
    """The values that this process read last; all of its threads use them, read-only."""

    def __init__(self) -> None:
        self._values: OrderedDict[Path, Any] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path) -> Any:
        with self._lock:
            if path in self._values:
                self._values.move_to_end(path)
                return self._values[path]
            value = pickle.loads(path.read_bytes())
            self._values[path] = value
            if len(self._values) > _KEPT:
                self._values.popitem(last=False)
            return value


_cache = _Cache()


def share_in(folder: Path, value: Any) -> Any:
    """`value` itself when it is small, else the name of a new file in `folder` that holds it."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    if len(data) < _SMALL_BYTES:
        return value
    folder.mkdir(parents=True, exist_ok=True)
    return SharedFile(folder / f"{uuid4().hex}.pickle", data)


def received(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """On a worker: the values that were shared."""
    return tuple(_cache.get(value.path) if isinstance(value, _Reference | SharedFile) else value for value in values)
