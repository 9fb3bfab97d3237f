"""Cuts a sentence's latents into the windows that `xtts_vocoder` decodes, as they come.

The vocoder makes *frames* of 256 samples. A frame of its output depends on the frames of its input
around it, its *context*, and an input frame on the two or three latents that it lies between. A
window holds the new latents and the context of the frames that are wanted of it, so the work grows
linearly with the sentence and the joins are those of one pass over all of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SAMPLE_RATE
from lumen.families.xtts.dims import CODE_SAMPLES

Latents = npt.NDArray[np.float32]

FRAME_SAMPLES: Final = 256
"""Samples at 24 kHz of a frame; before the resampling to 24 kHz it is as many at 22.05 kHz."""

STEPS: Final = CODE_SAMPLES // FRAME_SAMPLES
"""Steps of a latent at the codes' rate: latents are interpolated to steps, steps to frames."""

UP: Final = XTTS_SAMPLE_RATE // gcd(XTTS_SAMPLE_RATE, XTTS_REFERENCE_RATE)
DOWN: Final = XTTS_REFERENCE_RATE // gcd(XTTS_SAMPLE_RATE, XTTS_REFERENCE_RATE)
"""``UP`` frames take as long as ``DOWN`` steps."""

BUCKETS: Final = (6, 12, 20, 30, 50)
"""Lengths of windows, in latents: for a sentence's first chunk of 6, and for chunks of 3, 10, 20 and 40."""


@dataclass(frozen=True)
class VocoderContext:
    """Context that the vocoder hears around a frame; the default is the released network's.

    Attributes:
        frames: of its input, on each side.
    """

    frames: int = 13


@dataclass(frozen=True)
class Window:
    """Request to `xtts_vocoder`.

    Attributes:
        latents: float32 [n, width], n is one of the buckets, or fewer when the whole sentence has fewer.
        start: index in the sentence of the first of them.
        frames: first and end of the wanted frames, counted from the window's first.
    """

    latents: Latents
    start: int
    frames: tuple[int, int]

    @property
    def keep(self) -> slice:
        """The samples of the decoded window that go out."""
        return slice(self.frames[0] * FRAME_SAMPLES, self.frames[1] * FRAME_SAMPLES)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs for a batch of one, all but ``speaker_embedding``."""
        return {
            "latents": self.latents[np.newaxis],
            "start": np.array([[self.start]], np.int64),
            "keep": np.array([self.frames], np.int64),
        }


class Windows:
    """The windows of one sentence. Its state is the last latents, as many as the longest bucket has."""

    def __init__(self, context: VocoderContext, buckets: Sequence[int] = BUCKETS) -> None:
        self._context = context.frames
        self._buckets = sorted(buckets)
        self._latents: Latents | None = None
        self._first = 0
        self._end = 0
        self._done = 0

    def push(self, latents: Latents) -> list[Window]:
        """Take the sentence's next latents and give the windows that they complete."""
        self.take(latents)
        return self.ready()

    def take(self, latents: Latents) -> None:
        """Take the sentence's next latents, float32 [n, width]; maybe none."""
        if len(latents):
            held = latents if self._latents is None else np.concatenate([self._latents, latents])
            self._latents, self._end = held, self._end + len(latents)

    def ready(self) -> list[Window]:
        """Give the windows that are complete."""
        windows = list(self._until(self._settled(self._end), final=False))
        self._forget()
        return windows

    def finish(self) -> list[Window]:
        """Give the windows of what is left; the sentence has ``vocoder_frames(n)`` frames."""
        return list(self._until(vocoder_frames(self._end), final=True))

    def _until(self, ready: int, final: bool) -> Iterator[Window]:
        while self._done < ready:
            start = self._needed()
            if self._end - start > self._buckets[-1]:
                end = start + self._buckets[-1]
                yield self._window(start, end, self._buckets[-1], self._settled(end))
            else:
                length = next(bucket for bucket in self._buckets if bucket >= self._end - start)
                length = min(length, self._end) if final else length
                yield self._window(max(0, self._end - length), self._end, length, ready)

    def _window(self, start: int, end: int, length: int, done: int) -> Window:
        """Latents [start, end), longer on the right by repetition where the sentence is still too short."""
        assert self._latents is not None
        latents = self._latents[start - self._first : end - self._first]
        latents = np.pad(latents, ((0, length - len(latents)), (0, 0)), "edge")
        origin = vocoder_frames(start + length) - vocoder_frames(length)
        frames = (self._done - origin, done - origin)
        self._done = done
        return Window(latents, start, frames)

    def _settled(self, latents: int) -> int:
        """Frames that later latents than the first so many do not change."""
        frames = vocoder_frames(latents)
        while frames > 0 and _last_latent(frames - 1 + self._context) >= latents:
            frames -= 1
        return frames

    def _needed(self) -> int:
        """Index of the first latent that the next frames depend on."""
        return _first_latent(max(0, self._done - self._context))

    def _forget(self) -> None:
        """Drop latents before those that the next window may hold."""
        first = max(self._first, min(self._needed(), self._end - self._buckets[-1]))
        if self._latents is not None and first > self._first:
            self._latents = self._latents[first - self._first :].copy()
            self._first = first


def vocoder_frames(latents: int) -> int:
    """Number of frames of a sentence of so many latents."""
    return latents * STEPS * UP // DOWN


def _first_latent(frame: int) -> int:
    return max(0, _latent_before(_step_before(frame)))


def _last_latent(frame: int) -> int:
    return _latent_before(_step_before(frame) + 1) + 1


def _step_before(frame: int) -> int:
    """The step at or before a frame's middle: floor((frame + 1/2) DOWN / UP - 1/2)."""
    return ((2 * frame + 1) * DOWN - UP) // (2 * UP)


def _latent_before(step: int) -> int:
    """The latent at or before a step's middle: floor((step + 1/2) / STEPS - 1/2)."""
    return (2 * step + 1 - STEPS) // (2 * STEPS)
