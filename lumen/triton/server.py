"""A Triton server as an object: started, waited for, stopped without a trace.

    with TritonServer(options) as server:
        server.wait_ready()
        client = InferenceServerClient(server.grpc_url)

Between `start` and the end there is one child, `lumen.triton.guard`, which runs the server and
cleans up after it, also when this process is killed.
"""

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from lumen.addresses import traces_url
from lumen.errors import (
    LumenException,
    ModelLoadException,
    ServiceUnavailableException,
    StorageException,
)
from lumen.triton import guard, logfile, shm
from lumen.triton.install import PROJECT_ROOT, TritonInstall, find_triton
from lumen.triton.plain_paths import plain_folder, plain_path
from lumen.triton.ports import bound_port, held_port, reachable
from lumen.triton.trace import URL_VARIABLE

POLL_SECONDS: Final = 0.05
STOP_SECONDS: Final = 10.0
"""Time from SIGTERM to SIGKILL where no other is set; to unload a model takes Triton about two seconds."""

PRIVATE_START_SECONDS: Final = 90.0
"""Time until a server for tests and measurements must be ready."""

SHM_BYTES: Final = 4 * 2**20
SHM_GROWTH_BYTES: Final = 8 * 2**20
"""Shared memory of a model instance: taken at its start, and in each step that it then grows by.

Steps cost time; what is taken is taken for good, and a container's /dev/shm has 64 MiB by default.
"""


@dataclass(frozen=True)
class TritonOptions:
    """Options of a server.

    Attributes:
        model_repository: directory of models.
        backends: directory of the project's python-based backends.
        models: names of the models to load; the server is ready when all of them are.
        host: address to listen on.
        grpc_port, http_port, metrics_port: 0 takes a free one.
        gpu: whether models may use a GPU; their ``configs/gpu.pbtxt`` count then.
        cuda_device: index of that GPU.
        log_file: Triton's and the models' output; the previous one is kept as ``<name>.1``.
        start_timeout: seconds until the server must be ready.
        grace_seconds: between SIGTERM and SIGKILL.
        traces_endpoint: collector of the traces of requests whose callers trace them; none: no traces.
    """

    model_repository: Path
    backends: Path
    models: tuple[str, ...]
    host: str
    grpc_port: int
    http_port: int
    metrics_port: int
    gpu: bool
    cuda_device: int
    log_file: Path
    start_timeout: float
    grace_seconds: float = STOP_SECONDS
    traces_endpoint: str | None = None


@dataclass(frozen=True)
class LoadProgress:
    """Progress of a start: wanted models that are loaded, and whether the server says that it is ready."""

    loaded: tuple[str, ...]
    pending: tuple[str, ...]
    ready: bool


def private_options(repository: Path, models: Sequence[str], log_file: Path) -> TritonOptions:
    """Options of a server for one process alone: free loopback ports, the project's backends, no GPU."""
    return TritonOptions(
        model_repository=repository,
        backends=PROJECT_ROOT / "backends",
        models=tuple(models),
        host="127.0.0.1",
        grpc_port=0,
        http_port=0,
        metrics_port=0,
        gpu=False,
        cuda_device=0,
        log_file=log_file,
        start_timeout=PRIVATE_START_SECONDS,
    )


class TritonServer:
    """Triton server; not to be started twice.

    Attributes:
        options: what it was asked for; once it is started, with the ports that it has.
        prefix: of the names of its shared-memory segments.
    """

    def __init__(self, options: TritonOptions) -> None:
        self.options = options
        self.prefix = shm.new_prefix()
        self._workdir: Path | None = None
        self._repository = options.model_repository
        self._guard: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._ports = contextlib.ExitStack()

    @property
    def grpc_url(self) -> str:
        return f"{reachable(self.options.host)}:{self.options.grpc_port}"

    @property
    def http_url(self) -> str:
        return f"http://{reachable(self.options.host)}:{self.options.http_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{reachable(self.options.host)}:{self.options.metrics_port}/metrics"

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server; returns before it is ready.

        Raises:
            ServiceUnavailableException: no server is installed, or a port is taken.
            StorageException: the log cannot be written.
        """
        shm.remove_stale()
        try:
            self.options = _with_ports(self.options, self._ports)
            self._workdir = Path(tempfile.mkdtemp(prefix=self.prefix + "-", dir=plain_folder()))
            self._repository = plain_path(self.options.model_repository, self._workdir / "models")
            self._guard = self._spawn(find_triton(self.options.backends, self._workdir))
        except BaseException:
            self.stop()
            raise
        self._deadline = time.monotonic() + self.options.start_timeout

    def progress(self) -> LoadProgress:
        """Progress of the start; does not wait.

        Raises:
            ModelLoadException: a model did not load; the server is gone.
            ServiceUnavailableException: the server is gone, or is not ready in time.
        """
        # Asked before the log is read: what a dead server had to say is in it.
        running = self.running
        log = self._log()
        if not running:
            raise self.failure(log)
        here, pending = _split(self.options.models, logfile.loaded_models(log))
        ready = not pending and self.answers_ready()
        if not ready and time.monotonic() > self._deadline:
            raise self._too_late(pending)
        return LoadProgress(here, pending, ready)

    def wait_ready(self, on_progress: Callable[[LoadProgress], None] | None = None) -> None:
        """Wait until every model is loaded; stops the server when that fails. Raises as `progress`."""
        try:
            while not self._report(on_progress):
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.stop()
            raise

    async def ready(self, on_progress: Callable[[LoadProgress], None] | None = None) -> None:
        """`wait_ready` for an event loop."""
        try:
            while True:
                if await asyncio.to_thread(self._report, on_progress):
                    return
                await asyncio.sleep(POLL_SECONDS)
        except BaseException:
            await asyncio.to_thread(self.stop)
            raise

    def failure(self, log: str | None = None) -> LumenException:
        """Reason for which the server is gone, in one line."""
        log = self._log() if log is None else log
        failures = logfile.load_failures(log)
        if failures:
            reasons = "; ".join(f"{f.model}: {f.reason}" for f in failures)
            return ModelLoadException(f"Triton could not load {reasons} (log: {self.options.log_file})")
        end = _ending(self._guard.returncode) if self._guard else "was not started"
        reason = logfile.fatal_reason(log)
        return ServiceUnavailableException(
            f"Triton {end}{f': {reason}' if reason else ''} (log: {self.options.log_file})"
        )

    def stop(self) -> None:
        """Stop the server and remove what it leaves behind; does nothing when it is not running."""
        if self._guard is not None:
            _end(self._guard, self.options.grace_seconds)
            shm.kill_holders(self.prefix)
            guard.remove_segments(self.prefix)
        if self._workdir is not None:
            shutil.rmtree(self._workdir, ignore_errors=True)
        self._ports.close()

    def kill(self) -> None:
        """Stop the server at once: no model is unloaded, no request is waited for."""
        if self._guard is not None:
            shm.kill_holders(self.prefix, spared=(self._guard.pid,))
        self.stop()

    def __enter__(self) -> "TritonServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, install: TritonInstall) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-I", "-S", guard.__file__, self.prefix, str(self._workdir)]
        command += [str(self.options.grace_seconds), str(install.executable), *self._arguments(install)]
        environment = {**install.environment, "CUDA_VISIBLE_DEVICES": visible_devices(self.options)}
        if self.options.traces_endpoint is not None:
            environment[URL_VARIABLE] = traces_url(self.options.traces_endpoint)
        with _fresh_log(self.options.log_file) as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                # Ctrl-C in a terminal goes to the whole group; the server is stopped by us alone.
                start_new_session=True,
            )

    def _arguments(self, install: TritonInstall) -> list[str]:
        options = self.options
        return [
            f"--model-repository={self._repository}",
            *([f"--backend-directory={install.backends}"] if install.backends else []),
            "--model-control-mode=explicit",
            *[f"--load-model={name}" for name in options.models],
            *(["--model-config-name=gpu"] if options.gpu else []),
            "--exit-on-error=true",
            "--strict-readiness=true",
            f"--grpc-address={options.host}",
            f"--grpc-port={options.grpc_port}",
            f"--http-address={options.host}",
            f"--http-port={options.http_port}",
            f"--metrics-address={options.host}",
            f"--metrics-port={options.metrics_port}",
            f"--backend-config=python,shm-region-prefix-name={self.prefix}",
            f"--backend-config=python,shm-default-byte-size={SHM_BYTES}",
            f"--backend-config=python,shm-growth-byte-size={SHM_GROWTH_BYTES}",
            *_trace_arguments(options.traces_endpoint),
        ]

    def _log(self) -> str:
        return self.options.log_file.read_text(errors="replace")

    def _report(self, on_progress: Callable[[LoadProgress], None] | None) -> bool:
        progress = self.progress()
        if on_progress:
            on_progress(progress)
        return progress.ready

    def answers_ready(self) -> bool:
        """Whether Triton says that it is ready."""
        connection = http.client.HTTPConnection(
            reachable(self.options.host), self.options.http_port, timeout=1.0
        )
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.client.OK
        return False

    def _too_late(self, pending: tuple[str, ...]) -> ServiceUnavailableException:
        return ServiceUnavailableException(
            f"Triton was not ready after {self.options.start_timeout:g} s, still loading: "
            f"{', '.join(pending) or 'nothing'}; see {self.options.log_file} or raise TRITON_START_TIMEOUT"
        )


def _trace_arguments(endpoint: str | None) -> list[str]:
    """Rate 0: a request is traced when its caller says so, and no other."""
    if endpoint is None:
        return []
    return [
        "--trace-config=mode=opentelemetry",
        "--trace-config=rate=0",
        "--trace-config=level=TIMESTAMPS",
        f"--trace-config=opentelemetry,url={traces_url(endpoint)}",
    ]


def _with_ports(options: TritonOptions, held: contextlib.ExitStack) -> TritonOptions:
    """The options with the ports that it has, which are nobody else's until `held` is closed.

    Triton listens when its models are loaded: until then a free port could be given to others.
    """

    def port(number: int, setting: str) -> int:
        return bound_port(held.enter_context(held_port(options.host, number, setting)))

    return replace(
        options,
        grpc_port=port(options.grpc_port, "TRITON_URL"),
        http_port=port(options.http_port, "TRITON_HTTP_PORT"),
        metrics_port=port(options.metrics_port, "TRITON_METRICS_PORT"),
    )


def _split(wanted: tuple[str, ...], loaded: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(m for m in wanted if m in loaded), tuple(m for m in wanted if m not in loaded)


def visible_devices(options: TritonOptions) -> str:
    """CUDA_VISIBLE_DEVICES with the one GPU to use, or none; an index counts in the present value."""
    if not options.gpu:
        return ""
    present = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d]
    return dict(enumerate(present)).get(options.cuda_device, str(options.cuda_device))


def _fresh_log(path: Path) -> BinaryIO:
    """The log file, empty; what it held before is kept as ``<name>.1``.

    Raises:
        StorageException: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.replace(path.with_name(path.name + ".1"))
        return path.open("wb")
    except OSError as error:
        raise StorageException(
            f"{path} cannot be written ({error.strerror}); set LOGS_PATH to a folder that can."
        ) from error


def _ending(code: int) -> str:
    """`code`: 128 and more is the number of a signal, as in a shell."""
    return (
        f"was killed by {signal.Signals(code - 128).name}" if code > 128 else f"ended with exit code {code}"
    )


def _end(process: "subprocess.Popen[bytes]", grace: float) -> None:
    """Let the guard clean up; it is killed only if it does not answer."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(grace + 5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
