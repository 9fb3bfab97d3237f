"""The Helm chart, rendered for each of its value sets and compared with the schemas of Kubernetes."""

import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from lumen.settings import Settings, load_settings
from tests.support.paths import ROOT
from tests.support.programs import program

CHART: Final = ROOT / "deploy" / "chart"

OTHERS: Final = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
"""Kinds of KEDA and of Prometheus' operator, which Kubernetes has no schema of."""

VALUES: Final = sorted(CHART.glob("ci/*.yaml"))

KUBERNETES: Final = "1.34"


def _render(values: Path, *more: str) -> list[dict[str, Any]]:
    command = [
        program("helm"),
        "template",
        "demo",
        str(CHART),
        "--namespace",
        "talk",
        "--values",
        str(values),
    ]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def test_lint() -> None:
    """Helm has no complaint."""
    done = subprocess.run([program("helm"), "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_kubernetes_takes_what_is_rendered(values: Path) -> None:
    """Every object is valid in the strict sense: no field that Kubernetes does not know."""
    objects = _render(values)
    assert {"Deployment", "Service", "ConfigMap"} <= {each["kind"] for each in objects}
    for each in objects:
        if each["kind"] not in OTHERS:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_containers_have_settings_that_there_are(values: Path) -> None:
    """A setting that was renamed does not stay behind in the chart; no container runs as root."""
    known = {name.upper() for name in Settings.model_fields}
    for each in _render(values):
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-settings"):
            assert set(each["data"]) <= known
        if each["kind"] != "Deployment":
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert {variable["name"] for variable in container["env"]} <= known
            assert container["securityContext"]["readOnlyRootFilesystem"]


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_settings_have_values_that_they_take(values: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LUMEN reads the variables of each container as it would in its pod; secrets aside."""
    objects = _render(values)
    shared = [each["data"] for each in objects if each["metadata"]["name"].endswith("-settings")]
    pods = [each["spec"]["template"]["spec"] for each in objects if each["kind"] == "Deployment"]
    assert len(shared) == 1
    for container in (container for pod in pods for container in pod["containers"]):
        own = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        with monkeypatch.context() as patched:
            for name, value in {**shared[0], **own}.items():
                patched.setenv(name, value)
            assert load_settings().profile == shared[0].get("PROFILE", own.get("PROFILE"))


def test_pools_of_their_own() -> None:
    """With a voice and a face pool, the API is told of both, and neither serves the other's models."""
    objects = {(each["kind"], each["metadata"]["name"]): each for each in _render(CHART / "ci" / "gpu.yaml")}
    container = objects["Deployment", "demo-api"]["spec"]["template"]["spec"]["containers"][0]
    told = {variable["name"]: variable["value"] for variable in container["env"]}
    assert told["TRITON_VOICE_URL"] == "dns:///demo-triton-voice.talk.svc:8001"
    assert told["TRITON_FACE_URL"] == "dns:///demo-triton-face.talk.svc:8001"
    face = objects["Deployment", "demo-triton-face"]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "TRITON_POOL", "value": "face"} in face["env"]
    assert face["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert objects["Service", "demo-triton-face"]["spec"]["clusterIP"] == "None"


def test_no_disk_is_shared_where_there_is_a_bucket() -> None:
    """With one, no claim is made or mounted, and keys come from their Secret; without, one is made."""
    objects = {each["kind"]: each for each in _render(CHART / "ci" / "scale.yaml") if _is_api(each)}
    assert "PersistentVolumeClaim" not in objects
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["outputs"] == {"name": "outputs", "emptyDir": {}}
    assert volumes["keys"]["secret"] == {"secretName": "lumen-keys"}
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "keys")
    assert {"name": "KEYS_PATH", "value": f"{mount['mountPath']}/keys.json"} in pod["containers"][0]["env"]
    named = _render(CHART / "ci" / "scale.yaml", "--set", "outputs.claim=mine")
    assert "PersistentVolumeClaim" not in {each["kind"] for each in named}
    alone = {each["kind"]: each for each in _render(CHART / "ci" / "starter.yaml") if _is_api(each)}
    claim = alone["PersistentVolumeClaim"]["metadata"]
    assert claim["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = alone["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "outputs", "persistentVolumeClaim": {"claimName": claim["name"]}} in volumes


def _is_api(each: dict[str, Any]) -> bool:
    """Whether an object is the API's Deployment, or a claim."""
    return each["kind"] == "PersistentVolumeClaim" or each["metadata"]["name"] == "demo-api"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("triton.pools.both.replicas=0", "give `both` a replica"),
        ("profile=fast", "profile"),
        ("api.replica=3", "replica"),
    ],
)
def test_wrong_values_are_named(value: str, complaint: str) -> None:
    """A value that makes no sense is refused with its name, before anything is installed."""
    command = [program("helm"), "template", "demo", str(CHART), "--set", value]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert complaint in done.stderr
