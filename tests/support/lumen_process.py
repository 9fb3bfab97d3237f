"""The whole product, started as a user starts it: `lumen serve` in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lumen.triton.ports import own_port
from tests.support.paths import ROOT

LUMEN = Path(sys.executable).with_name("lumen")
START_SECONDS = 90.0


@dataclass(frozen=True)
class Chain:
    """A running `lumen serve`."""

    url: str
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str]
    folder: Path

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"


def environment_in(folder: Path) -> dict[str, str]:
    """An environment whose LUMEN writes into `folder` and listens on free ports, without a key."""
    names = ("API_PORT", "TRITON_HTTP_PORT", "TRITON_METRICS_PORT")
    ports = {name: str(own_port()) for name in names}
    triton = {"TRITON_URL": f"127.0.0.1:{own_port()}"}
    paths = {f"{name}_PATH": str(folder / name.lower()) for name in ("OUTPUTS", "JOBS", "LOGS")}
    fixed = {"API_HOST": "127.0.0.1", "GEMINI_API_KEY": "", "RATE_LIMIT": "1000/minute"}
    return {**os.environ, **ports, **triton, **paths, **fixed}


def start_chain(folder: Path, *arguments: str) -> Chain:
    """`lumen serve` (or other `arguments`); returns when the API answers."""
    environment = environment_in(folder)
    command = [str(LUMEN), *(arguments or ("serve",))]
    with (folder / "console.txt").open("wb") as console:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=console, stderr=console)
    chain = Chain(f"http://127.0.0.1:{environment['API_PORT']}", process, environment, folder)
    _wait_for(chain)
    return chain


def _wait_for(chain: Chain) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if chain.process.poll() is not None:
            break
        try:
            httpx.get(f"{chain.url}/", timeout=1.0)
        except httpx.TransportError:
            continue
        return
    chain.process.terminate()
    pytest.fail("lumen did not start:\n" + (chain.folder / "console.txt").read_text())


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Run one chain for all tests that leave it as it was."""
    chain = start_chain(tmp_path_factory.mktemp("chain"))
    yield chain
    chain.process.terminate()
    assert chain.process.wait(30) == 0
