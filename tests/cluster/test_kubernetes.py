"""kubernetes.yaml follows the operator's own definitions, and what the operator makes of it follows Kubernetes'."""

import copy
from functools import cache
from importlib.metadata import files
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from dask_kubernetes.operator.controller import controller

from tests.cluster.deployments import CLUSTER, kubernetes, pod_specs

pytestmark = pytest.mark.slow

CORE = ("PersistentVolumeClaim", "ConfigMap", "NetworkPolicy")
DASK = ("DaskCluster", "DaskWorkerGroup")


def check_core(resource):
    kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)


def check_dask(resource):
    """Hold a resource of Dask's against its definition, as an API server does with `--validate=strict`."""
    assert resource["apiVersion"] == "kubernetes.dask.org/v1"
    _definition(resource["kind"]).validate(resource)


@cache
def _definition(kind: str) -> jsonschema.Draft202012Validator:
    (path,) = (path for path in files("dask-kubernetes") if path.parts[-2:] == ("crds", f"{kind.lower()}.yaml"))
    (version,) = yaml.safe_load(path.read_text())["spec"]["versions"]
    assert version["name"] == "v1"
    schema = _without_unknown_keys(version["schema"]["openAPIV3Schema"])
    schema["properties"] |= {name: {} for name in ("apiVersion", "kind", "metadata")}  # every resource has them
    return jsonschema.Draft202012Validator(schema)


def _without_unknown_keys(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_unknown_keys(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _without_unknown_keys(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


def deployments():
    """What the operator makes of each pod spec, with functions of its own."""
    made = {}
    for name, spec in pod_specs().items():
        spec = copy.deepcopy(spec)
        if name == "scheduler":
            made[name] = controller.build_scheduler_deployment_spec("issodask", spec, {}, {})
        else:
            made[name] = controller.build_worker_deployment_spec(name, "default", "issodask", "0", spec, {}, {})
    return made


@pytest.mark.parametrize("kind", CORE)
def test_core__follows_kubernetes(kind):
    check_core(kubernetes(kind))


@pytest.mark.parametrize("kind", CORE)
def test_core__a_misspelt_key_is_refused(kind):
    resource = kubernetes(kind)
    resource["metadata"]["lables"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="lables"):
        check_core(resource)


@pytest.mark.parametrize("kind", DASK)
def test_dask__follows_the_operator(kind):
    check_dask(kubernetes(kind))


@pytest.mark.parametrize(
    ("kind", "place", "old", "new"),
    [
        ("DaskCluster", ("spec",), "worker", "workers"),
        ("DaskCluster", ("spec", "scheduler"), "service", "servcie"),
        ("DaskCluster", ("spec", "scheduler", "service"), "selector", "selectro"),
        ("DaskCluster", ("spec", "worker"), "replicas", "replica"),
        ("DaskCluster", ("spec", "worker", "spec", "containers", 0), "envFrom", "envForm"),
        ("DaskWorkerGroup", ("spec",), "cluster", "clutser"),
        ("DaskWorkerGroup", ("spec", "worker", "spec"), "tolerations", "toleration"),
        ("DaskWorkerGroup", ("spec", "worker", "spec", "containers", 0, "resources"), "limits", "limit"),
    ],
)
def test_dask__a_misspelt_key_is_refused(kind, place, old, new):
    resource = copy.deepcopy(kubernetes(kind))
    section = resource
    for step in place:
        section = section[step]
    section[new] = section.pop(old)
    with pytest.raises(jsonschema.ValidationError) as refused:
        check_dask(resource)
    assert refused.value.message.startswith(
        (f"Additional properties are not allowed ('{new}' was", f"'{old}' is a required")
    )


@pytest.mark.parametrize("name", pod_specs())
def test_pod__what_the_operator_makes_follows_kubernetes(name):
    check_core(deployments()[name])


@pytest.mark.parametrize("name", pod_specs())
def test_pod__a_misspelt_key_is_refused(name):
    deployment = deployments()[name]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["resource"] = container.pop("resources")
    with pytest.raises(kubernetes_validate.ValidationError, match="resource"):
        check_core(deployment)


def test_service__follows_kubernetes_and_finds_the_scheduler():
    spec = kubernetes("DaskCluster")["spec"]["scheduler"]["service"]
    check_core(controller.build_scheduler_service_spec("issodask", spec, {}, {}))
    labels = deployments()["scheduler"]["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"].items() <= labels.items()
    assert kubernetes("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    (container,) = pod_specs()["scheduler"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in spec["ports"]} == ports


def test_worker__gets_its_name_from_the_operator():
    for name, deployment in deployments().items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        named = "$(DASK_WORKER_NAME)" in container["args"]
        variables = [variable["name"] for variable in container["env"]]
        assert named == ("DASK_WORKER_NAME" in variables) == (name != "scheduler")


@pytest.mark.parametrize("name", pod_specs())
def test_pod__keeps_to_the_restricted_standard(name):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards, as far as it asks for something."""
    spec = pod_specs()[name]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert not spec["automountServiceAccountToken"]
    for container in spec["containers"]:
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert container["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.parametrize("name", pod_specs())
def test_pod__names_only_what_is_there(name):
    spec = pod_specs()[name]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    (container,) = spec["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    claim = volumes["runs"]["persistentVolumeClaim"]["claimName"]
    assert claim == kubernetes("PersistentVolumeClaim")["metadata"]["name"]
    assert container["envFrom"][0]["configMapRef"]["name"] == kubernetes("ConfigMap")["metadata"]["name"]
    assert f"secret generic {volumes['keys']['secret']['secretName']} " in (CLUSTER / "README.md").read_text()


def test_gpu__one_for_each_worker():
    group = kubernetes("DaskWorkerGroup")
    (container,) = pod_specs()["gpu-worker"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert group["spec"]["cluster"] == kubernetes("DaskCluster")["metadata"]["name"]
