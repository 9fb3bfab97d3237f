"""Supervisor of a server: starts it again when it ends by itself, and has its models watched."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from lumen.errors import LumenException, ServiceUnavailableException
from lumen.triton.server import TritonServer
from lumen.triton.watcher import ModelEvents, ModelWatcher, Say

LOOK_SECONDS: Final = 0.5
"""Time between two looks. Triton calls a process that says nothing for a second unhealthy."""

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each new start in a row; after the last one in vain the supervisor gives up."""

STEADY_SECONDS: Final = 60.0
"""A server that ran so long has not failed in a row with the one before."""


class Supervisor:
    """Keeps a server running, in a thread of its own, until `stop`.

    Args:
        server: the server, ready.
        say: writes lines for people.
        events: is told of models that die and are loaded again.
        pauses: see ``PAUSES``.
        on_restart: called when another server is ready on the same ports.
    """

    def __init__(
        self,
        server: TritonServer,
        say: Say,
        events: ModelEvents,
        pauses: Sequence[float] = PAUSES,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self.server = server
        self.failure: LumenException | None = None
        self._say = say
        self._events = events
        self._pauses = pauses
        self._on_restart = on_restart
        self._stopped = threading.Event()
        self._watcher = ModelWatcher(server, events)
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="triton-supervisor", daemon=True)
        self._thread.start()

    def reload(self, model: str) -> "Future[None]":
        """Load a model anew, see `ModelWatcher.reload`."""
        return self._watcher.reload(model)

    def stop(self) -> None:
        """Stop the server and all that is done for it."""
        self._stopped.set()
        self._watcher.close()
        self._thread.join()
        self.server.stop()

    def _run(self) -> None:
        ready = time.monotonic()
        while not self._stopped.wait(LOOK_SECONDS):
            if self.server.running:
                self._watcher.look()
                continue
            if time.monotonic() - ready > STEADY_SECONDS:
                self._failures = 0
            try:
                self._start_again()
            except LumenException as error:
                self.failure = error
                return
            ready = time.monotonic()

    def _start_again(self) -> None:
        """Start another server; tries until one is ready.

        Raises:
            ServiceUnavailableException: none is, after all pauses.
        """
        error = self.server.failure()
        while not self._stopped.is_set():
            self._watcher.close()
            self.server.stop()
            if self._failures == len(self._pauses):
                raise ServiceUnavailableException(
                    f"{error.message}; given up after {self._failures} new starts"
                )
            pause = self._pauses[self._failures]
            self._failures += 1
            self._say(f"{error.message}; starting it again in {pause:g} s")
            if self._stopped.wait(pause):
                return
            try:
                self._start()
            except LumenException as again:
                error = again
            else:
                self._say("Triton is ready again")
                self._on_restart()
                return

    def _start(self) -> None:
        self.server.stop()
        self.server = TritonServer(self.server.options)
        self.server.start()
        while not self._stopped.wait(LOOK_SECONDS) and not self.server.progress().ready:
            pass
        self._watcher = ModelWatcher(self.server, self._events)
