"""Draining: a server that will stop says so first, and balancers send nobody to it any more."""

import asyncio
from collections.abc import Callable

from lumen.errors import ServiceUnavailableException


class Drain:
    """Time between the wish to stop and the stop, in which everything is still answered.

    Args:
        seconds: how long it lasts; 0 is not at all.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = False

    def begin(self, stop: Callable[[], None]) -> bool:
        """Call ``stop`` when the time is over; for signal handlers.

        Returns:
            False when there is no such time or it runs already: then the caller stops at once.
        """
        if self._begun or not self._seconds:
            return False
        self._begun = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._seconds, stop)
        return True

    def check(self) -> None:
        """Refuse a question for readiness.

        Raises:
            ServiceUnavailableException: the server will stop.
        """
        if self._begun:
            raise ServiceUnavailableException("This server will stop; ask another one.")
