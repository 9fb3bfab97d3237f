"""The scheduler for an event loop: sentences as async iterators, some of them with names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from lumen.errors import InvalidInputException, LumenException
from lumen.families.xtts.gpt.chunks import Chunk
from lumen.families.xtts.gpt.request import GptRequest
from lumen.families.xtts.gpt.scheduler import Scheduler
from lumen.families.xtts.gpt.ticket import Ticket

CANCEL_POLL_SECONDS: Final = 0.04
"""Interval of asking whether a client is gone: about a step of the released size."""

_Event = Chunk | LumenException | None


class GptStreams:
    """Opens sentences on a scheduler; belongs to one event loop."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._named: dict[int, Ticket] = {}

    async def speak(
        self, request: GptRequest, stream_id: int | None, is_cancelled: Callable[[], bool]
    ) -> AsyncIterator[Chunk]:
        """The chunks of a sentence. When this ends, its slot is free, unless it is closed before its end.

        Args:
            request: refused before the first chunk or not at all.
            stream_id: a name that `cancel` takes while the sentence is spoken; None is no name.
            is_cancelled: asked between chunks and every ``CANCEL_POLL_SECONDS``.

        Raises:
            LumenException: as `Scheduler.submit`, or what ended the sentence.
            InvalidInputException: another sentence is being spoken under this name.
        """
        if stream_id in self._named:
            raise InvalidInputException(f"The stream_id {stream_id} is in use; expected a new one.")
        events = _Events()
        ticket = self._scheduler.submit(request, events)
        if stream_id is not None:
            self._named[stream_id] = ticket
        try:
            while (chunk := await events.next(ticket, is_cancelled)) is not None:
                yield chunk
        finally:
            ticket.cancel()
            if stream_id is not None:
                del self._named[stream_id]

    def cancel(self, stream_id: int) -> None:
        """End the sentence of this name; does nothing when it is over."""
        ticket = self._named.get(stream_id)
        if ticket is not None:
            ticket.cancel()


class _Events:
    """Events of one sentence, from the scheduler's thread to the loop in which this was made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[_Event] = asyncio.Queue()

    def chunk(self, chunk: Chunk) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, chunk)

    def end(self, error: LumenException | None) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, error)

    async def next(self, ticket: Ticket, is_cancelled: Callable[[], bool]) -> Chunk | None:
        """The next chunk; None at the end. Raises what ended the sentence."""
        event = await self._get(ticket, is_cancelled)
        if isinstance(event, LumenException):
            raise event
        if event is not None and is_cancelled():
            ticket.cancel()
        return event

    async def _get(self, ticket: Ticket, is_cancelled: Callable[[], bool]) -> _Event:
        getting = asyncio.ensure_future(self._queue.get())
        try:
            while not (await asyncio.wait({getting}, timeout=CANCEL_POLL_SECONDS))[0]:
                if is_cancelled():
                    ticket.cancel()
            return getting.result()
        finally:
            getting.cancel()
