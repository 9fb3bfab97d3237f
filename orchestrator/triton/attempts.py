"""Attempts at a request while Tritons come and go."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from lumen.errors import LumenException, ServiceUnavailableException

log = logging.getLogger("lumen")

PAUSES: Final = (0.02, 0.5)
"""Seconds before the first attempt after a failure, and before each later one.

gRPC notices within a millisecond that a server of its list is gone; a load balancer needs until its next
look, for which TRITON_RETRIES has to be long enough.
"""

MENDING_SECONDS: Final = 6.0
"""Seconds that an attempt waits at most for models that are loaded anew, which takes two or three."""

LOOK_SECONDS: Final = 0.05


class TritonEvents(Protocol):
    """Listener to what becomes of requests to Triton."""

    def failed(self, model: str, error: LumenException) -> None:
        """A request to the model failed, or was refused."""

    def retried(self, model: str) -> None:
        """A request to the model is asked again, because the server that had it went away."""


class Attempts:
    """Attempts at one request, of which another Triton may be asked when one goes away.

    What is asked again has no memory in the model: the same inputs, with their seed, give the same answers.

        attempts = client.attempts(model)
        while True:
            try:
                return await ask()
            except ServiceUnavailableException as error:
                await attempts.failed(error)

    Args:
        model: that is asked.
        limit: attempts after the first one.
        events: is told of them.
        mending: whether models of this Triton have died and are being loaded anew.
    """

    def __init__(
        self,
        model: str,
        limit: int,
        events: TritonEvents | None = None,
        mending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._model = model
        self._limit = limit
        self._events = events
        self._mending = mending
        self._count = 0
        self._first: ServiceUnavailableException | None = None

    async def failed(self, error: ServiceUnavailableException) -> None:
        """Wait until the request may be asked again.

        Raises:
            ServiceUnavailableException: what failed first, when it has been asked often enough.
        """
        self._first = self._first or error
        if self._count == self._limit:
            raise self._first
        await asyncio.sleep(PAUSES[min(self._count, len(PAUSES) - 1)])
        await self._until_mended()
        self._count += 1
        log.warning(
            "Asking for %s again (%d of %d): %s", self._model, self._count, self._limit, error.message
        )
        if self._events is not None:
            self._events.retried(self._model)

    async def _until_mended(self) -> None:
        looks = round(MENDING_SECONDS / LOOK_SECONDS)
        for _ in range(looks):  # a thread says when a model is there again
            if not self._mending():
                return
            await asyncio.sleep(LOOK_SECONDS)
