"""An API of `job_tools` in a process of its own, which a test may kill: ``-m tests.support.job_process``."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx

from orchestrator.jobs.job import Job
from tests.support.api_server import Api
from tests.support.job_tools import HeldModels, job_api
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

START_SECONDS = 60.0

Death = Literal["never", "untold", "told"]
"""When a process kills itself: a job has ended and nobody is told, or all were and it is not noted."""


class JobProcess:
    """A running API; ``client`` talks to it."""

    def __init__(self, process: "subprocess.Popen[bytes]", client: httpx.Client) -> None:
        self.process = process
        self.client = client

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait(10)

    def status(self, video: str) -> str:
        return str(self.client.get(f"/v1/videos/{video}").json()["status"])


@contextmanager
def job_process(
    folder: Path, slow: bool = False, dies: Death = "never", **changes: Any
) -> Iterator[JobProcess]:
    """Start an API on the jobs of ``folder``; a slow one draws nothing after its first frames."""
    told = folder / "url"
    told.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.support.job_process",
        str(folder),
        str(int(slow)),
        dies,
        json.dumps(changes),
    ]
    with (folder / "console.txt").open("ab") as console:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=console, stderr=console)
    try:
        wait_until(lambda: told.exists() or process.poll() is not None, START_SECONDS)
        with httpx.Client(base_url=told.read_text(), timeout=30) as client:
            yield JobProcess(process, client)
    finally:
        if process.poll() is None:
            process.communicate(b"", 30)
        process.stdin.close()  # type: ignore[union-attr]


def _serve(folder: Path, slow: bool, dies: str, changes: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    models = HeldModels()
    if slow:
        models.face.go.clear()
    with job_api(folder, models, **changes) as api:
        _die_at_end(api, dies)
        part = folder / "url.part"
        part.write_text(api.url)
        part.rename(folder / "url")
        sys.stdin.read()
        models.face.go.set()


def _die_at_end(api: Api, dies: str) -> None:
    """End the process as a crash does, before or after the observers of the first job that ends are told."""

    async def die(job: Job) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    observers = api.services.jobs.on_finished
    if dies != "never":
        observers.insert(0 if dies == "untold" else len(observers), die)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2] == "1", sys.argv[3], json.loads(sys.argv[4]))
