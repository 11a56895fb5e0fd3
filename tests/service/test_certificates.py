"""Certificates: who has them belongs to the cluster, nobody else does, and nobody else can read them."""

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from issodask.errors import InputError
from issodask.runtime.credentials import Keys
from issodask.service.certificates import make_keys

FILES = ["ca.pem", "cert.pem", "key.pem"]


def greet(server_keys, client_keys):
    """What a server with TLS hears from a client, each with its keys (None: the client has no certificate)."""
    server, client = socket.socketpair()
    heard = []

    def serve():
        context = server_keys.security().get_listen_args("scheduler")["ssl_context"]
        try:
            with context.wrap_socket(server, server_side=True) as wrapped:
                heard.append(wrapped.recv(5))
        except ssl.SSLError:
            server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with open_client(client, server_keys, client_keys) as wrapped:
            wrapped.sendall(b"hello")
    except (ssl.SSLError, OSError):
        client.close()
    thread.join()
    return heard


def open_client(client, server_keys, client_keys):
    if client_keys is None:
        context = ssl.create_default_context(cafile=str(server_keys.ca))
        context.check_hostname = False
    else:
        context = client_keys.security().get_connection_args("client")["ssl_context"]
    return context.wrap_socket(client)


@pytest.fixture
def keys(tmp_path):
    return make_keys(tmp_path / "keys")


def test_make_keys__who_has_them_is_let_in(keys):
    assert greet(keys, keys) == [b"hello"]


def test_make_keys__nobody_else_is(keys, tmp_path):
    assert greet(keys, make_keys(tmp_path / "foreign")) == []
    assert greet(keys, None) in ([], [b""])


def test_make_keys__others_can_not_read_them(keys):
    folder = keys.key.parent
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in FILES] == [0o600] * 3


def test_make_keys__anew_replaces_them(keys):
    before = [(keys.key.parent / name).read_bytes() for name in FILES]
    keys.key.chmod(0o644)
    make_keys(keys.key.parent)
    after = [(keys.key.parent / name).read_bytes() for name in FILES]
    assert not set(before) & set(after)
    assert stat.S_IMODE(keys.key.stat().st_mode) == 0o600


def test_make_keys__a_certificate_signs_no_further_one(keys):
    certificates = [x509.load_pem_x509_certificate(path.read_bytes()) for path in (keys.ca, keys.cert)]
    assert [c.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for c in certificates] == [True, False]
    assert certificates[1].issuer == certificates[0].subject


def test_make_keys__hold_for_years_and_since_yesterday(keys):
    certificate = x509.load_pem_x509_certificate(keys.cert.read_bytes())
    now = datetime.now(UTC)
    assert certificate.not_valid_before_utc < now - timedelta(hours=23)
    assert certificate.not_valid_after_utc > now + timedelta(days=4 * 365)


@pytest.mark.parametrize("name", FILES)
def test_security__says_which_file_is_missing(keys, name):
    (keys.key.parent / name).unlink()
    with pytest.raises(InputError, match=rf"{name} can't be read, but the cluster talks TLS only: give the folder"):
        keys.security()


def test_dask_config__says_the_same_as_security(keys):
    config, security = keys.dask_config(), keys.security()
    assert config["require-encryption"] is security.require_encryption is True
    assert config["tls"]["ca-file"] == security.tls_ca_file == str(keys.ca)
    for role in ("scheduler", "worker", "client"):
        assert config["tls"][role] == {"cert": str(keys.cert), "key": str(keys.key)}
        assert config["tls"][role]["key"] == getattr(security, f"tls_{role}_key")
    assert Keys.within(keys.key.parent) == keys
