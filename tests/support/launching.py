"""A model repository for the launcher, and the launcher in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumen.triton.guard import SHARED_MEMORY
from lumen.triton.server import TritonOptions, private_options
from tests.support.paths import ROOT

ECHO = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.Tensor("y", request.inputs()[0].as_numpy()) for request in requests]
        return [pb_utils.InferenceResponse([tensor]) for tensor in tensors]
"""


CONFIG = """
backend: "python"
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] } ]
instance_group [ { count: 1 kind: KIND_CPU } ]
"""


SERVE = """
import sys
from pathlib import Path
from lumen.triton import serve
from lumen.settings import Settings
serve.models_of = lambda settings: ("espeak",)
serve.check_models = lambda settings: None
root = Path(sys.argv[1])
sys.exit(serve.run(Settings(
    voice="espeak", model_repository=root / "models", logs_path=root, triton_url="127.0.0.1:0",
    triton_http_port=0, triton_metrics_port=int(sys.argv[2]))))
"""


@pytest.fixture
def echo_repository(tmp_path: Path) -> Path:
    """A model that loads, under the name of the starter's voice, and one that does not."""
    for name, code in (("espeak", ECHO), ("broken", "raise ValueError('no such voice')\n")):
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "model.py").write_text(code)
        (tmp_path / "models" / name / "config.pbtxt").write_text(CONFIG)
    return tmp_path / "models"


@pytest.fixture
def echo_options(echo_repository: Path) -> TritonOptions:
    return private_options(echo_repository, ["espeak"], echo_repository.parent / "triton.log")


def start_serving(root: Path, metrics_port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root), str(metrics_port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def segments(prefix: str) -> list[str]:
    return [path.name for path in SHARED_MEMORY.glob(f"{prefix}*")]


def prefix_of(pid: int) -> str:
    """The prefix of the server that process `pid` launched."""
    return f"lumen_{Path('/proc/self/ns/pid').stat().st_ino}_{pid}_"
