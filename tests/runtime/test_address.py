"""Which cluster a user means: the one started here, a scheduler file, an address."""

import json
import re
from pathlib import Path

import dask
import pytest
from distributed.security import Security

from issodask.errors import InputError
from issodask.runtime.address import NOTE, as_client, find_cluster, own_folder
from issodask.service.certificates import make_keys


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the own cluster's note would lie."""
    monkeypatch.setenv("ISSODASK_HOME", str(tmp_path))
    (tmp_path / "cluster").mkdir()
    return tmp_path / "cluster"


def note(folder, **entries):
    entries = {"address": "tls://127.0.0.1:8786", "dashboard": "http://127.0.0.1:8787/issodask"} | entries
    (folder / NOTE).write_text(json.dumps(entries), encoding="utf-8")
    return folder / NOTE


def test_own_folder__in_the_home_that_is_set(folder):
    assert own_folder() == folder


def test_own_folder__in_the_users_home_by_default(monkeypatch):
    monkeypatch.delenv("ISSODASK_HOME", raising=False)
    assert own_folder() == Path.home() / ".issodask" / "cluster"


def test_own_folder__is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISSODASK_HOME", "here")
    assert own_folder() == tmp_path / "here" / "cluster"


@pytest.mark.parametrize("named", [None, "cluster", "tls://127.0.0.1:8786"])
def test_find_cluster__the_own_one_with_its_keys(folder, named):
    keys = make_keys(folder / "keys")
    note(folder, keys="keys")
    found = find_cluster(named)
    assert found.scheduler == "tls://127.0.0.1:8786"
    assert found.dashboard == "http://127.0.0.1:8787/issodask"
    assert found.security.require_encryption is True
    assert found.security.tls_client_key == str(keys.key)


def test_find_cluster__a_note_that_was_copied_with_its_keys(folder, tmp_path):
    copied = tmp_path / "copied"
    keys = make_keys(copied / "keys")
    path = note(copied, keys="keys", address="tls://10.0.0.1:8786")
    found = find_cluster(str(path))
    assert found.scheduler == "tls://10.0.0.1:8786"
    assert found.security.tls_ca_file == str(keys.ca)


def test_find_cluster__a_copied_note_without_keys(folder, tmp_path):
    (tmp_path / "copied").mkdir()
    path = note(tmp_path / "copied", keys="keys")
    with pytest.raises(InputError, match=r"copied/keys/ca\.pem can't be read"):
        find_cluster(str(path))


def test_find_cluster__a_scheduler_file_of_dask(tmp_path):
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"type": "Scheduler", "address": "tcp://10.0.0.1:8786", "workers": {}}))
    found = find_cluster(str(path))
    assert (found.scheduler, found.dashboard) == ("tcp://10.0.0.1:8786", None)


def test_find_cluster__another_address_is_not_the_own_cluster(folder):
    make_keys(folder / "keys")
    note(folder, keys="keys")
    found = find_cluster("tcp://127.0.0.1:8786")
    assert found.scheduler == "tcp://127.0.0.1:8786"
    assert found.security.tls_client_key is None


def test_find_cluster__tls_needs_a_certificate(folder):
    with pytest.raises(InputError, match=r"tls://10\.0\.0\.1:8786 talks TLS, but no certificate is known"):
        find_cluster("tls://10.0.0.1:8786")


def test_find_cluster__tls_with_a_certificate_of_dasks_configuration(folder):
    keys = make_keys(folder / "keys")
    known = {"ca-file": str(keys.ca), "client.cert": str(keys.cert), "client.key": str(keys.key)}
    with dask.config.set({f"distributed.comm.tls.{name}": path for name, path in known.items()}):
        assert find_cluster("tls://10.0.0.1:8786").security.tls_client_cert == str(keys.cert)


@pytest.mark.parametrize("named", [None, "cluster"])
def test_find_cluster__none_is_up(folder, named):
    with pytest.raises(InputError, match="no cluster is up here: start one with `issodask cluster up`"):
        find_cluster(named)


@pytest.mark.parametrize("text", ["", "[]", '{"addr": 1}', "scheduler: x"])
def test_find_cluster__no_scheduler_file(tmp_path, text):
    path = tmp_path / "scheduler.json"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))} is no scheduler file \(.*give one that a Dask"):
        find_cluster(str(path))


def test_find_cluster__no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json is no scheduler file"):
        find_cluster(str(tmp_path / "gone.json"))


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_as_client__uses_the_certificate_of_its_role(folder, role):
    keys = make_keys(folder / "keys")
    given = {f"tls_{role}_cert": str(keys.cert), f"tls_{role}_key": str(keys.key)}
    security = as_client(Security(tls_ca_file=str(keys.ca), require_encryption=True, **given), role)
    assert security.require_encryption is True
    assert security.get_connection_args("client")["ssl_context"].get_ca_certs()


def test_as_client__nothing_where_nothing_was_given():
    security = as_client(Security(), "worker")
    assert not security.require_encryption
    assert security.get_connection_args("client")["ssl_context"] is None
