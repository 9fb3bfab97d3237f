"""A cluster on one machine: two Tritons, two APIs, Envoy, Redis and an S3 server, each a real process.

    python -m bench.cluster --folder /tmp/cluster

Envoy is configured by ``deploy/envoy.yaml``, as in the compose file, with this machine's addresses. What it
shows is that the parts work together and survive each other; two replicas on the same cores are no faster.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from itertools import starmap
from pathlib import Path
from typing import Annotated, Any, Final

import obstore
import typer
import yaml
from obstore.store import S3Store
from rich.console import Console

from bench.processes import descendants
from bench.s3_server import put, weed_command
from lumen.errors import ServiceUnavailableException
from lumen.settings import PROJECT_ROOT
from lumen.triton.ports import own_port

REPLICAS: Final = 2

START_SECONDS: Final = 180.0
"""Time until a process must answer; both Tritons load their models on the same cores."""

STOP_SECONDS: Final = 30.0

POLL_SECONDS: Final = 0.1

KEY, SECRET, BUCKET = "lumen", "of this cluster alone", "lumen"
"""Keys and bucket of the S3 server, which only this machine reaches."""

BIN: Final = Path(sys.executable).parent
"""Folder of the commands that are installed beside this Python: lumen, envoy, weed."""


class Process:
    """A process of the cluster, which can be killed and started again.

    Args:
        command: and its arguments.
        settings: variables beside this process's own.
        probe: an address that answers once it serves; host:port for one without HTTP.
        log: file for its output.
    """

    def __init__(
        self, name: str, command: list[str], settings: Mapping[str, str], probe: str, log: Path
    ) -> None:
        self.name = name
        self.settings = settings
        self._command = command
        self._probe = probe
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait_ready` says when it serves."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                env={**os.environ, **self.settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return when it serves.

        Raises:
            ServiceUnavailableException: it ended, or took too long; the message names its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._running is None or self._running.poll() is not None or time.monotonic() > deadline:
                raise ServiceUnavailableException(f"{self.name} did not start; see {self._log}")
            time.sleep(POLL_SECONDS)

    @property
    def pid(self) -> int:
        """Number of the process that was started."""
        assert self._running is not None
        return self._running.pid

    def answers(self) -> bool:
        """Whether its probe succeeds now."""
        if "//" not in self._probe:
            host, _, port = self._probe.rpartition(":")
            with socket.socket() as probe:
                return probe.connect_ex((host, int(port))) == 0
        try:
            with urllib.request.urlopen(self._probe, timeout=2.0):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """Kill it with all that it has started, as a machine that loses its power."""
        assert self._running is not None
        for pid in (self._running.pid, *descendants(self._running.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running.wait()

    def stop(self) -> None:
        """Ask it to end, and kill it when it does not; does nothing when it has ended."""
        if self._running is None or self._running.poll() is not None:
            return
        self._running.terminate()
        try:
            self._running.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


class Cluster:
    """The processes by name: redis, s3, triton-1, triton-2, ..., api-1, api-2, ..., envoy.

    Args:
        folder: for logs, the databases, and a folder of each process: APIs have no disk in common, and share
            what is made and kept by the bucket alone.
        settings: of LUMEN, for all its processes.
        tritons, apis: how many of them.

    Attributes:
        metrics: host:port of the page of metrics by the name of the Triton or API.
        envoy_url: Envoy's own page, which counts what it passes on.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], tritons: int = REPLICAS, apis: int = REPLICAS
    ) -> None:
        self.folder = folder
        self._settings = settings
        self.processes: dict[str, Process] = {}
        self._addresses: dict[str, tuple[int, int]] = {}
        self._listen = {8080: own_port(), 8001: own_port()}
        self._envoy_port = own_port()
        self.url = f"http://127.0.0.1:{self._listen[8080]}"
        self.envoy_url = f"http://127.0.0.1:{self._envoy_port}"
        self.apis: list[str] = []
        self.metrics: dict[str, str] = {}
        self._databases()
        for number in range(1, tritons + 1):
            self._triton(f"triton-{number}")
        for number in range(1, apis + 1):
            self._api(f"api-{number}")
        self._envoy()

    def start(self) -> None:
        """Start all, and return when all serve."""
        self.processes["s3"].start()
        self._make_bucket()
        for name, process in self.processes.items():
            if name != "s3":
                process.start()
        for process in self.processes.values():
            process.wait_ready()

    def _make_bucket(self) -> None:
        """Make the bucket, as soon as the S3 server takes it."""
        store = S3Store(
            BUCKET, config={"endpoint": self.s3_url, "access_key_id": KEY, "secret_access_key": SECRET}
        )
        address = obstore.sign(store, "PUT", "", timedelta(seconds=START_SECONDS))
        deadline = time.monotonic() + START_SECONDS
        while not put(address):
            if time.monotonic() > deadline:
                raise ServiceUnavailableException(f"the bucket cannot be made; see {self.folder / 's3.log'}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop all: those that ask before those that are asked."""
        for process in reversed(self.processes.values()):
            process.stop()

    def _add(self, name: str, command: list[str], environment: Mapping[str, str], probe: str) -> None:
        log = self.folder / f"{name}.log"
        self.processes[name] = Process(name, command, environment, probe, log)

    def _databases(self) -> None:
        redis = own_port()
        self.redis_url = f"redis://127.0.0.1:{redis}"
        data = self.folder / "s3"
        (self.folder / "redis").mkdir()
        data.mkdir()
        server = shutil.which("redis-server") or shutil.which("valkey-server")
        if server is None:
            raise ServiceUnavailableException(
                "redis-server is not there; on Debian: apt install redis-server"
            )
        options = ["--port", str(redis), "--dir", str(self.folder / "redis"), "--appendonly", "yes"]
        self._add("redis", [server, *options, "--save", ""], {}, f"127.0.0.1:{redis}")
        weed, s3 = weed_command(str(BIN / "weed"), data)
        self.s3_url = f"http://127.0.0.1:{s3}"
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        self._add("s3", weed, keys, f"127.0.0.1:{s3}")

    def _triton(self, name: str) -> None:
        grpc, http, metrics, ready = (own_port() for _ in range(4))
        self._addresses[name] = grpc, ready
        self.metrics[name] = f"127.0.0.1:{metrics}"
        own = {
            "TRITON_URL": f"127.0.0.1:{grpc}",
            "TRITON_HTTP_PORT": str(http),
            "TRITON_METRICS_PORT": str(metrics),
            "TRITON_READY_PORT": str(ready),
        }
        environment = {**self._shared(name), **own}
        self._add(name, [str(BIN / "lumen"), "triton"], environment, f"http://127.0.0.1:{ready}/readyz")

    def _api(self, name: str) -> None:
        port = own_port()
        self._addresses[name] = port, port
        self.apis.append(f"http://127.0.0.1:{port}")
        metrics = own_port()
        self.metrics[name] = f"127.0.0.1:{metrics}"
        own = {
            "API_HOST": "127.0.0.1",
            "API_PORT": str(port),
            "METRICS_PORT": str(metrics),
            "TRITON_URL": f"127.0.0.1:{self._listen[8001]}",
            "TRITON_RETRIES": "5",
            "RATE_LIMIT_STORAGE": f"{self.redis_url}/0",
            "JOBS_STORAGE": f"{self.redis_url}/1",
            "TRUSTED_PROXIES": "127.0.0.1",
            "OBJECTS_URL": f"s3://{BUCKET}/lumen",
            "OBJECTS_ENDPOINT": self.s3_url,
            "OBJECTS_ACCESS_KEY": KEY,
            "OBJECTS_SECRET_KEY": SECRET,
        }
        environment = {**self._shared(name), **own}
        self._add(name, [str(BIN / "lumen"), "api"], environment, f"http://127.0.0.1:{port}/readyz")

    def _shared(self, name: str) -> dict[str, str]:
        """Settings of every process of LUMEN."""
        kinds = ("outputs", "voices", "avatars", "jobs", "webhooks")
        folders = {f"{kind.upper()}_PATH": str(self.folder / name / kind) for kind in kinds}
        control = {"TRITON_MODEL_CONTROL": "off", "LOGS_PATH": str(self.folder / name)}
        return {**folders, **control, **self._settings}

    def _envoy(self) -> None:
        config = self.folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(self._envoy_config()))
        command = [str(BIN / "envoy"), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
        self._add("envoy", command, {}, f"{self.url}/livez")

    def _envoy_config(self) -> Any:
        """``deploy/envoy.yaml`` with the addresses of this machine."""
        config = yaml.safe_load((PROJECT_ROOT / "deploy" / "envoy.yaml").read_text())
        for listener in config["static_resources"]["listeners"]:
            address = listener["address"]["socket_address"]
            address.update(address="127.0.0.1", port_value=self._listen[address["port_value"]])
        for cluster in config["static_resources"]["clusters"]:
            kind = cluster["name"]
            replicas = [found for name, found in self._addresses.items() if name.startswith(f"{kind}-")]
            cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = [*starmap(_endpoint, replicas)]
        config["admin"] = {"address": _address(self._envoy_port)}
        return config


def _endpoint(port: int, ready: int) -> dict[str, Any]:
    """Replica in Envoy's configuration: port that it serves at, and port that says whether it is ready."""
    return {"endpoint": {"address": _address(port), "health_check_config": {"port_value": ready}}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextmanager
def running_cluster(
    folder: Path, settings: Mapping[str, str], tritons: int = REPLICAS, apis: int = REPLICAS
) -> Iterator[Cluster]:
    """A cluster that serves; all of it has ended afterwards."""
    cluster = Cluster(folder, settings, tritons, apis)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def main(
    folder: Annotated[
        Path | None, typer.Option(help="For logs and all that is written; must be empty.")
    ] = None,
    profile: Annotated[str, typer.Option(help="A profile of configs/.")] = "starter",
) -> None:
    """Start two Tritons, two APIs, Envoy, Redis and an S3 server, and serve until Ctrl-C."""
    console = Console(stderr=True)
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumen-cluster-")))
        folder.mkdir(parents=True, exist_ok=True)
        console.print(f"starting seven processes; their logs are in {folder}", highlight=False)
        cluster = stack.enter_context(running_cluster(folder, {"PROFILE": profile}))
        console.print(f"[bold]Talk to it:[/]  {cluster.url}/chat", highlight=False)
        console.print(f"[bold]APIs:[/]        {', '.join(cluster.apis)}", highlight=False)
        console.print(f"[bold]Metrics:[/]     {', '.join(cluster.metrics.values())}", highlight=False)
        console.print("Stop with Ctrl-C.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            console.print("stopping")


if __name__ == "__main__":
    typer.run(main)
