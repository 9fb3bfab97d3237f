"""Serves the API: ``python orchestrator/run.py``."""

import uvicorn

from lumen.reported import reported
from lumen.settings import Settings, load_settings
from lumen.triton.ports import claim_port
from orchestrator.core.logging_config import logging_to
from orchestrator.core.model_manager import model_manager
from orchestrator.main import create_app


def make_server(settings: Settings) -> uvicorn.Server:
    """The API on the address of ``settings``, not yet serving. A port that is taken ends its process.

    Raises:
        StorageException: the outputs cannot be written.
    """
    app = create_app(settings, model_manager.configure(settings))
    app.state.services.outputs.check_writable()
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ServiceUnavailableException: the port is taken.
        StorageException: the outputs cannot be written.
    """
    claim_port(settings.api_host, settings.api_port, "API_PORT")
    with logging_to(settings.logs_path):
        make_server(settings).run()


if __name__ == "__main__":
    with reported():
        serve(load_settings())
