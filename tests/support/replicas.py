"""Two Triton servers with the starter's models, and a hard end for one of them."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lumen.settings import Settings
from lumen.triton.processes import model_processes
from lumen.triton.serve import models_of
from lumen.triton.server import TritonServer, private_options
from tests.support.paths import ROOT


@contextmanager
def replicas(folder: Path, count: int = 2) -> Iterator[list[TritonServer]]:
    """Run servers beside each other, ready."""
    models = models_of(Settings())
    with ExitStack() as stack:
        servers = []
        for number in range(count):
            options = private_options(ROOT / "model_repository", models, folder / f"triton-{number}.log")
            servers.append(TritonServer(options))
            stack.callback(servers[-1].kill)
            servers[-1].start()
        for server in servers:
            server.wait_ready()
        yield servers


def address_of(servers: list[TritonServer]) -> str:
    return ",".join(server.grpc_url for server in servers)


def stall(server: TritonServer, model: str) -> None:
    """SIGSTOP the model's processes: what is asked of it, and what it was about to answer, hangs."""
    for process in model_processes(server.prefix):
        if process.model == model:
            os.kill(process.pid, signal.SIGSTOP)


def kill_hard(server: TritonServer) -> None:
    """SIGKILL the server's process, which is the parent of its models' processes."""
    model = model_processes(server.prefix)[0].pid
    parent = int(Path(f"/proc/{model}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)
