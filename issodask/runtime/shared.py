"""Values that all tasks of a map need: small ones go along with each task, large ones through a file.

Dask's own way, scattering, loses a value with the worker that holds it. A file outlives workers, and processes of one
host read it from the same memory (the page cache). In a store it names places of stores by their addresses alone:
options, which may be secret, go along with the tasks.
"""

import io
import pickle
import shutil
import weakref
from collections import OrderedDict
from contextlib import suppress
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
        if lies_in_store(path):
            path.write_bytes(data)
        else:
            work = path.with_name(f".{path.name}.work")
            work.write_bytes(data)
            work.rename(path)
        weakref.finalize(self, _remove, path)

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
            value = _Unpickler(io.BytesIO(path.read_bytes()), path).load()
            self._values[path] = value
            if len(self._values) > _KEPT:
                self._values.popitem(last=False)
            return value


_cache = _Cache()


def share_in(folder: Path, value: Any) -> Any:
    """`value` itself when it is small, else the name of a new file in `folder` that holds it."""
    data = io.BytesIO()
    _Pickler(data, folder).dump(value)
    if len(data.getbuffer()) < _SMALL_BYTES:
        return value
    if not lies_in_store(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return SharedFile(folder / f"{uuid4().hex}.pickle", data.getvalue())


def lies_in_store(path: Path) -> bool:
    """Whether the path is of universal_pathlib, which has other classes for stores."""
    return not isinstance(path, Path)


def clear(folder: Path) -> None:
    """Remove a folder of shared values."""
    if not lies_in_store(folder):
        shutil.rmtree(folder, ignore_errors=True)
        return
    store: Any = folder
    with suppress(Exception):  # it is tidied now, or by the next run
        store.fs.rm(store.path, recursive=True)


def _remove(path: Path) -> None:
    with suppress(Exception):
        path.unlink(missing_ok=True)


class _Pickler(pickle.Pickler):
    """Writes places of stores by their addresses, if it writes to a store."""

    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._is_in_store = lies_in_store(folder)

    def persistent_id(self, value: Any) -> str | None:
        return str(value) if self._is_in_store and hasattr(type(value), "storage_options") else None


class _Unpickler(pickle.Unpickler):
    """Reads what _Pickler wrote to `path`: places of stores have the options by which this one is reached."""

    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file)
        self._path: Any = path

    def persistent_load(self, address: Any) -> Any:
        from upath import UPath

        return UPath(address, **self._path.storage_options)


def received(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """On a worker: the values that were shared."""
    return tuple(_cache.get(value.path) if isinstance(value, _Reference | SharedFile) else value for value in values)
