"""The files by which a client, worker or scheduler belongs to a cluster that talks TLS: see service/certificates.py."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed.security import Security

from issodask.errors import InputError


@dataclass(frozen=True)
class Keys:
    """Where the authority's certificate, the cluster's certificate and its private key are."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def within(cls, folder: Path) -> "Keys":
        return cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")

    def security(self) -> Security:
        """For Dask, in every role; nothing but TLS. Raises InputError when a file is missing or can't be read."""
        for path in (self.ca, self.cert, self.key):
            if not os.access(path, os.R_OK):
                raise InputError(
                    f"{path} can't be read, but the cluster talks TLS only: give the folder that `issodask cluster up` "
                    "made, as the user who started it"
                )
        return Security(**self._by_name("tls_{}_{}"), tls_ca_file=str(self.ca), require_encryption=True)

    def dask_config(self) -> dict[str, Any]:
        """The same as a part of Dask's configuration."""
        roles = {role: {"cert": str(self.cert), "key": str(self.key)} for role in ("scheduler", "worker", "client")}
        return {"require-encryption": True, "tls": {"ca-file": str(self.ca), **roles}}

    def _by_name(self, pattern: str) -> dict[str, str]:
        files = {"cert": str(self.cert), "key": str(self.key)}
        roles = ("scheduler", "worker", "client")
        return {pattern.format(role, kind): path for role in roles for kind, path in files.items()}
