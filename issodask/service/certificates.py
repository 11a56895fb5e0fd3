"""Certificates for TLS between client, scheduler and workers: made once per cluster, useless for any other.

In: a folder. Out: `ca.pem`, `cert.pem` and `key.pem` in it. Whoever has all three belongs to the cluster; the authority
that signed the certificate forgets its own key at once, so that no further one can be made.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from issodask.runtime.credentials import Keys

_YEARS = 5
_PRIVATE = 0o600


def make_keys(folder: Path) -> Keys:
    """Make certificates in `folder`, in place of what was there; the key is readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = Keys.within(folder)
    authority_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("issodask cluster authority")
    signed = _builder(authority, authority, authority_key).add_extension(x509.BasicConstraints(True, 0), critical=True)
    own = (
        _builder(_name("issodask cluster"), authority, own_key)
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    _write(keys.ca, signed.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write(keys.cert, own.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    _write(
        keys.key,
        own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return keys


def copy_keys(keys: Keys, folder: Path) -> Keys:
    """The same certificates in another folder. Raises InputError when a file is missing or can't be read."""
    keys.security()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copied = Keys.within(folder)
    for source, target in ((keys.ca, copied.ca), (keys.cert, copied.cert), (keys.key, copied.key)):
        _write(target, source.read_bytes())
    return copied


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(
        issuer,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(days=1),  # clocks of a cluster's hosts differ
        now + timedelta(days=365 * _YEARS),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path: Path, data: bytes) -> None:
    """Never readable by others, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(data)
