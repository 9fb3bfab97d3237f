"""A real redis-server."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lumen.triton.ports import own_port
from tests.support.waiting import wait_until


class RedisServer:
    """Runs a redis-server on a port of its own; it keeps the port when it is started again.

    Args:
        folder: where it keeps its data; without one it loses them when it ends.
    """

    def __init__(self, program: str, folder: Path | None) -> None:
        self.port = own_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder)] if folder else []
        self._command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *durable]

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait(10)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def redis_server(folder: Path | None = None) -> Iterator[RedisServer]:
    """Run a Redis, or skip the test where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(program, folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def durable_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that has its data again after a crash."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as server:
        yield server
