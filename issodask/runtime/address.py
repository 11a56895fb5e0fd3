"""Which cluster is meant, and what it takes to talk to it.

In: what a user gave as `--scheduler`. Out: an address and Dask's security settings. A cluster that `issodask cluster
up` started has a note of both, `cluster.json`, in its folder; anybody's scheduler file or address will do as well.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from distributed.security import Security

from issodask.errors import InputError
from issodask.runtime.credentials import Keys

OWN = "cluster"
"""What names the cluster that `issodask cluster up` started."""

NOTE = "cluster.json"


@dataclass(frozen=True)
class Address:
    """Where a scheduler listens; `dashboard` is None where nobody said."""

    scheduler: str
    security: Security
    dashboard: str | None = None


def own_folder() -> Path:
    """Where this user's cluster on this host keeps what it needs: `$ISSODASK_HOME/cluster`, else in ~/.issodask."""
    home = os.environ.get("ISSODASK_HOME")
    return (Path(home) if home else Path.home() / ".issodask").absolute() / "cluster"


def find_cluster(scheduler: str | None) -> Address:
    """The cluster at an address, in a scheduler file (.json), or (None, "cluster") the one that `cluster up` started.

    Raises InputError when there is no such file, or none is up.
    """
    own = own_folder() / NOTE
    if scheduler in (None, OWN):
        if not own.is_file():
            raise InputError("no cluster is up here: start one with `issodask cluster up`, or give --scheduler ADDRESS")
        return _noted(own)
    assert scheduler is not None
    if scheduler.endswith(".json"):
        return _noted(Path(scheduler))
    if own.is_file() and (found := _noted(own)).scheduler == scheduler:
        return found
    security = Security()  # as Dask's configuration says
    if scheduler.startswith("tls://") and security.tls_client_cert is None:
        raise InputError(
            f"{scheduler} talks TLS, but no certificate is known: give the {NOTE} of its folder instead of the "
            "address, or name the certificate in Dask's configuration (distributed.comm.tls)"
        )
    return Address(scheduler, security)


def as_client(security: Security, role: str) -> Security:
    """What lets a scheduler or worker (`role`) connect as a client: on Dask's command lines each gets its own only."""
    return Security(
        tls_ca_file=security.tls_ca_file,
        tls_client_cert=getattr(security, f"tls_{role}_cert"),
        tls_client_key=getattr(security, f"tls_{role}_key"),
        require_encryption=security.require_encryption,
    )


def _noted(path: Path) -> Address:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        scheduler = str(note["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no scheduler file ({error}): give one that a Dask scheduler wrote") from error
    if "keys" not in note:
        return Address(scheduler, Security())
    return Address(scheduler, Keys.within(path.parent / note["keys"]).security(), note.get("dashboard"))
