"""A store of S3's kind on this machine, for tests: moto's server, on loopback, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import s3fs
from moto.server import ThreadedMotoServer

SECRET = "kept-to-oneself-4711"


class Store:
    """What tests ask of a store: its options, and a bucket to put files into."""

    def __init__(self, address: str, bucket: str) -> None:
        self.address = address
        self.bucket = bucket
        self.options: dict[str, Any] = {"key": "someone", "secret": SECRET, "endpoint_url": address}
        self.files = s3fs.S3FileSystem(**self.options, skip_instance_cache=True)
        self.files.mkdir(bucket)

    def url(self, name: str) -> str:
        return f"s3://{self.bucket}/{name}"

    def put(self, folder: Path) -> str:
        """Copy a file or folder of this machine; returns its address."""
        files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else [folder]
        for file in files:
            self.files.put_file(str(file), f"{self.bucket}/{file.relative_to(folder.parent).as_posix()}")
        return self.url(folder.name)

    def environment(self) -> dict[str, str]:
        """What reaches the store without options."""
        return {
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.address,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def running(bucket: str) -> Iterator[Store]:
    """Within this context there is a store with this bucket; nothing of it stays."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Store(f"http://{host}:{port}", bucket)
    finally:
        server.stop()
