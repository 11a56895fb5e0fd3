"""Places: paths of this machine, and of stores elsewhere (s3://, gs://, az://, hdfs://, https:// ...), used alike.

In: what a user writes, and the options that reach a store. Out: a path object: pathlib's own, or universal_pathlib's,
which asks fsspec; tasks take it along with its options. Credentials come from the environment, as each store's own
tools read them, or with the options; they are in no file of ours.

What a run does with its own folder goes through the functions here, which wait for a store that is away.
"""

import errno
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from typing_extensions import TypeIs

from issodask.errors import AwayError, InputError
from issodask.host import how_to_install, patiently

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]+://[^/?#]*:[^/?#]*@", re.IGNORECASE)
_BUSY = {errno.EBUSY, errno.EIO, errno.ETIMEDOUT, errno.EPIPE, errno.ENETUNREACH, errno.EHOSTUNREACH}
_AWAY = {  # names of errors, and of what they are derived from, in the packages that reach stores
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "ConnectTimeoutError",
    "FSTimeoutError",
    "HTTPClientError",
    "IncompleteRead",
    "TimeoutError",
}
_options: ContextVar[Mapping[str, Any]] = ContextVar("options of stores", default={})  # noqa: B039 (never changed)


@contextmanager
def storage(options: Mapping[str, Any] | None) -> Iterator[None]:
    """Within this context, stores are reached with these options: those that fsspec's file systems take."""
    token = _options.set({**_options.get(), **(options or {})})
    try:
        yield
    finally:
        _options.reset(token)


def is_url(path: Any) -> bool:
    """Whether this text names a place in a store."""
    return isinstance(path, str) and _URL.match(path) is not None


def is_remote(path: Any) -> bool:
    """Whether this path is of a store."""
    return hasattr(path, "storage_options") and getattr(path, "protocol", "") not in ("", "file", "local")


def is_path(source: Any) -> TypeIs[str | Path]:
    """Whether this is a path, or text that is one, rather than a table."""
    return isinstance(source, str | Path) or is_remote(source)


def place(path: Any) -> Path:
    """The path that a user names. Raises InputError for a store that nothing here knows."""
    if is_remote(path):
        return cast(Path, path)
    if not is_url(path):
        return Path(path)
    check_address(path)
    try:
        from upath import UPath
    except ImportError as error:
        raise InputError(how_to_install("upath", f"{path}")) from error
    with store_faults_of(path):
        return cast(Path, UPath(path, **_options.get()))


def folder_of_run(path: Any) -> Path:
    """The folder that a run works in: what others have just written there is seen at once."""
    found = place(path)
    if not is_remote(found):
        return found
    options = {**cast(Any, found).storage_options, "use_listings_cache": False}
    return type(found)(str(found), **options)


def check_address(path: str) -> None:
    """Raise InputError for an address that holds a password, which files of a run would keep."""
    if _PASSWORD.match(path):
        without = re.sub(r"://[^/?#]*@", "://", path, count=1)
        raise InputError(
            f"the address of {without} holds a password: leave it out, and set it in the environment or in the options"
        )


def exists(path: Any) -> bool:
    """Whether there is a file or folder. Raises InputError when a store doesn't answer."""
    found = place(path)
    with store_faults_of(found):
        return found.exists()


def is_file(path: Path) -> bool:
    return _asked(path, path.is_file) if is_remote(path) else path.is_file()


def is_folder(path: Path) -> bool:
    return _asked(path, path.is_dir) if is_remote(path) else path.is_dir()


def found_in(folder: Path, pattern: str) -> list[Path]:
    """What lies in a folder under such names, in their order; none where there is no folder."""
    if is_remote(folder):
        names = _asked(folder, lambda: _names_in(folder))
        return [folder / name for name in sorted(names) if fnmatchcase(name, pattern)]
    return sorted(folder.glob(pattern))


def listed(folder: Path) -> list[Path]:
    """All files below a folder of a store, by name."""
    with store_faults_of(folder):
        system = cast(Any, folder).fs
        names = sorted(system.find(cast(Any, folder).path))
        root = cast(Any, folder).path.rstrip("/")
        return [folder / name[len(root) + 1 :] for name in names if name.startswith(f"{root}/")]


def make_folder(folder: Path) -> None:
    """A store has folders as soon as it has files."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    if is_remote(path):
        _asked(path, lambda: _remove_one(path), "write")
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it, if it is there."""
    if is_remote(folder):
        _asked(folder, lambda: _remove_all(folder), "write")
    else:
        shutil.rmtree(folder, ignore_errors=True)


def read_bytes(path: Path, start: int = 0) -> bytes | None:
    """What a file holds from its byte `start` on; None when there is no such file."""
    try:
        if is_remote(path):
            return cast(bytes, _asked(path, lambda: _bytes_from(path, start)))
        with path.open("rb") as file:
            file.seek(start)
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def state_of(path: Path) -> str:
    """Names what a file of a store holds at present, by what the store knows of it: its tag and size, or its time."""

    def ask() -> str:
        known = _call(path, "info")
        tag = known.get("ETag") or known.get("etag") or known.get("md5Hash")
        return f"{tag} {known.get('size')}" if tag else str(_call(path, "ukey"))

    with store_faults_of(path):
        return str(_asked(path, ask))


def download(path: Path, file: Path) -> None:
    """Copy a file of a store to this machine."""
    with store_faults_of(path):
        _asked(path, lambda: _call(path, "get_file", str(file)))


def upload(file: Path, path: Path) -> None:
    """Copy a file of this machine to a store, where it is whole or absent."""
    store: Any = path
    _asked(path, lambda: store.fs.put_file(str(file), store.path), "write")


def create(path: Path, data: bytes) -> bool:
    """Write a file of a store unless there is one; return whether it was written."""

    def ask() -> bool:
        try:
            _call(path, "pipe_file", data, mode="create")
        except FileExistsError:
            return False
        return True

    return bool(_asked(path, ask, "write"))


def overwrite(path: Path, data: bytes) -> None:
    """Write a small file of a store."""
    _asked(path, lambda: _call(path, "pipe_file", data), "write")


def _asked(path: Path, ask: Callable[[], Any], verb: str = "read") -> Any:
    """What the store says; it is waited for. That there is no such file to read is for the caller to judge."""

    def once() -> Any:
        try:
            return ask()
        except Exception as error:
            if isinstance(error, FileNotFoundError) and verb == "read":
                raise
            with store_faults_of(path, verb):
                raise

    return patiently(once)


def _call(path: Any, what: str, *args: Any, **more: Any) -> Any:
    """Ask the file system of a store about one of its paths."""
    return getattr(path.fs, what)(path.path, *args, **more)


def _bytes_from(path: Path, start: int) -> bytes:
    if not start:
        return cast(bytes, _call(path, "cat_file"))
    n_bytes = _call(path, "info")["size"]
    return cast(bytes, _call(path, "cat_file", start=start, end=n_bytes)) if n_bytes > start else b""


def _names_in(folder: Path) -> list[str]:
    try:
        return [str(name).rstrip("/").rpartition("/")[2] for name in _call(folder, "ls", detail=False)]
    except FileNotFoundError:
        return []


def _remove_one(path: Path) -> None:
    with suppress(FileNotFoundError):
        _call(path, "rm_file")


def _remove_all(folder: Any) -> None:
    for name in folder.fs.find(folder.path):  # to remove a folder, a store would take its name for a pattern
        with suppress(FileNotFoundError):
            folder.fs.rm_file(name)


@contextmanager
def store_faults_of(path: Any, verb: str = "read") -> Iterator[None]:
    """Say in one line that a store doesn't answer, or refuses; faults of this machine's own paths stay as they are."""
    if not (is_remote(path) or is_url(path)):
        yield
        return
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{path} needs a package ({_one_line(error)}): install it") from error
    except FileNotFoundError as error:
        raise InputError(f"no such file or folder: {path}: check the path and the bucket") from error
    except Exception as error:  # each store has its own
        if type(error).__module__.partition(".")[0] in ("pyarrow", "issodask"):
            raise
        raise (AwayError if _is_away(error) else InputError)(
            f"can't {verb} {path} ({_one_line(error)}): check the address, the credentials and the connection, "
            "and run again to go on"
        ) from error


def _is_away(error: BaseException) -> bool:
    """Whether a store, or the way there, may come back: nothing is wrong with what it was asked."""
    if isinstance(error, OSError) and error.errno in _BUSY:
        return True
    return any(kind.__name__ in _AWAY for kind in type(error).__mro__)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
