"""Readiness of a Triton for balancers: false while it drains, and while a model of it is mended.

Triton's own answer stays true while it stops, and while a model's process is dead.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lumen.triton.watcher import SaidEvents, Say

READY_PATH = "/readyz"
LIVE_PATH = "/livez"


class Readiness(SaidEvents):
    """Readiness of a server, as far as it is known; told of its models by their watcher.

    Attributes:
        draining: whether it will stop.
        lost: why a model could not be loaded again; None while all are.
    """

    def __init__(self, say: Say) -> None:
        super().__init__(say)
        self.draining = False
        self.lost: str | None = None
        self._mended: set[str] = set()

    @property
    def ready(self) -> bool:
        return not (self.draining or self._mended)

    def died(self, model: str) -> None:
        self._mended.add(model)
        super().died(model)

    def reloaded(self, model: str, seconds: float) -> None:
        self._mended.discard(model)
        super().reloaded(model, seconds)

    def restarted(self) -> None:
        """Hear that another server is ready, with all its models."""
        self._mended.clear()

    def failed(self, model: str, reason: str) -> None:
        self.lost = f"The model {model} did not load again: {reason}"
        super().failed(model, reason)


@contextmanager
def served_readiness(host: str, port: int, is_ready: Callable[[], bool]) -> Iterator[int]:
    """Answer GET /readyz with 200 or 503, and /livez with 200, in a thread; gives the port.

    Raises:
        OSError: the port is taken.
    """
    server = ThreadingHTTPServer((host, port), _handler(is_ready))
    thread = threading.Thread(target=server.serve_forever, name="triton-readiness", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(is_ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = HTTPStatus.NOT_FOUND
            if self.path == LIVE_PATH or (self.path == READY_PATH and is_ready()):
                status = HTTPStatus.OK
            elif self.path == READY_PATH:
                status = HTTPStatus.SERVICE_UNAVAILABLE
            body = f"{status.phrase}\n".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the console for what matters: probes come every few seconds."""

    return Handler
