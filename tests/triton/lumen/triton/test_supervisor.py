"""The supervisor of a server: what dies, stands still or fills the shared memory is mended, and said."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lumen.errors import LumenException, ServiceUnavailableException
from lumen.triton.processes import model_processes
from lumen.triton.server import TritonOptions, TritonServer
from lumen.triton.supervisor import Supervisor
from lumen.triton.watcher import SaidEvents
from orchestrator.triton.client import TritonClient
from tests.support.launching import segments
from tests.support.waiting import wait_until

SECONDS = 40.0
"""Seconds that a server's or a model's beginning may take."""

SLOW = """
import pathlib
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        (pathlib.Path(__file__).parent / "busy").touch()
        time.sleep(float(requests[0].inputs()[0].as_numpy()[0]))
        tensors = [pb_utils.Tensor("y", request.inputs()[0].as_numpy()) for request in requests]
        return [pb_utils.InferenceResponse([tensor]) for tensor in tensors]
"""

Supervise = Callable[..., Supervisor]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervise(echo_options: TritonOptions, said: list[str]) -> Iterator[Supervise]:
    """`supervise(**options of the supervisor)` -> one whose server is ready."""
    made: list[Supervisor] = []

    def ready(**options: object) -> Supervisor:
        server = TritonServer(echo_options)
        server.start()
        server.wait_ready()
        made.append(Supervisor(server, said.append, SaidEvents(said.append), **options))  # type: ignore[arg-type]
        return made[0]

    yield ready
    made[0].server.kill()
    made[0].stop()


def pids(supervisor: Supervisor) -> set[int]:
    return {process.pid for process in model_processes(supervisor.server.prefix)}


def tritonserver(supervisor: Supervisor) -> int:
    """The pid of the server, which is the parent of its models' processes."""
    pid = next(iter(pids(supervisor)))
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def answers(supervisor: Supervisor, value: float = 0.0) -> bool:
    client = TritonClient(supervisor.server.grpc_url, SECONDS)
    try:
        result = await client.infer("espeak", {"x": np.array([value], np.float32)})
    finally:
        await client.close()
    return result["y"].tolist() == [value]


async def test_a_dead_model_is_loaded_anew_before_anybody_asks(supervise: Supervise, said: list[str]) -> None:
    """Triton says READY of a dead model and its first request fails: none has to, and memory is freed."""
    supervisor = supervise()
    held = len(segments(supervisor.server.prefix))
    for death in (1, 2, 3):
        (before,) = pids(supervisor)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda n=death: sum("loaded again" in line for line in said) == n, SECONDS)
        assert before not in pids(supervisor)
        assert await answers(supervisor)
    assert len(segments(supervisor.server.prefix)) == held
    assert "The process of the model espeak has died" in said[0]


async def test_a_late_report_reloads_nothing(supervise: Supervise, said: list[str]) -> None:
    """A request that failed with the process before is told late: the new process stays."""
    supervisor = supervise()
    (before,) = pids(supervisor)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: any("loaded again" in line for line in said), SECONDS)
    (after,) = pids(supervisor)
    await asyncio.wrap_future(supervisor.reload("espeak"))
    assert pids(supervisor) == {after}
    assert len(said) == 2
    assert await answers(supervisor)


@pytest.mark.heavy
async def test_a_model_that_stands_still_is_ended_before_its_successor_loads(
    supervise: Supervise, said: list[str], echo_repository: Path
) -> None:
    """Two requests under way, SIGSTOP: a process that goes on beside its successor can abort Triton."""
    (echo_repository / "espeak" / "1" / "model.py").write_text(SLOW)
    supervisor = supervise()
    (before,) = pids(supervisor)
    server = tritonserver(supervisor)
    failures: list[LumenException] = []

    def ask() -> None:
        try:
            asyncio.run(answers(supervisor, 20.0))
        except LumenException as error:
            failures.append(error)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    wait_until((echo_repository / "espeak" / "1" / "busy").exists, SECONDS)
    os.kill(before, signal.SIGSTOP)
    wait_until(lambda: any("loaded again" in line for line in said), SECONDS)
    assert before not in pids(supervisor)
    for client in clients:
        client.join(SECONDS)
    assert all("has stopped" in failure.message for failure in failures)  # or it went on in the successor
    assert await answers(supervisor)
    assert tritonserver(supervisor) == server


async def test_a_server_that_is_killed_is_started_again(supervise: Supervise, said: list[str]) -> None:
    """`lumen serve` ended with Triton: it comes back on the same ports, after a pause that is said."""
    restarted = threading.Event()
    supervisor = supervise(pauses=(0.1,), on_restart=restarted.set)
    url = supervisor.server.grpc_url
    os.kill(tritonserver(supervisor), signal.SIGKILL)
    wait_until(restarted.is_set, SECONDS)
    assert supervisor.server.grpc_url == url
    assert await answers(supervisor)
    assert "was killed by SIGKILL" in said[0]
    assert "starting it again in 0.1 s" in said[0]


def test_a_server_that_dies_again_and_again_is_given_up(supervise: Supervise) -> None:
    """A server that dies again and again ends in one line: what happened, and how often it was tried."""
    supervisor = supervise(pauses=())
    os.kill(tritonserver(supervisor), signal.SIGKILL)
    wait_until(lambda: supervisor.failure is not None, SECONDS)
    assert isinstance(supervisor.failure, ServiceUnavailableException)
    assert "given up after 0 new starts" in supervisor.failure.message
    assert "\n" not in supervisor.failure.message


async def test_a_proxy_for_the_world_is_not_asked_for_triton(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything answered 503 where `http_proxy` was set: gRPC went through it."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert await answers(supervise())


async def test_a_model_that_is_unloaded_stays_so(supervise: Supervise, said: list[str]) -> None:
    """A process that ends because its model was unloaded is no death."""
    supervisor = supervise()
    client = TritonClient(supervisor.server.grpc_url, SECONDS)
    await client.unload("espeak")
    wait_until(lambda: not pids(supervisor), SECONDS)
    await client.load("espeak", SECONDS)
    await client.close()
    assert await answers(supervisor)
    assert said == []
