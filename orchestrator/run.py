"""Serves the API: ``python orchestrator/run.py``."""

import uvicorn

from orchestrator.core.config import Settings, load_settings
from orchestrator.core.logging_config import logging_to
from orchestrator.core.model_manager import model_manager
from orchestrator.main import create_app


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. A port that is taken ends the process with status 1."""
    app = create_app(settings, model_manager.configure(settings))
    with logging_to(settings.logs_path):
        uvicorn.run(
            app,
            host=settings.api_host,
            port=settings.api_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )


if __name__ == "__main__":
    serve(load_settings())
