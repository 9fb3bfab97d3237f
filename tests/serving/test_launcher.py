"""The Triton launcher: what it leaves behind, and what it says when something is wrong."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lumen.errors import InvalidInputException, ModelLoadException, ServiceUnavailableException
from lumen.settings import Settings
from lumen.triton import install, serve, shm
from lumen.triton.guard import SHARED_MEMORY
from lumen.triton.server import LoadProgress, TritonOptions, TritonServer, private_options, visible_devices
from tests.conftest import ROOT
from tests.waiting import wait_until

SECONDS = 40.0
"""That a server's beginning or end may take."""

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
serve.FACE_MODELS["warp"] = ()
root = Path(sys.argv[1])
sys.exit(serve.run(Settings(
    model_repository=root / "models", logs_path=root, triton_url="127.0.0.1:0", triton_http_port=0,
    triton_metrics_port=int(sys.argv[2]))))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model that loads, under the name of the starter's voice, and one that does not."""
    for name, code in (("espeak", ECHO), ("broken", "raise ValueError('no such voice')\n")):
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "model.py").write_text(code)
        (tmp_path / "models" / name / "config.pbtxt").write_text(CONFIG)
    return tmp_path / "models"


@pytest.fixture
def options(repository: Path) -> TritonOptions:
    return private_options(repository, ["espeak"], repository.parent / "triton.log")


@pytest.fixture
def serving(repository: Path) -> Iterator["subprocess.Popen[str]"]:
    """`lumen triton` as a process of its own, ready."""
    with start_serving(repository.parent, metrics_port=0) as process:
        wait_until(
            lambda: "Started Metrics" in log_of(repository.parent) or process.poll() is not None, SECONDS
        )
        yield process
        process.kill()


def start_serving(root: Path, metrics_port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root), str(metrics_port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def log_of(root: Path) -> str:
    log = root / "triton.log"
    return log.read_text() if log.exists() else ""


def processes(token: str) -> list[int]:
    """Processes with `token` in their arguments, zombies not counted."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if token.encode() in arguments:
            found.append(int(process.name))
    return found


def segments(prefix: str) -> list[str]:
    return [path.name for path in SHARED_MEMORY.glob(f"{prefix}*")]


def prefix_of(pid: int) -> str:
    """The prefix of the server that process `pid` launched."""
    return f"lumen_{Path('/proc/self/ns/pid').stat().st_ino}_{pid}_"


def triton_pid(prefix: str) -> int:
    return next(p for p in processes(prefix) if os.readlink(f"/proc/{p}/exe").endswith("bin/tritonserver"))


def assert_nothing_left(prefix: str) -> None:
    wait_until(lambda: not processes(prefix) and not segments(prefix), SECONDS)
    assert not list(Path(tempfile.gettempdir()).glob(f"{prefix}*"))


@pytest.mark.triton
def test_a_server_starts_reports_and_leaves_nothing(options: TritonOptions) -> None:
    """Ready only when the models are, progress on the way, no process and no segment after the stop."""
    reports: list[LoadProgress] = []
    with TritonServer(options) as server:
        server.wait_ready(reports.append)
        assert server.running
        assert segments(server.prefix)
    assert reports[0].pending == ("espeak",)
    assert reports[-1] == LoadProgress(("espeak",), (), ready=True)
    assert not server.running
    assert_nothing_left(server.prefix)


@pytest.mark.triton
def test_a_server_that_is_ended_at_once_leaves_nothing(options: TritonOptions) -> None:
    """Without unloading: no process, no segment, no directory; again, and it does nothing."""
    server = TritonServer(options)
    server.start()
    server.wait_ready()
    server.kill()
    assert not server.running
    assert_nothing_left(server.prefix)
    server.kill()


@pytest.mark.triton
async def test_a_killed_server_is_noticed_and_cleaned_up(options: TritonOptions) -> None:
    """kill -9 of tritonserver: the stubs end, their segments go, and the failure says what happened."""
    server = TritonServer(options)
    server.start()
    await server.ready()
    os.kill(triton_pid(server.prefix), signal.SIGKILL)
    wait_until(lambda: not server.running, SECONDS)
    assert "was killed by SIGKILL" in server.failure().message
    assert_nothing_left(server.prefix)
    server.stop()


@pytest.mark.triton
def test_a_killed_launcher_takes_its_server_along(serving: "subprocess.Popen[str]") -> None:
    """kill -9 of the launcher, which can do nothing any more: its server ends and nothing is left."""
    assert segments(prefix_of(serving.pid))
    serving.kill()
    serving.wait()
    assert_nothing_left(prefix_of(serving.pid))


@pytest.mark.triton
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_everything(serving: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """`lumen triton` ends with 0 and leaves nothing, its whole group signalled as a terminal does."""
    os.killpg(serving.pid, number)
    assert serving.wait(30) == 0
    assert_nothing_left(prefix_of(serving.pid))


@pytest.mark.triton
def test_ctrl_c_while_models_load_stops_everything(repository: Path) -> None:
    """Nobody has to wait for the models in order to give up."""
    with start_serving(repository.parent, metrics_port=0) as process:
        wait_until(lambda: "loading: espeak" in log_of(repository.parent), SECONDS)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    assert_nothing_left(prefix_of(process.pid))


@pytest.mark.triton
def test_a_model_that_does_not_load_is_named(options: TritonOptions) -> None:
    """One line with the model and its reason, without a traceback; nothing is left."""
    server = TritonServer(replace(options, models=("espeak", "broken", "absent")))
    server.start()
    with pytest.raises(ModelLoadException) as failure:
        server.wait_ready()
    assert "broken: Internal: ValueError: no such voice" in failure.value.message
    assert "absent: model not found" in failure.value.message
    assert "\n" not in failure.value.message
    assert_nothing_left(server.prefix)


@pytest.mark.triton
def test_a_server_that_takes_too_long_is_stopped(options: TritonOptions) -> None:
    """The start timeout names what is still loading and the setting that raises it."""
    server = TritonServer(replace(options, start_timeout=0.0))
    server.start()
    with pytest.raises(
        ServiceUnavailableException, match=r"after 0 s, still loading: espeak.*TRITON_START_TIMEOUT"
    ):
        server.wait_ready()
    assert_nothing_left(server.prefix)


def test_a_taken_port_is_one_line_and_exit_code_1(repository: Path) -> None:
    """The port, the address and the setting, from the command itself."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with start_serving(repository.parent, port) as process:
            _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.splitlines() == [
        f"port {port} on 127.0.0.1 cannot be used (Address already in use): "
        "free it, or set another port with TRITON_METRICS_PORT"
    ]


def test_a_missing_wheel_says_how_to_install_it(
    options: TritonOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a tritonserver on PATH and without the wheel: the pip command."""
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableException, match=r"pip install --no-deps nvidia-pytriton==\d"):
        TritonServer(options).start()


def test_a_python_without_its_library_says_what_to_install(
    options: TritonOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stub needs libpython: where there is none, the package to install is named."""
    monkeypatch.setattr(install.sysconfig, "get_config_var", lambda name: "/nowhere")
    monkeypatch.setattr(install.sys, "base_prefix", "/nowhere")

    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(install.ctypes, "CDLL", missing)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceUnavailableException, match=r"apt-get install libpython3\.1\d"):
        TritonServer(options).start()


def test_the_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In NVIDIA's container its own server runs, with its own backends."""
    (tmp_path / "tritonserver").write_text("#!/bin/sh\n")
    (tmp_path / "tritonserver").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = install.find_triton(ROOT / "backends", tmp_path / "work")
    assert found.executable == tmp_path / "tritonserver"
    assert found.backends is None


def test_only_segments_without_an_owner_are_removed() -> None:
    """A start sweeps what killed launchers left, and touches neither living ones' segments nor others'."""
    ours = SHARED_MEMORY / f"{shm.new_prefix()}-segment"
    dead = subprocess.Popen(["true"])
    dead.wait()
    stale = SHARED_MEMORY / f"{prefix_of(dead.pid)}0123abcd-segment"
    elsewhere = SHARED_MEMORY / f"lumen_1_{dead.pid}_0123abcd-segment"
    for path in (ours, stale, elsewhere):
        path.touch()
    try:
        shm.remove_stale()
        assert (ours.exists(), stale.exists(), elsewhere.exists()) == (True, False, True)
    finally:
        for path in (ours, stale, elsewhere):
            path.unlink(missing_ok=True)


def test_the_profile_names_the_models() -> None:
    """The starter's chain, each model before those that call it."""
    assert serve.models_of(Settings()) == (
        "espeak",
        "face_landmarks",
        "warp_portrait",
        "mouth",
        "warp_renderer",
        "warp",
    )


def test_settings_become_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports, paths and device as set; a GPU only where there is one; an address without a port is refused."""
    monkeypatch.setattr(install, "NVIDIA_DEVICES", tmp_path / "none")
    options = serve.options_of(
        Settings(triton_url="127.0.0.1:7001", triton_http_port=7002, logs_path=tmp_path)
    )
    assert (options.grpc_port, options.http_port, options.gpu) == (7001, 7002, False)
    assert options.log_file == tmp_path / "triton.log"
    with pytest.raises(InvalidInputException, match="expected host:port"):
        serve.options_of(Settings(triton_url="localhost"))


@pytest.mark.parametrize(
    ("gpu", "device", "present", "visible"),
    [(False, 0, "0,1", ""), (True, 1, "", "1"), (True, 1, "4,7", "7"), (True, 0, "GPU-abc", "GPU-abc")],
)
def test_models_see_the_one_gpu_that_is_set(
    options: TritonOptions,
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
    device: int,
    present: str,
    visible: str,
) -> None:
    """The index counts among the GPUs that this process may use; without a GPU there is none to be seen."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", present)
    assert visible_devices(replace(options, gpu=gpu, cuda_device=device)) == visible
