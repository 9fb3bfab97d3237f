"""Waiting for what something else does meanwhile."""

import threading
import time
from collections.abc import Callable

SECONDS = 20.0
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Poll until ``condition`` holds; fail after ``seconds``."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(POLL_SECONDS)
