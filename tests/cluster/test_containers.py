"""The Dockerfile passes hadolint; compose.yaml follows the compose specification, and opens nothing to the network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.deployments import CLUSTER, compose

pytestmark = pytest.mark.slow

HADOLINT = Path(sys.executable).with_name("hadolint")
CHECK = [sys.executable, "-W", "ignore", "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def changed(tmp_path, name, old, new):
    """A copy of a file of `cluster/` with one thing changed."""
    text = (CLUSTER / name).read_text()
    assert old in text
    path = tmp_path / name
    path.write_text(text.replace(old, new, 1))
    return path


def test_dockerfile__hadolint_has_no_objection():
    checked = run(HADOLINT, "--failure-threshold", "style", CLUSTER / "Dockerfile")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("WORKDIR", "WROKDIR", "unexpected"),
        ("python:3.12-slim-trixie AS", "python AS", "DL3006"),
        ("uv==0.13.9", "uv", "DL3013"),
        ("USER 1000:1000", "USER root", "DL3002"),
    ],
)
def test_dockerfile__hadolint_objects(tmp_path, old, new, said):
    checked = run(HADOLINT, "--failure-threshold", "style", changed(tmp_path, "Dockerfile", old, new))
    assert checked.returncode == 1
    assert said in checked.stdout + checked.stderr


def test_dockerfile__finds_what_it_copies():
    ignored = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copies = [
        line.split()[1:-1] for line in (CLUSTER / "Dockerfile").read_text().splitlines() if line.startswith("COPY")
    ]
    copied = {name for names in copies if "--from=build" not in names for name in names}
    assert copied == kept
    assert all((CLUSTER.parent / name).exists() for name in copied)


def test_compose__follows_the_specification():
    checked = run(*CHECK, CLUSTER / "compose.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    healthcheck:", "    healthchek:"),
        ("    mem_limit:", "    memory_limit:"),
        ("bind: {create_host_path: false}", "bind: {create_hots_path: false}"),
        ("capabilities: [gpu]", "capabilities: gpu"),
        ("secrets:\n  ca.pem", "secretes:\n  ca.pem"),
    ],
)
def test_compose__a_misspelt_key_is_refused(tmp_path, old, new):
    checked = run(*CHECK, changed(tmp_path, "compose.yaml", old, new))
    assert checked.returncode == 1
    assert "Schema validation errors" in checked.stdout


def test_compose__names_only_what_is_there():
    file = compose()
    for service in file["services"].values():
        assert set(service["secrets"]) == set(file["secrets"])
        assert set(service.get("depends_on", {})) <= set(file["services"])
        assert (
            CLUSTER / service["build"]["context"] / service["build"]["dockerfile"]
        ).resolve() == CLUSTER / "Dockerfile"


def test_compose__publishes_on_loopback_only():
    ports = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose__no_service_has_privileges():
    for service in compose()["services"].values():
        assert service["user"] == "1000:1000"
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_compose__runs_have_the_same_path_everywhere():
    for service in compose()["services"].values():
        (volume,) = service["volumes"]
        assert volume["source"] == volume["target"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_compose__docker_reads_it():
    checked = run("docker-compose", "--file", CLUSTER / "compose.yaml", "--profile", "gpu", "config", "--quiet")
    assert checked.returncode == 0, checked.stderr
