"""A service for a benchmark: `lumen serve` in a process and a folder of its own."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.processes import memory_bytes
from lumen.errors import ServiceUnavailableException
from lumen.triton.ports import own_port

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
QUIET_SECONDS: Final = 30.0
"""The time that the service may take to be rid of the work of clients that have left."""

PORTS: Final = ("API_PORT", "TRITON_HTTP_PORT", "TRITON_METRICS_PORT")


@dataclass
class Served:
    """A running service: its process, port and folder; addresses of Triton's gRPC and of its metrics."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path
    triton_url: str = ""
    metrics_url: str = ""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def peak_bytes(self) -> int:
        return memory_bytes(self.process.pid, "VmHWM")

    def log(self) -> str:
        return (self.folder / "logs" / "lumen.log").read_text(errors="replace")

    def unfinished(self) -> list[str]:
        return [path.name for path in (self.folder / "outputs").rglob(".*") if path.is_file()]

    async def active_when_quiet(self) -> int:
        """Wait for the end of all clips; how many are still being made after a while."""
        deadline = time.monotonic() + QUIET_SECONDS
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while (active := int((await client.get("/health")).json()["active_clips"])) > 0:
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.5)
        return active


@contextmanager
def serving(folder: Path, settings: Mapping[str, str], seconds: float = START_SECONDS) -> Iterator[Served]:
    """Serve the starter profile in ``folder``, on free ports, with these settings besides.

    Args:
        seconds: that the start may take.

    Raises:
        ServiceUnavailableException: it did not start; the message has its last words.
    """
    ports = {name: str(own_port()) for name in PORTS}
    fixed = {"API_HOST": HOST, "GEMINI_API_KEY": "", "PROFILE": "starter"}
    paths = {"OUTPUTS_PATH": str(folder / "outputs"), "LOGS_PATH": str(folder / "logs")}
    triton_url = f"{HOST}:{own_port()}"
    command = [str(Path(sys.executable).with_name("lumen")), "serve"]
    environment = {**os.environ, **ports, **fixed, **paths, "TRITON_URL": triton_url, **settings}
    with (folder / "console.txt").open("wb") as console:
        process = subprocess.Popen(command, env=environment, stdout=console, stderr=console)
    metrics_url = f"http://{HOST}:{ports['TRITON_METRICS_PORT']}/metrics"
    served = Served(process, int(ports["API_PORT"]), folder, triton_url, metrics_url)
    try:
        _wait_for(served, seconds)
        yield served
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, and kill it when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for(served: Served, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and served.process.poll() is None:
        try:
            httpx.get(f"{served.url}/livez", timeout=1.0)
        except httpx.TransportError:
            time.sleep(POLL_SECONDS)
            continue
        return
    console = (served.folder / "console.txt").read_text(errors="replace")
    raise ServiceUnavailableException(f"lumen serve did not start: {console[-2000:]}")
