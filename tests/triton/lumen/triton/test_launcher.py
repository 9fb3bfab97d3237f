"""The Triton launcher: what it leaves behind, and what it says when something is wrong."""

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from lumen.errors import ModelLoadException, ServiceUnavailableException
from lumen.triton.ports import own_port
from lumen.triton.processes import model_processes
from lumen.triton.server import LoadProgress, TritonOptions, TritonServer
from tests.support.launching import prefix_of, segments, start_serving
from tests.support.waiting import wait_until

SECONDS = 40.0
"""Seconds that a server's beginning or end may take."""


@pytest.fixture
def serving(echo_repository: Path) -> Iterator["subprocess.Popen[str]"]:
    """`lumen triton` as a process of its own, ready."""
    with start_serving(echo_repository.parent, metrics_port=0) as process:
        wait_until(
            lambda: "Started Metrics" in log_of(echo_repository.parent) or process.poll() is not None, SECONDS
        )
        yield process
        process.kill()


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


def triton_pid(prefix: str) -> int:
    return next(p for p in processes(prefix) if os.readlink(f"/proc/{p}/exe").endswith("bin/tritonserver"))


def assert_nothing_left(prefix: str) -> None:
    wait_until(lambda: not processes(prefix) and not segments(prefix), SECONDS)
    assert not list(Path(tempfile.gettempdir()).glob(f"{prefix}*"))


def test_a_server_starts_reports_and_leaves_nothing(echo_options: TritonOptions) -> None:
    """Ready only when the models are, progress on the way, no process and no segment after the stop."""
    reports: list[LoadProgress] = []
    with TritonServer(echo_options) as server:
        server.wait_ready(reports.append)
        assert server.running
        assert segments(server.prefix)
    assert reports[0].pending == ("espeak",)
    assert reports[-1] == LoadProgress(("espeak",), (), ready=True)
    assert not server.running
    assert_nothing_left(server.prefix)


def test_a_server_that_is_ended_at_once_leaves_nothing(echo_options: TritonOptions) -> None:
    """Without unloading: no process, no segment, no directory; again, and it does nothing."""
    server = TritonServer(echo_options)
    server.start()
    server.wait_ready()
    server.kill()
    assert not server.running
    assert_nothing_left(server.prefix)
    server.kill()


async def test_a_killed_server_is_noticed_and_cleaned_up(echo_options: TritonOptions) -> None:
    """kill -9 of tritonserver: the stubs end, their segments go, and the failure says what happened."""
    server = TritonServer(echo_options)
    server.start()
    await server.ready()
    os.kill(triton_pid(server.prefix), signal.SIGKILL)
    wait_until(lambda: not server.running, SECONDS)
    assert "was killed by SIGKILL" in server.failure().message
    assert_nothing_left(server.prefix)
    server.stop()


def test_a_killed_launcher_takes_its_server_along(serving: "subprocess.Popen[str]") -> None:
    """kill -9 of the launcher, which can do nothing any more: its server ends and nothing is left."""
    assert segments(prefix_of(serving.pid))
    serving.kill()
    serving.wait()
    assert_nothing_left(prefix_of(serving.pid))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_stop_everything(serving: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """`lumen triton` ends with 0 and leaves nothing, its whole group signalled as a terminal does."""
    os.killpg(serving.pid, number)
    assert serving.wait(30) == 0
    assert_nothing_left(prefix_of(serving.pid))


def test_ctrl_c_while_models_load_stops_everything(echo_repository: Path) -> None:
    """Nobody has to wait for the models in order to give up."""
    with start_serving(echo_repository.parent, metrics_port=0) as process:
        wait_until(lambda: "loading: espeak" in log_of(echo_repository.parent), SECONDS)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
    assert_nothing_left(prefix_of(process.pid))


@pytest.fixture
def ready_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Port at which `lumen triton` tells its readiness; it has time to drain, nobody else loads models."""
    port = own_port()
    monkeypatch.setenv("TRITON_READY_PORT", str(port))
    monkeypatch.setenv("DRAIN_SECONDS", "60")
    monkeypatch.setenv("TRITON_MODEL_CONTROL", "off")
    return port


def readiness(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=5).status_code
    except httpx.TransportError:
        return 0


def test_it_is_unready_before_it_stops(ready_port: int, serving: "subprocess.Popen[str]") -> None:
    """SIGTERM: Triton answers on, nobody is sent to it any more, and a second signal does not wait."""
    wait_until(lambda: readiness(ready_port) == 200, SECONDS)
    serving.send_signal(signal.SIGTERM)
    wait_until(lambda: readiness(ready_port) == 503, SECONDS)
    assert serving.poll() is None
    assert processes(prefix_of(serving.pid))
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(30) == 0


def test_a_model_that_is_lost_ends_its_server(
    ready_port: int, serving: "subprocess.Popen[str]", echo_repository: Path
) -> None:
    """A model that died and does not load again: nobody else loads it here, so the replica starts anew."""
    wait_until(lambda: readiness(ready_port) == 200, SECONDS)
    (echo_repository / "espeak" / "1" / "model.py").write_text("raise ValueError('gone')\n")
    (model,) = model_processes(prefix_of(serving.pid))
    os.kill(model.pid, signal.SIGKILL)
    assert serving.wait(SECONDS) == 1


def test_a_model_that_does_not_load_is_named(echo_options: TritonOptions) -> None:
    """A model that does not load is one line with its reason, without a traceback; no process is left."""
    server = TritonServer(replace(echo_options, models=("espeak", "broken", "absent")))
    server.start()
    with pytest.raises(ModelLoadException) as failure:
        server.wait_ready()
    assert "broken: Internal: ValueError: no such voice" in failure.value.message
    assert "absent: model not found" in failure.value.message
    assert "\n" not in failure.value.message
    assert_nothing_left(server.prefix)


def test_a_port_that_is_taken_while_models_load_is_named(echo_options: TritonOptions) -> None:
    """Triton, which listens only when its models are loaded, says which socket was taken meanwhile."""
    server = TritonServer(echo_options)
    server.start()
    with (
        socket.create_server(("127.0.0.1", server.options.grpc_port)),
        pytest.raises(ServiceUnavailableException, match=r"failed to start GRPC service: .*already in use"),
    ):
        server.wait_ready()
    assert_nothing_left(server.prefix)


def test_a_server_that_takes_too_long_is_stopped(echo_options: TritonOptions) -> None:
    """The start timeout names what is still loading and the setting that raises it."""
    server = TritonServer(replace(echo_options, start_timeout=0.0))
    server.start()
    with pytest.raises(
        ServiceUnavailableException, match=r"after 0 s, still loading: espeak.*TRITON_START_TIMEOUT"
    ):
        server.wait_ready()
    assert_nothing_left(server.prefix)
