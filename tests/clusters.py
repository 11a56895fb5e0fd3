"""A supervised cluster for tests, and jobs for it that wait where a test wants them to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from issodask.errors import InputError
from issodask.runtime.cluster import connected
from issodask.service import host
from issodask.service.client import open_service
from issodask.service.processes import processes_of, socket_path
from issodask.store.files import file_hash
from tests.tables import biased_pool, mixed_table, narrow, write_job, write_pool

REPOSITORY = Path(__file__).parents[1]
RESULTS = ("subset.parquet", "subset.lineage.parquet")

_WAITING_SOURCE = '''
import time
from pathlib import Path


def draw(original, n, seed):
    """Rows of the original, as soon as there is a file `go` beside this one."""
    here = Path(__file__).parent
    (here / f"waits-{seed}").touch()
    while not (here / "go").exists():
        time.sleep(0.05)
    return original.sample(n, replace=True, random_state=seed).reset_index(drop=True)
'''


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition returns, once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s"
        time.sleep(0.05)
    return found


def listening(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    """Addresses and ports at which they listen."""
    found = set()
    for process in processes:
        ask = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
        found |= {tuple(socket.laddr) for socket in ask("inet") if socket.status == psutil.CONN_LISTEN}
    return found


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Within this context a cluster of two workers is up; of its processes, ports and sockets nothing stays."""
    started = host.start(folder, host.Plan(2, "0", port=0, dashboard_port=0))
    assert len(started.processes) == 3
    try:
        yield
    finally:
        processes = processes_of(folder)
        places = listening(processes)
        host.stop(folder)
    assert len(processes) >= 6  # supervisor, scheduler, two nannies, two workers
    assert psutil.wait_procs(processes, timeout=5)[1] == []  # ended already; what started them has yet to notice
    assert places
    assert places & {(socket.laddr.ip, socket.laddr.port) for socket in listeners()} == set()
    assert not socket_path(folder).exists()


def wait_for_workers(n: int) -> None:
    """Until that many workers of this host's cluster answer; they may just be starting again."""
    with connected(None) as client:
        client.wait_for_workers(n, timeout=60)


def listeners() -> list[Any]:
    return [socket for socket in psutil.net_connections("inet") if socket.status == psutil.CONN_LISTEN]


def write_inputs(folder: Path) -> None:
    """original.parquet and a pool."""
    folder.mkdir(exist_ok=True)
    narrow(mixed_table()).to_parquet(folder / "original.parquet")
    write_pool(folder / "pool", narrow(biased_pool()))


def quick_job(folder: Path, name: str = "job", **sections: Any) -> Path:
    """A job file that takes a second or two, and writes to the folder of its name."""
    settings = {
        "out": folder / name,
        "original": {"path": folder / "original.parquet"},
        "generate": {"source": folder / "pool"},
        "select": {"effort": 60.0, "ipf_passes": 2},
        "evaluate": {"distance_rows": 100},
    }
    return write_job(folder / f"{name}.toml", **settings | sections)


def waiting_job(folder: Path, name: str = "waiting") -> Path:
    """A job that goes no further than its generator until there is a file `go` in the folder."""
    source = folder / "source.py"
    source.write_text(_WAITING_SOURCE, encoding="utf-8")
    generate = {"source": f"python:{source}:draw", "units": 3_000, "generators": 1}
    return quick_job(folder, name, generate=generate)


def is_waiting(folder: Path) -> bool:
    return any(folder.glob("waits-*"))


def results(out: Path) -> dict[str, str]:
    """A hash of each file: a comparison that fails says which, in a line."""
    return {name: file_hash(out / name) for name in RESULTS}


def ended(id: str, seconds: float = 180) -> dict[str, Any]:
    """The job, as this host's cluster knows it, once it is over; the scheduler may be down for a while."""

    def over() -> dict[str, Any] | None:
        with suppress(InputError, OSError), open_service(None) as service:
            for _ in service.follow(id, until_over=True):
                pass
            return service.job(id)
        return None

    return wait_for(over, seconds)
