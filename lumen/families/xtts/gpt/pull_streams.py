"""Sentences whose chunks are kept until they are asked for, one after the other."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from lumen.errors import GenerationException, InvalidInputException, LumenException, NotFoundException
from lumen.families.xtts.gpt.chunks import Chunk
from lumen.families.xtts.gpt.request import GptRequest
from lumen.families.xtts.gpt.streams import GptStreams

log = logging.getLogger(__name__)

_Events = asyncio.Queue[Chunk | LumenException | None]


@dataclass(frozen=True)
class _Kept:
    events: _Events
    reading: asyncio.Task[None]


class PullStreams:
    """Streams of chunks for callers that can have one answer to a request only; belongs to one event loop.

    A sentence is forgotten when its end was told or its listener is gone.

    Args:
        streams: speak the sentences.
    """

    def __init__(self, streams: GptStreams) -> None:
        self._streams = streams
        self._kept: dict[int, _Kept] = {}

    async def begin(self, request: GptRequest, stream_id: int, is_gone: Callable[[], bool]) -> Chunk | None:
        """Begin a sentence; returns its first chunk, as `next` returns the others.

        Args:
            stream_id: its name, also for `GptStreams.cancel`.
            is_gone: whether nobody will ask for more; asked until the sentence is over.

        Raises:
            InvalidInputException: another sentence has this name.
        """
        if stream_id in self._kept:
            raise InvalidInputException(f"The stream_id {stream_id} is in use; expected a new one.")
        events: _Events = asyncio.Queue()
        chunks = self._streams.speak(request, stream_id, is_gone)
        reading = asyncio.ensure_future(self._read(stream_id, chunks, events, is_gone))
        self._kept[stream_id] = _Kept(events, reading)
        return await self.next(stream_id)

    async def next(self, stream_id: int) -> Chunk | None:
        """Return the chunk after the last one that was given, as soon as it is there; None at the end.

        Raises:
            NotFoundException: there is no sentence of this name, or its end was told.
            LumenException: what `GptStreams.speak` raises.
        """
        self.check(stream_id)
        event = await self._kept[stream_id].events.get()
        if isinstance(event, Chunk):
            return event
        self._kept.pop(stream_id, None)
        if event is not None:
            raise event
        return None

    def check(self, stream_id: int) -> None:
        """Check that a sentence of this name is being spoken.

        Raises:
            NotFoundException: there is no sentence of this name, or its end was told.
        """
        if stream_id not in self._kept:
            raise NotFoundException(f"No stream has the stream_id {stream_id}; it is over, or never began.")

    async def _read(
        self, stream_id: int, chunks: AsyncIterator[Chunk], events: _Events, is_gone: Callable[[], bool]
    ) -> None:
        end: LumenException | None = None
        try:
            async for chunk in chunks:
                events.put_nowait(chunk)
        except LumenException as error:
            end = error
        except Exception as error:
            log.exception("a sentence failed")
            end = GenerationException(f"The sentence failed: {type(error).__name__}")
        events.put_nowait(end)
        if is_gone():
            self._kept.pop(stream_id, None)
