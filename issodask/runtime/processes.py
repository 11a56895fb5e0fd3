"""Worker processes of this process's own, as a LocalCluster of Dask can hold them; one that dies is started again.

Each is `python -m issodask.runtime.worker`, with this process's module path and Dask's settings.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import dask
from distributed.core import Status
from distributed.deploy.spec import ProcessInterface

_MODULE = "issodask.runtime.worker"
_END_S = 5.0


class WorkerProcess(ProcessInterface):
    """One worker, from `start` to `close`."""

    def __init__(self, scheduler: str, name: Any, resources: dict[str, float], **_: Any) -> None:
        super().__init__()
        self._order = {"scheduler": scheduler, "name": name, "resources": resources}
        self._environ = {
            **{name: str(value) for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items()},
            "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
            "DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(dask.config.global_config),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._start_process()
        self._keeper = asyncio.create_task(self._keep())
        await super().start()

    async def _start_process(self) -> None:
        """Start it, and wait until the scheduler knows it. Raises RuntimeError when it ends before."""
        ready, told = os.pipe()
        try:
            # -P: the path is this process's, and nothing of the current directory before it.
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", _MODULE),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=[told],
                env={**os.environ, **self._environ},
            )
            os.close(told)
            assert process.stdin is not None
            process.stdin.write(json.dumps({**self._order, "ready": told}).encode() + b"\n")
            if not await asyncio.to_thread(os.read, ready, 1):
                raise RuntimeError(f"a worker process ended while it started (exit code {await process.wait()})")
        finally:
            os.close(ready)

    async def _keep(self) -> None:
        """Start the process again whenever it dies."""
        while True:
            assert self._process is not None
            await self._process.wait()
            with suppress(RuntimeError):
                await self._start_process()

    async def close(self) -> None:
        """End it: by the end of its input, or, if it does not heed that, by force. It holds nothing to be saved."""
        if self._keeper is not None:
            self._keeper.cancel()
        process = self._process
        if process is not None and process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), _END_S)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self.status = Status.closing
        await super().close()
