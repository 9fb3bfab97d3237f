"""Cuts speech into the windows that a stateless face is asked for."""

from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.contracts import FACE_FPS, SAMPLES_PER_FRAME

FIRST_WINDOW: Final = FACE_FPS // 5
"""Frames of the first two windows: 0.2 s each, so that the picture starts early.

The second is cut together with the first, when it may not be known yet that others' clips will wait for it.
"""

SHORT_WINDOW: Final = 2 * FACE_FPS // 5
"""Frames of every later window of a client that has several clips: 0.4 s, for which others wait at most."""

WINDOW: Final = FACE_FPS
"""Frames of every later window: 1 s."""

UNKNOWN: Final = -1
"""Frames of a clip whose speech is still being made."""


@dataclass(frozen=True)
class Reach:
    """Frames of speech ``before`` the first and ``after`` the last frame of a window that it depends on."""

    before: int
    after: int


@dataclass(frozen=True)
class Window:
    """Frames ``first`` to ``first + count`` and the speech they depend on.

    Attributes:
        pcm: float32 [n_samples] at ``FACE_SAMPLE_RATE``.
        pcm_start: index in the clip of the first sample in ``pcm``.
        clip_frames: of the whole clip, or ``UNKNOWN``; then ``pcm`` reaches to the end of the look-ahead.
    """

    first: int
    count: int
    pcm: npt.NDArray[np.float32]
    pcm_start: int
    clip_frames: int = UNKNOWN

    @property
    def frames(self) -> slice:
        """Its frames in the clip."""
        return slice(self.first, self.first + self.count)


async def windows(
    pcm: Stream[npt.NDArray[np.float32]],
    reach: Reach,
    clip_frames: int = UNKNOWN,
    later: Callable[[], int] = lambda: WINDOW,
) -> Stream[Window]:
    """Yield windows in order as soon as their speech, look-ahead included, has arrived.

    Args:
        clip_frames: of the whole clip where that is known already; it is when the speech has ended.
        later: tells the frames of each window behind the second.
    """
    cutter = WindowCutter(reach, clip_frames, later)
    async with aclosing(pcm):
        async for chunk in pcm:
            for window in cutter.take(chunk):
                yield window
    for window in cutter.finish():
        yield window


async def gathered(
    pcm: Stream[npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float32], int]:
    """All of a speech, float32 [n_samples], and how many frames it lasts."""
    async with aclosing(pcm):
        whole = np.concatenate([np.zeros(0, np.float32), *[chunk async for chunk in pcm]])
    return whole, frames_started(len(whole))


def head_start(lookahead: int, rate: int) -> int:
    """Samples of speech at ``rate`` that a clip's first two windows need, ``lookahead`` frames included."""
    return (2 * FIRST_WINDOW + lookahead) * rate // FACE_FPS


def frames_started(n_samples: int) -> int:
    """Frames that so many samples at ``FACE_SAMPLE_RATE`` last; one that is begun counts."""
    return -(-n_samples // SAMPLES_PER_FRAME)


class WindowCutter:
    """Holds the last seconds of speech: context for the next window, and what is not yet asked for."""

    def __init__(
        self, reach: Reach, clip_frames: int = UNKNOWN, later: Callable[[], int] = lambda: WINDOW
    ) -> None:
        self._reach = reach
        self._later = later
        self._clip_frames = clip_frames
        self._pcm = np.zeros(0, np.float32)
        self._start = 0
        self._next = 0

    def take(self, chunk: npt.NDArray[np.float32]) -> Iterator[Window]:
        """Append float32 [n_samples] and yield the windows that are complete with it."""
        self._pcm = np.concatenate([self._pcm, chunk])
        while (
            self._heard() >= (self._next + (count := self._count()) + self._reach.after) * SAMPLES_PER_FRAME
        ):
            yield self._cut(count)

    def finish(self) -> Iterator[Window]:
        """Yield what is left; the last frame is completed with silence."""
        self._pcm = np.pad(self._pcm, (0, -self._heard() % SAMPLES_PER_FRAME))
        self._clip_frames = self._heard() // SAMPLES_PER_FRAME
        while self._next < self._clip_frames:
            yield self._cut(min(self._count(), self._clip_frames - self._next))

    def _count(self) -> int:
        """Frames of the window that is next."""
        return FIRST_WINDOW if self._next <= FIRST_WINDOW else self._later()

    def _heard(self) -> int:
        """Samples of the clip so far."""
        return self._start + len(self._pcm)

    def _cut(self, count: int) -> Window:
        begin = max(0, self._next - self._reach.before) * SAMPLES_PER_FRAME
        end = (self._next + count + self._reach.after) * SAMPLES_PER_FRAME
        self._pcm, self._start = self._pcm[begin - self._start :], begin
        window = Window(self._next, count, self._pcm[: end - begin], begin, self._clip_frames)
        self._next += count
        return window
