"""The recipes of images, compose and the cluster: their style, and that they name settings that there are."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from bench.cluster import Cluster
from lumen.settings import Settings, load_settings
from tests.support.paths import ROOT
from tests.support.programs import program

DEPLOY: Final = ROOT / "deploy"

NOT_SETTINGS: Final = (
    {"BASE", "PARTS", "PATH", "PIP_NO_CACHE_DIR"}
    | {f"{name}_IMAGE" for name in ("ENVOY", "GRAFANA", "LUMEN_API", "LUMEN_TRITON", "LUMEN_TRITON_GPU")}
    | {"PROMETHEUS_IMAGE", "REDIS_IMAGE"}
)
"""Arguments of builds, and variables of other programs."""

SETTINGS: Final = {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("recipe", sorted(DEPLOY.glob("images/*.Dockerfile")), ids=lambda path: path.name)
def test_image_recipes_are_clean(recipe: Path) -> None:
    """hadolint has nothing to say."""
    done = subprocess.run([program("hadolint"), str(recipe)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def _environments(node: Any) -> set[str]:
    """Names of all variables under ``environment`` in a compose file."""
    if isinstance(node, dict):
        own = set(node.get("environment", {}))
        return own.union(*(_environments(value) for value in node.values()))
    return set()


def test_compose_names_settings_that_there_are() -> None:
    """A setting that was renamed does not stay behind in the compose file."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    names = _environments(compose["services"])
    assert {"TRITON_URL", "RATE_LIMIT_STORAGE"} <= names
    assert {name for name in names if not name.startswith(("GF_", "AWS_"))} <= SETTINGS


@pytest.mark.parametrize("service", ["triton", "api", "triton-gpu", "api-gpu", "triton-1", "api-1"])
def test_compose_gives_settings_values_that_they_take(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LUMEN reads the variables of each service as it would in its container."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, value in compose["services"][service]["environment"].items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
    assert load_settings().profile in ("starter", "gpu")


@pytest.mark.parametrize("profile", ["starter", "gpu", "scale", "observe"])
def test_compose_takes_each_profile(profile: str) -> None:
    """`docker compose` has no complaint."""
    command = [program("docker"), "compose", "-f", str(DEPLOY / "compose.yaml"), "--profile", profile]
    if subprocess.run([*command[:2], "version"], capture_output=True).returncode:
        pytest.skip("docker has no compose: apt install docker-compose-plugin")
    done = subprocess.run([*command, "config", "--quiet"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_images_name_settings_that_there_are() -> None:
    """Likewise the recipes of the images."""
    for recipe in DEPLOY.glob("images/*.Dockerfile"):
        names = set(re.findall(r"\b([A-Z][A-Z_]{3,})=", recipe.read_text()))
        assert {name for name in names if not name.startswith("PYTHON")} - NOT_SETTINGS <= SETTINGS, (
            recipe.name
        )


def test_envoy_of_compose_is_that_of_the_cluster(tmp_path: Path) -> None:
    """Every address in Envoy's configuration is replaced by one of this machine."""
    program("redis-server")
    cluster = Cluster(tmp_path, {})
    config = (tmp_path / "envoy.yaml").read_text()
    assert not re.search(r"address: (api|triton)-\d", config)
    assert cluster.url.rpartition(":")[2] in config
    assert set(cluster.processes) == {"redis", "s3", "triton-1", "triton-2", "api-1", "api-2", "envoy"}


def test_the_cluster_names_settings_that_there_are(tmp_path: Path) -> None:
    """Likewise the processes of the cluster."""
    program("redis-server")
    for process in Cluster(tmp_path, {}).processes.values():
        names = {name for name in process.settings if not name.startswith("AWS_")}
        assert names <= SETTINGS, process.name
