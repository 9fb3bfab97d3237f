"""Cuts speech into the windows that a stateless face is asked for."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import FACE_FPS, SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from orchestrator.streams import Stream

FIRST_WINDOW: Final = FACE_FPS // 5
"""Frames of the first window: 0.2 s, so that the picture starts early."""

WINDOW: Final = FACE_FPS
"""Frames of every later window: 1 s."""


@dataclass(frozen=True)
class Window:
    """Frames ``first`` to ``first + count`` and the speech they depend on.

    Attributes:
        pcm: float32 [n_samples] at ``FACE_SAMPLE_RATE``.
        pcm_start: index in the clip of the first sample in ``pcm``.
    """

    first: int
    count: int
    pcm: npt.NDArray[np.float32]
    pcm_start: int


async def windows(pcm: Stream[npt.NDArray[np.float32]]) -> Stream[Window]:
    """Yield windows in order as soon as their speech, look-ahead included, has arrived."""
    cutter = WindowCutter()
    async with aclosing(pcm):
        async for chunk in pcm:
            for window in cutter.take(chunk):
                yield window
    for window in cutter.finish():
        yield window


class WindowCutter:
    """Holds the last seconds of speech: context for the next window, and what is not yet asked for."""

    def __init__(self) -> None:
        self._pcm = np.zeros(0, np.float32)
        self._start = 0
        self._next = 0

    def take(self, chunk: npt.NDArray[np.float32]) -> Iterator[Window]:
        """Append float32 [n_samples] and yield the windows that are complete with it."""
        self._pcm = np.concatenate([self._pcm, chunk])
        count = WINDOW if self._next else FIRST_WINDOW
        while self._heard() >= (self._next + count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME:
            yield self._cut(count)
            count = WINDOW

    def finish(self) -> Iterator[Window]:
        """Yield what is left; the last frame is completed with silence."""
        self._pcm = np.pad(self._pcm, (0, -self._heard() % SAMPLES_PER_FRAME))
        total = self._heard() // SAMPLES_PER_FRAME
        while self._next < total:
            yield self._cut(min(WINDOW, total - self._next))

    def _heard(self) -> int:
        """Samples of the clip so far."""
        return self._start + len(self._pcm)

    def _cut(self, count: int) -> Window:
        begin = max(0, self._next - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME
        end = (self._next + count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
        self._pcm, self._start = self._pcm[begin - self._start :], begin
        window = Window(self._next, count, self._pcm[: end - begin], begin)
        self._next += count
        return window
