"""Waiting for what something else does meanwhile."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 20.0
STILL_SECONDS = 1.0
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Poll until ``condition`` holds; fail after ``seconds``."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(POLL_SECONDS)


def wait_until_still(value: Callable[[], T], seconds: float = SECONDS) -> T:
    """Poll until ``value`` has not changed for a second, and return it; fail after ``seconds``."""
    seen, since = value(), time.monotonic()

    def is_still() -> bool:
        nonlocal seen, since
        if (now := value()) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > STILL_SECONDS

    wait_until(is_still, seconds)
    return seen
