"""Triton and the API together in one process, for commands and benchmarks."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from lumen.settings import Settings
from lumen.triton.ports import bound_port, held_port, reachable
from lumen.triton.serve import (
    StoppedError,
    check_models,
    loading,
    options_of,
    ready_line,
    stop_signals,
    unless,
)
from lumen.triton.server import TritonServer
from lumen.triton.supervisor import Supervisor
from lumen.triton.watcher import SaidEvents
from orchestrator.faces.portraits import check_default
from orchestrator.store.outputs import Outputs

if TYPE_CHECKING:
    from orchestrator.core.model_manager import ModelManager

log = logging.getLogger("lumen")

POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Running:
    """A chain that serves.

    Attributes:
        url: of the API, e.g. ``http://127.0.0.1:8000``.
        settings: those in force, with the ports that were taken.
        wait: returns when somebody asks to stop; raises when Triton ends by itself again and again.
    """

    url: str
    settings: Settings
    wait: Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(settings: Settings, console: Console) -> AsyncIterator[Running]:
    """Triton, loaded, and the API on top of it; both are stopped at the end.

    Port 0 takes a free one.

    Raises:
        LumenException: a port is taken, the outputs cannot be written, a setting names what is not there, or
            Triton did not start.
    """
    # Held, as the API listens only when Triton has loaded its models.
    with held_port(settings.api_host, settings.api_port, "API_PORT") as held, stop_signals() as stopped:
        port = bound_port(held)
        Outputs(settings.outputs_path).check_writable()
        check_default(settings)
        check_models(settings)
        server = TritonServer(options_of(settings))
        try:
            await _start(server, stopped, console)
            in_force = settings.model_copy(update={"api_port": port, **_ports_of(server)})
            events = _Events()
            # From the first moment: a model that dies while the API starts is missed later.
            async with _supervised(server, events) as supervisor, _api(in_force) as models:
                with _told(models, events, supervisor):
                    url = f"http://{reachable(settings.api_host)}:{port}"
                    yield Running(url, in_force, lambda: _until_stopped(supervisor, stopped))
        finally:
            await asyncio.to_thread(server.stop)


def _ports_of(server: TritonServer) -> dict[str, Any]:
    """Ports of a server that was started, as settings."""
    options = server.options
    ports = {"triton_http_port": options.http_port, "triton_metrics_port": options.metrics_port}
    return {"triton_url": server.grpc_url, **ports}


async def _start(server: TritonServer, stopped: threading.Event, console: Console) -> None:
    with loading(console, server.options.models) as on_progress:
        await asyncio.to_thread(server.start)
        try:
            await server.ready(unless(stopped, on_progress))
        except StoppedError:
            raise KeyboardInterrupt from None
    console.print(ready_line(server), soft_wrap=True, highlight=False)


@asynccontextmanager
async def _api(settings: Settings) -> AsyncIterator["ModelManager"]:
    # Imported here because it takes seconds, and `say` does without where an API runs.
    from orchestrator.core.model_manager import model_manager
    from orchestrator.run import make_server

    api = make_server(settings)
    task = asyncio.create_task(api.serve())
    try:
        while not api.started:
            await asyncio.wait([task], timeout=POLL_SECONDS)
            if task.done():
                task.result()
                raise SystemExit(1)
        yield model_manager
    finally:
        api.should_exit = True
        await task


class _Events(SaidEvents):
    """Tells the API's models too, once there are some."""

    def __init__(self) -> None:
        super().__init__(log.warning)
        self.models: ModelManager | None = None

    def died(self, model: str) -> None:
        super().died(model)
        if self.models is not None:
            self.models.died(model)

    def reloaded(self, model: str, seconds: float) -> None:
        super().reloaded(model, seconds)
        if self.models is not None:
            self.models.reloaded(model)

    def restarted(self) -> None:
        if self.models is not None:
            self.models.restarted()


@asynccontextmanager
async def _supervised(server: TritonServer, events: _Events) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(server, log.error, events, on_restart=events.restarted)
    try:
        yield supervisor
    finally:
        await asyncio.to_thread(supervisor.stop)


@contextmanager
def _told(models: "ModelManager", events: _Events, supervisor: Supervisor) -> Iterator[None]:
    """Let the API's models hear of Triton's, and have the supervisor mend what they find dead."""
    events.models = models
    models.mend_with(supervisor.reload)
    try:
        yield
    finally:
        models.mend_with(None)


async def _until_stopped(supervisor: Supervisor, stopped: threading.Event) -> None:
    while not stopped.is_set():
        if supervisor.failure is not None:
            raise supervisor.failure
        await asyncio.sleep(POLL_SECONDS)
