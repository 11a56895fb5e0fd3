"""The supervisor of a cluster on this host, and processes that outlived one."""

import os
import shutil
import signal
import tempfile
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from issodask.runtime.address import NOTE

FOLDER_VARIABLE = "ISSODASK_CLUSTER"
"""Set for every process of a cluster, to its folder: by it they are found whatever became of their supervisor."""

KEYS = "keys"
LOGS = "logs"
_LONGEST_SOCKET_PATH = 90


@contextmanager
def supervisor_of(folder: Path) -> Iterator[Any]:
    transport = SupervisorTransport(None, None, f"unix://{socket_path(folder)}")
    with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
        yield proxy.supervisor
    transport.close()


def socket_path(folder: Path) -> Path:
    """Paths of sockets are short: long folders have theirs in the temporary folder."""
    path = folder / "supervisor.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    name = sha256(str(folder).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"issodask-{os.getuid()}-{name}.sock"


def processes_of(folder: Path) -> list[psutil.Process]:
    """All processes of this user that belong to the folder's cluster, but for this one and those above it."""
    own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid not in own and process.environ().get(FOLDER_VARIABLE) == str(folder):
                found.append(process)
    return found


def sweep(folder: Path) -> int:
    """End what is left of an earlier cluster of this folder, and remove its files; return the number of processes."""
    left = processes_of(folder)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with suppress(psutil.Error):
                process.send_signal(sign)
        _, alive = psutil.wait_procs(left, timeout=5)
        if not alive:
            break
    for path in (folder / NOTE, folder / "supervisord.conf", folder / "supervisord.pid", socket_path(folder)):
        path.unlink(missing_ok=True)
    for name in (KEYS, "spill", "dask"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return len(left)
