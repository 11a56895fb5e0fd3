"""Files that are whole or absent: written under a work name, renamed when complete, hashed by content."""

import errno
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import xxhash

from issodask.errors import InputError, LostError
from issodask.host import process_folder
from issodask.store.locks import LEASE_S, WRITER, Lock, lock_of
from issodask.store.places import exists, is_remote, make_folder, read_bytes, state_of, upload

HASH_CHUNK_BYTES = 1 << 20
_WORK_SUFFIX = ".work"
_LOCK = ".lock"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a work name beside `path`; rename it to `path` on success, remove it on failure.

    The name is nobody else's: a task that a cluster has given up may still be writing when its successor begins.
    Raises InputError when the disk is full or the place can't be written to; what was at `path` before stays untouched.
    The file of a store is written here, and copied there on success.
    """
    if is_remote(path):
        here = process_folder() / f"{uuid4().hex}{path.suffix}"
        try:
            with write_faults_of(here):
                yield here
            upload(here, path)
        finally:
            here.unlink(missing_ok=True)
        return
    work = path.with_name(f".{path.name}.{uuid4().hex[:12]}{_WORK_SUFFIX}")
    try:
        with write_faults_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield work
            os.replace(work, path)
    except BaseException:
        with suppress(OSError):
            work.unlink()
        raise


@contextmanager
def sole_writer(folder: Path, lease_s: float = LEASE_S) -> Iterator[None]:
    """Hold the folder's lock within this context, and begin with removing the work files that killed processes left.

    The lock goes with the process, however that ends. One that is just ending is waited for; raises InputError when
    another process goes on working in the folder, and LostError when another took this process for dead, since in a
    store it gave no sign of life for `lease_s` seconds.
    """
    if is_remote(folder):
        exists(folder)  # one that never answered is not waited for
    with write_faults_of(folder):
        make_folder(folder)
        lock = lock_of(folder / _LOCK, lease_s)
        _wait_for(lock, folder)
    writer = folder / WRITER
    try:
        if not is_remote(folder):
            writer.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
            sweep_work_files(folder)
        yield
    finally:
        if not is_remote(folder):
            writer.unlink(missing_ok=True)
        lock.release()
    if lock.is_lost:
        raise LostError(f"this process gave no sign of life for so long that another works in {folder} now")


def _wait_for(lock: Lock, folder: Path) -> None:
    deadline = time.monotonic() + lock.patience_s
    while not lock.take():
        if time.monotonic() > deadline:
            raise InputError(f"another run works in {folder} ({lock.holder()}): wait for it, or choose another folder")
        time.sleep(lock.poll_s)


def sweep_work_files(folder: Path) -> None:
    """Remove the work files that processes which were killed left anywhere below `folder`."""
    for path in folder.rglob(f".*{_WORK_SUFFIX}"):
        if path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def write_faults_of(path: Path) -> Iterator[None]:
    """Say in one line that the disk, or the user's share of it, is full, or that `path` is no place to write to."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"disk full while writing {path}: free some space or choose another folder") from error
        if isinstance(error, PermissionError | NotADirectoryError | FileExistsError | IsADirectoryError):
            raise InputError(f"can't write {path} ({error.strerror}): choose another place") from error
        raise


def copy_whole(source: Path, path: Path) -> Path:
    """Copy a file; return where it is now."""
    with whole_file(path) as work:
        shutil.copyfile(source, work)
    return path


def write_json(path: Path, value: Any) -> None:
    """Write JSON whose bytes depend on `value` alone."""
    with whole_file(path) as work:
        work.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON; None when there is no such file or it is damaged."""
    found = read_bytes(path)
    try:
        return None if found is None else json.loads(found)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def file_hash(path: Path, skip_bytes: int = 0) -> str:
    """xxh3 (64 bits, hexadecimal) of the file's bytes after the first `skip_bytes`.

    The file of a store is not read: what the store knows of it stands for its bytes.
    """
    if is_remote(path):
        return state_of(path)
    digest = xxhash.xxh3_64()
    with path.open("rb") as file:
        file.seek(skip_bytes)
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def is_hidden(path: Path) -> bool:
    """Work files of ours and others: `.name`, `_name`, `name~`, `name.tmp`, `name.work`."""
    return path.name.startswith((".", "_")) or path.name.endswith(("~", ".tmp", _WORK_SUFFIX))
