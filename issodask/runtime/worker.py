"""A worker process of a cluster of one's own: `python -m issodask.runtime.worker`, whatever the user's script is.

multiprocessing would import the script anew in each worker, and a script without a main guard would begin again there.
In: one line of JSON on standard input, and the end of that input when the worker is no longer wanted, which also comes
when the driver's process dies. Out: one byte through the pipe `ready` once the scheduler knows the worker.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from issodask.host import remove_process_folder

_CLOSE_S = 2.0


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all processes of a terminal; the driver deals with it
    order = json.loads(sys.stdin.readline())
    asyncio.run(_work(order))
    remove_process_folder()
    os._exit(0)  # a training that nobody waits for any more would go on in its thread


async def _work(order: dict[str, Any]) -> None:
    from distributed import Worker

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    async with Worker(
        order["scheduler"],
        name=order["name"],
        nthreads=1,
        resources=order["resources"],
        memory_limit=0,
        dashboard=False,
    ) as worker:
        os.write(order["ready"], b"1")
        os.close(order["ready"])
        ended = asyncio.Event()
        threading.Thread(target=_wait_for_end, args=(asyncio.get_running_loop(), ended), daemon=True).start()
        waiting = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(worker.finished())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await worker.close(timeout=_CLOSE_S, executor_wait=False)


def _wait_for_end(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Let the worker close, and the process end even where a task that goes on, or a lost scheduler, keeps it."""
    while sys.stdin.readline():
        pass
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(ended.set)
    time.sleep(_CLOSE_S)
    remove_process_folder()
    os._exit(0)


if __name__ == "__main__":
    main()
