"""Watcher of a server's models: those whose process has died or stands still are loaded anew.

Triton calls a Python model READY for good, also when its process has died, and keeps the process's shared
memory until the model is unloaded. A process that is stopped and goes on when its successor is there may
abort the server: it is ended first.
"""

import http.client
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final, Protocol

from lumen.errors import LumenException, ModelLoadException, ServiceUnavailableException
from lumen.triton.ports import reachable
from lumen.triton.processes import ModelProcess, model_processes
from lumen.triton.server import TritonServer

INDEX_TIMEOUT: Final = 5.0
"""Seconds that Triton may take to list its models."""

LATE_SECONDS: Final = 3.0
"""Seconds after a reload for which reports of a death are of the process before: requests fail late."""


class ModelEvents(Protocol):
    """Listener to what happens to models; called in threads of the watcher."""

    def died(self, model: str) -> None:
        """The model's process has ended, or was ended because it stood still."""

    def reloaded(self, model: str, seconds: float) -> None:
        """The model is loaded again."""

    def failed(self, model: str, reason: str) -> None:
        """The model could not be loaded again."""


class ModelWatcher:
    """Watches the models of one server; `look` is called again and again, `close` in the end.

    Args:
        server: the server, ready.
        events: is told of deaths and of what became of them.
    """

    def __init__(self, server: TritonServer, events: ModelEvents) -> None:
        self._server = server
        self._events = events
        self._counts = _counts(model_processes(server.prefix))
        self._stopped: set[int] = set()
        self._lock = threading.Lock()
        self._reloads: dict[str, Future[None]] = {}
        self._reloaded: dict[str, float] = {}
        self._threads = ThreadPoolExecutor(1, "model-reload")

    def look(self) -> None:
        """Find models with fewer processes than before, and processes that have not run since last time."""
        living = self._without_stalled(model_processes(self._server.prefix))
        counts = _counts(living)
        fewer = [model for model, count in self._counts.items() if counts[model] < count]
        ready = self._ready_models() if fewer else set()
        if ready is None:
            return
        again = _counts(model_processes(self._server.prefix)) if fewer else counts
        for model in fewer:
            # Others were unloaded, or have been loaded again since they were counted.
            if model in ready and again[model] < self._counts[model]:
                self.reload(model)
        self._counts = counts

    def reload(self, model: str) -> "Future[None]":
        """End the model's processes and load it anew; what is asked for meanwhile or just after is the same.

        The future raises ModelLoadException or ServiceUnavailableException.
        """
        with self._lock:
            if model not in self._reloads:
                if self._just_reloaded(model):
                    done: Future[None] = Future()
                    done.set_result(None)
                    return done
                self._events.died(model)
                self._reloads[model] = self._threads.submit(self._reload, model)
            return self._reloads[model]

    def close(self) -> None:
        """Begin no further reload; one that is under way ends with its server."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _just_reloaded(self, model: str) -> bool:
        if time.monotonic() - self._reloaded.get(model, -math.inf) >= LATE_SECONDS:
            return False
        processes = model_processes(self._server.prefix)
        living = sum(process.model == model and not process.stopped for process in processes)
        return living >= max(1, self._counts[model])

    def _without_stalled(self, processes: list[ModelProcess]) -> list[ModelProcess]:
        """The processes but for those that were stopped last time too: they are killed."""
        stalled = [process for process in processes if process.stopped and process.pid in self._stopped]
        self._stopped = {process.pid for process in processes if process.stopped}
        for process in stalled:
            process.kill()
        return [process for process in processes if process not in stalled]

    def _reload(self, model: str) -> None:
        started = time.monotonic()
        try:
            for process in model_processes(self._server.prefix):
                if process.model == model:
                    process.kill()
            # Loading a model that Triton takes for loaded does nothing.
            self._post(f"models/{model}/unload", self._server.options.start_timeout)
            self._post(f"models/{model}/load", self._server.options.start_timeout)
            self._reloaded[model] = time.monotonic()
        except LumenException as error:
            self._events.failed(model, error.message)
            raise
        finally:
            with self._lock:
                del self._reloads[model]
        self._events.reloaded(model, time.monotonic() - started)

    def _ready_models(self) -> set[str] | None:
        """Names of the models that Triton takes for loaded; None when it does not answer."""
        try:
            index = json.loads(self._post("index", INDEX_TIMEOUT))
        except LumenException:
            return None
        return {model["name"] for model in index if model.get("state") == "READY"}

    def _post(self, path: str, timeout: float) -> bytes:
        """Ask Triton's model repository.

        Raises:
            ModelLoadException: it refused.
            ServiceUnavailableException: it does not answer.
        """
        options = self._server.options
        connection = http.client.HTTPConnection(reachable(options.host), options.http_port, timeout=timeout)
        try:
            with closing(connection):
                connection.request("POST", f"/v2/repository/{path}", b"{}")
                response = connection.getresponse()
                body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailableException(f"Triton does not answer: {error}") from error
        if response.status != http.client.OK:
            raise ModelLoadException(_reason(body))
        return body


def _counts(processes: list[ModelProcess]) -> Counter[str]:
    """Processes of each model."""
    return Counter(process.model for process in processes)


def _reason(body: bytes) -> str:
    """First line of Triton's complaint."""
    try:
        said: Any = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        said = body.decode(errors="replace")
    return str(said).strip().partition("\n")[0]


Say = Callable[[str], None]
"""Writes one line for people."""


class SaidEvents:
    """Tells of deaths and reloads in lines."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def died(self, model: str) -> None:
        self._say(f"The process of the model {model} has died or stands still; loading it anew")

    def reloaded(self, model: str, seconds: float) -> None:
        self._say(f"The model {model} is loaded again after {seconds:.1f} s")

    def failed(self, model: str, reason: str) -> None:
        self._say(f"The model {model} did not load again: {reason}")
