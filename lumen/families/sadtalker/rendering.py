"""The frames of a clip, in order, in batches of neighbours that are rendered ahead within bounds."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lumen.async_cache import AsyncCache
from lumen.contracts import SADTALKER_RENDERER
from lumen.families.sadtalker.clip import Clip, Floats
from lumen.families.sadtalker.features import Features, key_of, make_features
from lumen.families.sadtalker.motion import Span, key_points
from lumen.families.sadtalker.network_calls import Call, Calls

SPAN_FRAMES: Final = 64
"""Frames whose motion is made at a time; while they are rendered, that of the next ones is."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Limits:
    """Limits of serving a clip.

    Attributes:
        frames_per_call: neighbours in one call of the renderer, and in one response.
        calls_in_flight: of the renderer, per clip.
        rows_per_call: of the small networks.
        cache_bytes: of all portraits' features.
    """

    frames_per_call: int
    calls_in_flight: int
    rows_per_call: int
    cache_bytes: int


class ClipEngine:
    """Renders clips of any number of callers, who share the networks' batches and the portraits' features.

    Args:
        call: reaches the networks.
        limits: per clip and in all.
    """

    def __init__(self, call: Call, limits: Limits) -> None:
        self._calls = Calls(call, limits.rows_per_call)
        self._limits = limits
        self.cache: AsyncCache[Features] = AsyncCache(
            limits.cache_bytes, lambda features: features.n_bytes, cancel_abandoned=False
        )

    async def render(self, clip: Clip, stopped: Callable[[], bool]) -> AsyncGenerator[Frames, None]:
        """The frames of a checked clip, uint8 [b, S, S, 3] with b <= ``frames_per_call``.

        ``stopped`` is asked before every call; once it says yes no more is started or given out. What a
        network raises is raised once the calls before it have been given out.
        """
        if stopped():
            return
        features = await self.cache.get(key_of(clip), partial(make_features, clip, self._calls))
        draw = self._drawing(features)
        pending: deque[asyncio.Task[Frames]] = deque()
        try:
            async with aclosing(self._batches(clip, features, stopped)) as batches:
                async for driving in batches:
                    pending.append(asyncio.create_task(draw(driving)))
                    if len(pending) == self._limits.calls_in_flight:
                        frames = await pending.popleft()
                        if stopped():
                            return
                        yield frames
            while pending and not stopped():
                yield await pending.popleft()
        finally:
            await asyncio.gather(*pending, return_exceptions=True)

    async def _batches(
        self, clip: Clip, features: Features, stopped: Callable[[], bool]
    ) -> AsyncGenerator[Floats, None]:
        """Key points of neighbouring frames, [b, 15, 3], until stopped; the next span's are made ahead."""
        ahead: asyncio.Task[Floats] | None = None
        try:
            for span, following in _pairs(clip):
                if stopped():
                    return
                driving = await (ahead or self._motion(clip, span, features))
                ahead = asyncio.create_task(self._motion(clip, following, features)) if following else None
                for piece in _pieces(driving, self._limits.frames_per_call):
                    if stopped():
                        return
                    yield piece
        finally:
            if ahead is not None:
                await asyncio.gather(ahead, return_exceptions=True)

    def _motion(self, clip: Clip, span: Span, features: Features) -> Coroutine[Any, Any, Floats]:
        return key_points(clip, span, features.canonical, self._calls)

    def _drawing(self, features: Features) -> Callable[[Floats], Coroutine[Any, Any, Frames]]:
        """Calls of the renderer for one portrait."""
        portrait = {
            "appearance": features.appearance,
            "compressed": features.compressed,
            "source": features.source,
        }

        async def draw(driving: Floats) -> Frames:
            tensors = {**portrait, "driving": driving}
            return (await self._calls.one(SADTALKER_RENDERER, ["frames"], tensors))[0]

        return draw


def _pieces(driving: Floats, most: int) -> Iterator[Floats]:
    """``driving`` in calls of the renderer: ``most`` frames, and at the end halves, quarters of it.

    Only calls of the same number share a batch, and a network is slow at its first of every number.
    """
    done, size = 0, most
    while done < len(driving):
        while size > len(driving) - done:
            size = max(1, size // 2)
        yield driving[done : done + size]
        done += size


def _pairs(clip: Clip) -> Iterator[tuple[Span, Span | None]]:
    """Spans of a clip, each with the one after it."""
    end = clip.first_frame + clip.n_frames
    spans = [
        Span(first, min(first + SPAN_FRAMES, end)) for first in range(clip.first_frame, end, SPAN_FRAMES)
    ]
    return zip(spans, [*spans[1:], None], strict=True)
