"""Places: paths of this machine, and of stores elsewhere (s3://, gs://, az://, hdfs://, https:// ...), used alike.

In: what a user writes, and the options that reach a store. Out: a path object: pathlib's own, or universal_pathlib's,
which asks fsspec; tasks take it along with its options. Credentials come from the environment, as each store's own
tools read them, or with the options; they are in no file of ours.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, cast

from typing_extensions import TypeIs

from issodask.errors import InputError
from issodask.host import how_to_install

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]+://[^/?#]*:[^/?#]*@", re.IGNORECASE)
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


def listed(folder: Path) -> list[Path]:
    """All files below a folder of a store, by name."""
    with store_faults_of(folder):
        system = cast(Any, folder).fs
        names = sorted(system.find(cast(Any, folder).path))
        root = cast(Any, folder).path.rstrip("/")
        return [folder / name[len(root) + 1 :] for name in names if name.startswith(f"{root}/")]


def state_of(path: Path) -> str:
    """Names what a file of a store holds at present, by what the store knows of it: its tag, size and time."""
    with store_faults_of(path):
        return str(cast(Any, path).fs.ukey(cast(Any, path).path))


def upload(file: Path, path: Path) -> None:
    """Copy a file of this machine to a store, where it is whole or absent."""
    with store_faults_of(path, "write"):
        cast(Any, path).fs.put_file(str(file), cast(Any, path).path)


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
        raise InputError(
            f"can't {verb} {path} ({_one_line(error)}): check the address, the credentials and the connection, "
            "and run again to go on"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
