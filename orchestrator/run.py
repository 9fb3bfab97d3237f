"""Serves the API: ``python orchestrator/run.py``."""

import asyncio
import gc
import math
import resource
import signal
import socket
from functools import partial
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from lumen.reported import reported
from lumen.settings import Settings, load_settings
from lumen.triton.ports import claim_port
from orchestrator.core.http_protocol import connection_limits, http_protocol
from orchestrator.core.logging_config import logging_to
from orchestrator.core.model_manager import model_manager
from orchestrator.faces.portraits import check_default
from orchestrator.main import create_app
from orchestrator.services import Services

BACKLOG: Final = 128
"""Connections that the kernel holds until they are taken; all are taken at once, so each needs a file."""

OTHER_FILES: Final = 512
"""Files that the process opens besides: uploads, outputs, libraries, pipes, connections to Triton."""


class ApiServer(uvicorn.Server):
    """A server that drains on SIGTERM; conversations and events end before their sockets close."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._use: Services = app.state.services

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and do before the first requests what would hold the event loop up in the midst of them."""
        await asyncio.to_thread(self._app.openapi)  # FastAPI prepares its routes with it
        await super().startup(sockets)
        # A full collection would look at every object of the libraries again, for 60 ms each time.
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: on SIGTERM after the time of draining, else at once."""
        if sig != signal.SIGTERM or not self._use.drain.begin(partial(super().handle_exit, sig, frame)):
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the events and the conversations, then the connections."""
        self._use.jobs.end_events()
        await self._use.live.stop()
        await super().shutdown(sockets)


def make_server(settings: Settings) -> uvicorn.Server:
    """The API on the address of ``settings``, not yet serving. A port that is taken ends its process.

    Raises:
        StorageException: the outputs cannot be written.
        InvalidInputException: there is no portrait of the default's name.
    """
    check_default(settings)
    app = create_app(settings, model_manager.configure(settings))
    app.state.services.outputs.check_writable()
    allow_files(settings.max_connections)
    return ApiServer(server_config(app, settings), app)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Uvicorn's configuration, which makes it a server that strangers can be let at."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=http_protocol(connection_limits(settings)),
        backlog=BACKLOG,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=math.ceil(settings.api_grace_seconds),
    )


def allow_files(connections: int) -> None:
    """Have the process open a file for each connection, and those that it needs besides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + BACKLOG + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ServiceUnavailableException: the port is taken.
        StorageException: the outputs cannot be written.
        InvalidInputException: there is no portrait of the default's name.
    """
    claim_port(settings.api_host, settings.api_port, "API_PORT")
    with logging_to(settings.logs_path, settings.log_format):
        make_server(settings).run()


if __name__ == "__main__":
    with reported():
        serve(load_settings())
