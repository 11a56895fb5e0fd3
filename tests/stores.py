"""A store of S3's kind on this machine, for tests: moto's server, and the troubles that stores give.

`python -m tests.stores ADDRESS PORT BUCKET` runs one until its standard input ends; a line `shut` there takes it away,
`open` brings it back with all that it holds.
"""

import itertools
import logging
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import s3fs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from issodask.store.places import folder_of_run, storage

SECRET = "kept-to-oneself-4711"
IMPATIENT = {"config_kwargs": {"retries": {"max_attempts": 1}}}
"""Options of a client that leaves it to us to ask again."""

_ENTRY = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>")
_BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Troubles:
    """A WSGI application whose answers are slow, refused, cut off, or don't list what was just written.

    kind   None, slow, busy, cut or late
    every  how many requests there are to one that is in trouble
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._count = itertools.count(1)
        self._written: dict[bytes, float] = {}
        self.kind: str | None = None
        self.every = 3
        self.n_met = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        is_met = self.kind is not None and next(self._count) % self.every == 0
        if self.kind == "late":
            return self._late(environ, start_response)
        if not is_met:
            return self._app(environ, start_response)
        if self.kind == "slow":
            time.sleep(0.3)
        if self.kind == "busy":
            self.n_met += 1
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [_BUSY]
        if self.kind == "cut" and environ["REQUEST_METHOD"] == "GET":
            return self._cut(self._app(environ, start_response))
        self.n_met += 1
        return self._app(environ, start_response)

    def _cut(self, answer: Iterable[bytes]) -> Iterator[bytes]:
        self.n_met += 1
        whole = b"".join(answer)
        yield whole[: len(whole) // 2]
        raise ConnectionResetError("cut off")

    def _late(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Objects are in lists two seconds after they were written."""
        if environ["REQUEST_METHOD"] == "PUT":
            self._written[environ["PATH_INFO"].split("/", 2)[-1].encode()] = time.monotonic()
        if "list-type=2" not in environ.get("QUERY_STRING", ""):
            return self._app(environ, start_response)
        told: list[Any] = []
        whole = b"".join(self._app(environ, lambda *args: told.extend(args)))
        seen = _ENTRY.sub(lambda found: b"" if self._is_new(found.group()) else found.group(), whole)
        self.n_met += seen != whole
        start_response(told[0], [(name, value) for name, value in told[1] if name.lower() != "content-length"])
        return [seen]

    def _is_new(self, entry: bytes) -> bool:
        key = _KEY.search(entry)
        return key is not None and time.monotonic() - self._written.get(key.group(1), -9.0) < 2


class Store:
    """What tests ask of a store: its options, a bucket to put files into, and trouble."""

    def __init__(self, ip_address: str, bucket: str, port: int = 0) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._place = ip_address, port
        self._server: BaseWSGIServer | None = None
        self.troubles = Troubles(DomainDispatcherApplication(create_backend_app))
        self.open()
        self.address = f"http://{self._place[0]}:{self._place[1]}"
        self.bucket = bucket
        self.options: dict[str, Any] = {"key": "someone", "secret": SECRET, "endpoint_url": self.address}
        self.files = s3fs.S3FileSystem(**self.options, skip_instance_cache=True, use_listings_cache=False)
        self.files.mkdir(bucket)

    def url(self, name: str) -> str:
        return f"s3://{self.bucket}/{name}"

    def put(self, folder: Path) -> str:
        """Copy a file or folder of this machine; returns its address."""
        files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else [folder]
        for file in files:
            self.files.put_file(str(file), f"{self.bucket}/{file.relative_to(folder.parent).as_posix()}")
        return self.url(folder.name)

    def file(self, name: str) -> bytes:
        """What a file holds; nothing, where there is none."""
        try:
            return bytes(self.files.cat_file(f"{self.bucket}/{name}"))
        except FileNotFoundError:
            return b""

    def all_files(self, name: str) -> dict[str, bytes]:
        """What lies below a folder."""
        root = f"{self.bucket}/{name}/"
        return {path.removeprefix(root): self.files.cat_file(path) for path in self.files.find(root)}

    def environment(self) -> dict[str, str]:
        """What reaches the store without options."""
        return environment_of(self.address)

    @contextmanager
    def in_trouble(self, kind: str, every: int = 3) -> Iterator[Troubles]:
        """Within this context, some requests are in trouble; at least one was."""
        self.troubles.kind, self.troubles.every, self.troubles.n_met = kind, every, 0
        try:
            yield self.troubles
        finally:
            self.troubles.kind = None
        assert self.troubles.n_met

    def shut(self) -> None:
        """Nothing answers at its address from now on; what it holds stays."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def open(self) -> None:
        """It answers again."""
        self._server = make_server(*self._place, self.troubles, threaded=True)
        self._place = self._place[0], self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()


def environment_of(address: str) -> dict[str, str]:
    """What reaches the store at an address without options."""
    return {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": address,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def fixture(bucket: str) -> Any:
    """A fixture: a store with this bucket for all tests of a module."""

    @pytest.fixture(scope="module")
    def store() -> Iterator[Store]:
        with running(bucket) as opened:
            yield opened

    return store


@contextmanager
def folder_of_test(store: Store, request: pytest.FixtureRequest, **options: Any) -> Iterator[Path]:
    """Within this context there is a folder for a test's own run in the store."""
    with storage(store.options | options):
        yield folder_of_run(store.url(request.node.name))


@contextmanager
def running(bucket: str, ip_address: str = "127.0.0.1", port: int = 0) -> Iterator[Store]:
    """Within this context there is a store with this bucket; nothing of it stays."""
    store = Store(ip_address, bucket, port)
    try:
        yield store
    finally:
        store.shut()


def main() -> None:
    address, port, bucket = sys.argv[1:]
    with running(bucket, address, int(port)) as store:
        print("ready", flush=True)
        for line in sys.stdin:
            {"shut": store.shut, "open": store.open}[line.strip()]()
            print("done", flush=True)


if __name__ == "__main__":
    main()
