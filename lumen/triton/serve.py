"""`lumen triton`: the Triton of a profile, from its start to Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lumen import registry
from lumen.addresses import port_of
from lumen.errors import InvalidInputException, LumenException, ModelLoadException
from lumen.families.description import FaceFamily, VoiceFamily
from lumen.runtime.artifacts import read_manifest
from lumen.settings import Settings
from lumen.triton.install import gpu_usable
from lumen.triton.ports import claim_port
from lumen.triton.readiness import Readiness, served_readiness
from lumen.triton.server import LoadProgress, TritonOptions, TritonServer
from lumen.triton.supervisor import Supervisor

_WATCH_SECONDS: Final = 0.5


def models_of(settings: Settings) -> tuple[str, ...]:
    """Names of the Triton models that a server of `settings` needs: of the chain, or of its pool of it.

    Where the API loads none later, those that only some requests need are among them, as far as exported.
    """
    listener, families = settings.listener_family, _families_of(settings)
    hearing = () if listener is None or settings.triton_pool == "face" else listener.models
    options = [needed for family in families for needed in family.optional_models.values()]
    at_once = settings.triton_model_control == "off"
    later = [needed for needed in options if at_once and all(_is_exported(settings, each) for each in needed)]
    optional = dict.fromkeys(chain(*later))
    return (*(model for family in families for model in family.models), *optional, *hearing)


def _is_exported(settings: Settings, model: str) -> bool:
    return any((settings.model_repository / model / "1").glob("*"))


def _families_of(settings: Settings) -> list[VoiceFamily | FaceFamily]:
    voice, face = registry.voice(settings.voice), registry.face(settings.face)
    pools: dict[str, list[VoiceFamily | FaceFamily]] = {"voice": [voice], "face": [face]}
    return pools.get(settings.triton_pool, [voice, face])


def check_models(settings: Settings) -> None:
    """Look for the models of the chain before a server is started for them.

    Raises:
        ModelLoadException: one is not in the repository, or not exported; the message says what to run.
    """
    for family in _families_of(settings):
        command = f"lumen export {family.name}"
        for model in family.models:
            folder = settings.model_repository / model
            if not (folder / "config.pbtxt").is_file():
                raise ModelLoadException(
                    f"There is no model {model} in {settings.model_repository}; set MODEL_REPOSITORY, "
                    f"or run `{command}`."
                )
            if not _is_exported(settings, model):
                raise ModelLoadException(f"{model} is not exported; run `{command}`.")
        if family.checkpoint is not None:
            read_manifest(settings.model_repository / family.checkpoint / "1", command)
    listener = settings.listener_family
    if listener is not None and (missing := listener.missing()):
        raise ModelLoadException(
            f"LISTENER is {settings.listener}, which needs {', '.join(missing)}; run `{listener.setup}`."
        )
    if listener is not None and (files := listener.unfetched(settings.model_repository)):
        raise ModelLoadException(
            f"LISTENER is {settings.listener}, whose {', '.join(files)} are not in "
            f"{settings.model_repository}; run `{listener.fetch}`."
        )


def options_of(settings: Settings) -> TritonOptions:
    """The server that `settings` ask for.

    Raises:
        InvalidInputException: ``triton_url`` names no port.
    """
    return TritonOptions(
        model_repository=settings.model_repository,
        backends=settings.backends_path,
        models=models_of(settings),
        host=settings.triton_host,
        grpc_port=_port_of(settings.triton_url),
        http_port=settings.triton_http_port,
        metrics_port=settings.triton_metrics_port,
        gpu=settings.gpu_enabled and gpu_usable(),
        cuda_device=settings.cuda_device,
        log_file=settings.logs_path / "triton.log",
        start_timeout=settings.triton_start_timeout,
        grace_seconds=settings.triton_grace_seconds,
        traces_endpoint=settings.traces_endpoint,
    )


def run(settings: Settings) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit code, 1 after saying why Triton did not run."""
    console = Console(stderr=True)
    with stop_signals() as stopped:
        try:
            check_models(settings)
            with TritonServer(options_of(settings)) as server:
                with loading(console, server.options.models) as on_progress:
                    server.wait_ready(unless(stopped, on_progress))
                console.print(ready_line(server))
                _supervise(server, settings, stopped, console)
        except StoppedError:
            return 0
        except LumenException as error:
            console.print(error.message, style="red", highlight=False, soft_wrap=True)
            return 1
    return 0


def ready_line(server: TritonServer) -> str:
    """Say in a line, for people, where the server answers."""
    return (
        f"Triton is ready: gRPC {server.grpc_url}, HTTP {server.http_url}, "
        f"metrics {server.metrics_url}, log {_short(server.options.log_file)}"
    )


@contextmanager
def loading(console: Console, models: tuple[str, ...]) -> Iterator[Callable[[LoadProgress], None]]:
    """A progress bar over the models that load, or lines where no terminal is.

    Gives what `TritonServer.wait_ready` reports to.
    """
    if not console.is_terminal:
        yield _lines(console, models)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Triton: starting", total=len(models))

        def show(progress: LoadProgress) -> None:
            waiting = ", ".join(progress.pending) or "its endpoints"
            text = "Triton: ready" if progress.ready else f"Triton: loading {waiting}"
            bar.update(task, completed=len(progress.loaded), description=text)

        yield show


def _lines(console: Console, models: tuple[str, ...]) -> Callable[[LoadProgress], None]:
    """Reporter that writes a line at the start and for each model that is loaded."""
    console.print(f"Triton: loading {', '.join(models)}", highlight=False, soft_wrap=True)
    said: set[str] = set()

    def show(progress: LoadProgress) -> None:
        for model in progress.loaded:
            if model not in said:
                console.print(f"Triton: loaded {model}", highlight=False, soft_wrap=True)
        said.update(progress.loaded)

    return show


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, instead of what they did before."""
    stopped = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StoppedError(Exception):
    """The user stopped the start."""


def unless(
    stopped: threading.Event, on_progress: Callable[[LoadProgress], None]
) -> Callable[[LoadProgress], None]:
    def report(progress: LoadProgress) -> None:
        if stopped.is_set():
            raise StoppedError
        on_progress(progress)

    return report


def _supervise(server: TritonServer, settings: Settings, stopped: threading.Event, console: Console) -> None:
    """Return when stopped and drained; raise when the server ends by itself again and again.

    Raises:
        ModelLoadException: a model that died did not load again, and nobody else loads models.
    """

    def say(line: str) -> None:
        console.print(line, style="yellow", highlight=False, soft_wrap=True)

    readiness = Readiness(say)
    supervisor = Supervisor(server, say, readiness, on_restart=readiness.restarted)
    try:
        with _told_readiness(settings, lambda: readiness.ready and supervisor.server.answers_ready()):
            while not stopped.wait(_WATCH_SECONDS):
                if supervisor.failure is not None:
                    raise supervisor.failure
                if readiness.lost is not None and settings.triton_model_control == "off":
                    raise ModelLoadException(readiness.lost)
            readiness.draining = True
            stopped.clear()
            stopped.wait(settings.drain_seconds)  # a second signal does not wait
    finally:
        supervisor.stop()


def _told_readiness(settings: Settings, is_ready: Callable[[], bool]) -> AbstractContextManager[Any]:
    """Serve the readiness of a Triton where a port is set for it.

    Raises:
        ServiceUnavailableException: the port is taken.
    """
    if settings.triton_ready_port is None:
        return nullcontext()
    port = claim_port(settings.triton_host, settings.triton_ready_port, "TRITON_READY_PORT")
    return served_readiness(settings.triton_host, port, is_ready)


def _port_of(url: str) -> int:
    port = port_of(url)
    if port is None:
        raise InvalidInputException(
            f"TRITON_URL is {url!r}, expected host:port of the one that is started here, "
            "for example 127.0.0.1:8001"
        )
    return port


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
