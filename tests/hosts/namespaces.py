"""Hosts played by Linux namespaces: each has a network, a name, processes and folders of its own; one they share.

A host is a process that waits, with all others of the host below it: when it is killed, nothing of the host is left.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.clusters import REPOSITORY, wait_for

TOOLS = ("ip", "mount", "nsenter", "unshare")

# The first process of a host: it mounts the host's own folder, hides all others', and takes in orphans.
_FIRST = """
import signal, subprocess, sys
own, private, hosts, name = sys.argv[1:]
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "--bind", own, private], check=True)
subprocess.run(["mount", "-t", "tmpfs", "none", hosts], check=True)
subprocess.run(["hostname", name], check=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()  # until whoever plays is gone
"""


def why_not() -> str | None:
    """What is missing to play hosts, or None."""
    if os.getuid() != 0:
        return "only root can make namespaces"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs the tools {', '.join(missing)} (packages iproute2 and util-linux)"
    made = subprocess.run(["unshare", "--mount", "--net", "--pid", "--uts", "--fork", "true"], capture_output=True)
    return None if made.returncode == 0 else f"namespaces can't be made here: {made.stderr.decode().strip()}"


@dataclass(frozen=True)
class Host:
    """`private` is a path that each host has, with content of its own; from outside, that of this host is at `own`."""

    name: str
    address: str
    pid: int
    private: Path
    own: Path

    def run(self, command: Sequence[str | Path], timeout: float = 90) -> "subprocess.CompletedProcess[str]":
        """Run a command of this installation on the host, in its folder `work`."""
        places = {"HOME": self.private / "home", "TMPDIR": self.private / "tmp"}
        environment = {name: value for name, value in os.environ.items() if name != "ISSODASK_HOME"}
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--uts"]
        return subprocess.run(
            [*enter, "env", "--chdir", str(self.private / "work"), *map(str, command)],
            env=environment | {name: str(place) for name, place in places.items()},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, command: Sequence[str | Path]) -> "subprocess.Popen[str]":
        """Start a command of this installation on the host, where its sources are; it talks through pipes."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--uts"]
        there = ["env", "--chdir", str(REPOSITORY)]
        return subprocess.Popen(
            [*enter, *there, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def issodask(self, *arguments: str | Path, timeout: float = 90) -> "subprocess.CompletedProcess[str]":
        return self.run([sys.executable, "-m", "issodask", *arguments], timeout)


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts joined by a cable; both see what is in `folder`, but each has a `private` of its own in it."""
    with _host(folder, "a", "10.77.0.1") as a, _host(folder, "b", "10.77.0.2") as b:
        ends = [f"iss{host.name}{os.getpid()}" for host in (a, b)]
        _do("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for host, end in zip((a, b), ends, strict=True):
            _do("ip", "link", "set", end, "netns", str(host.pid))
            inside = ("nsenter", "--target", str(host.pid), "--net", "ip")
            _do(*inside, "address", "add", f"{host.address}/24", "dev", end)
            _do(*inside, "link", "set", end, "up")
            _do(*inside, "link", "set", "lo", "up")
        yield a, b


@contextmanager
def _host(folder: Path, name: str, address: str) -> Iterator[Host]:
    private, hosts = folder / "private", folder / "hosts"
    own = hosts / name
    for place in (private, own / "home", own / "tmp", own / "work"):
        place.mkdir(parents=True, exist_ok=True)
    namespaces = ["--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
    first = [sys.executable, "-c", _FIRST, str(own), str(private), str(hosts), f"host-{name}"]
    process = subprocess.Popen(
        ["unshare", *namespaces, *first], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (child,) = psutil.Process(process.pid).children()
        yield Host(name, address, child.pid, private, own)
    finally:
        process.kill()  # and with it the first process, and with that all others of the host
        process.communicate()


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def gone(pid: int) -> bool:
    """Whether a host, and so all of its processes, ended."""
    return bool(wait_for(lambda: not psutil.pid_exists(pid), 10))
