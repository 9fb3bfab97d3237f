"""Reference recordings -> what `xtts_conditioning` and `xtts_speaker` are to hear of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, gcd, log10
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SPEAKER_RATE
from lumen.errors import InvalidInputException

Audio = npt.NDArray[np.float32]

MIN_SECONDS: Final = 0.33
"""Length below which recordings and chunks say too little about a voice: the reference leaves them out."""

SILENCE_DBFS: Final = -60.0
"""Recordings whose mean power around their mean is below this are silent (a full-scale sine has -3 dBFS)."""

SINC_ZEROS: Final = 6
"""Zero crossings of the resampling filter on each side."""

ROLL_OFF: Final = 0.99
"""The filter's cut-off, of the lower rate's half."""


@dataclass(frozen=True)
class ReferenceLimits:
    """Limits of what is used of the recordings; the defaults are the released configuration's.

    Attributes:
        recording_seconds: of each recording (``max_ref_len``).
        conditioning_seconds: of all of them together, for the conditioning latents (``gpt_cond_len``).
        chunk_seconds: that the conditioning hears at once (``gpt_cond_chunk_len``).
    """

    recording_seconds: int = 30
    conditioning_seconds: int = 30
    chunk_seconds: int = 4


def conditioning_chunks(
    recordings: Sequence[Audio], limits: ReferenceLimits = ReferenceLimits()
) -> list[Audio]:
    """The recordings, one after the other, in the pieces whose latents are averaged.

    Args:
        recordings: float32 [n_samples] each, mono at ``XTTS_REFERENCE_RATE``.

    Returns:
        float32 [n_samples] each, ``chunk_seconds`` long but for the last, in -1..1.

    Raises:
        InvalidInputException: there is none, or one is silent, too short or not made of numbers.
    """
    audio = np.concatenate(_checked_recordings(recordings, limits))[
        : limits.conditioning_seconds * XTTS_REFERENCE_RATE
    ]
    size = limits.chunk_seconds * XTTS_REFERENCE_RATE
    chunks = [audio[first : first + size] for first in range(0, len(audio), size)]
    return [chunk for chunk in chunks if len(chunk) >= MIN_SECONDS * XTTS_REFERENCE_RATE]


def speaker_recordings(
    recordings: Sequence[Audio], limits: ReferenceLimits = ReferenceLimits()
) -> list[Audio]:
    """Recordings at ``XTTS_SPEAKER_RATE``, one by one; their embeddings are averaged.

    Args:
        recordings: float32 [n_samples] each, mono at ``XTTS_REFERENCE_RATE``.

    Raises:
        InvalidInputException: there is none, or one is silent, too short or not made of numbers.
    """
    return [resampled(recording) for recording in _checked_recordings(recordings, limits)]


def average(parts: Sequence[Audio]) -> Audio:
    """The mean of latents or embeddings of one shape; not normalised again, as in the reference."""
    mean: Audio = np.mean(np.stack(parts), axis=0, dtype=np.float32)
    return mean


def resampled(audio: Audio) -> Audio:
    """22.05 kHz -> 16 kHz: float32 [n_samples] -> [ceil(n_samples * 320 / 441)].

    Sinc interpolation under a squared cosine (J. O. Smith, "Digital Audio Resampling"), with the
    reference's numbers rather than another good filter: the embedding hears the difference.
    """
    up, down = _ratio()
    kernel = _kernel()
    reach = (kernel.shape[1] - down) // 2
    padded = np.pad(audio, (reach, reach + down))
    frames = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1])[::down]
    found: Audio = (frames @ kernel.T).reshape(-1)
    return found[: ceil(len(audio) * up / down)]


def _checked_recordings(recordings: Sequence[Audio], limits: ReferenceLimits) -> list[Audio]:
    if not recordings:
        raise InvalidInputException("Got no reference recording, expected at least one.")
    samples = limits.recording_seconds * XTTS_REFERENCE_RATE
    return [_checked(recording[:samples], i) for i, recording in enumerate(recordings, 1)]


def _checked(audio: Audio, number: int) -> Audio:
    """Check one recording. ``number``: of the recording, from 1, for the message."""
    seconds = len(audio) / XTTS_REFERENCE_RATE
    if seconds < MIN_SECONDS:
        raise InvalidInputException(
            f"Reference recording {number} has {seconds:.2f} s, expected at least {MIN_SECONDS} s; "
            "send some seconds of speech."
        )
    if not np.isfinite(audio).all():
        raise InvalidInputException(
            f"Reference recording {number} has samples that are no numbers; send sound."
        )
    power = float(np.var(audio, dtype=np.float64))
    level = 10 * log10(power) if power > 0 else -np.inf
    if level < SILENCE_DBFS:
        raise InvalidInputException(
            f"Reference recording {number} is silent ({level:.0f} dBFS), expected speech of at least "
            f"{SILENCE_DBFS:.0f} dBFS; record it louder."
        )
    return np.clip(audio, -1.0, 1.0)


def _ratio() -> tuple[int, int]:
    common = gcd(XTTS_SPEAKER_RATE, XTTS_REFERENCE_RATE)
    return XTTS_SPEAKER_RATE // common, XTTS_REFERENCE_RATE // common


@cache
def _kernel() -> Audio:
    """[up, taps]: for each of ``up`` samples out, the weights of the samples in around ``down`` of them.

    In the reference's precision, whose rounding is heard in bands that are nearly silent.
    """
    up, down = _ratio()
    cut_off = min(up, down) * ROLL_OFF
    reach = ceil(SINC_ZEROS * down / cut_off)
    before = np.arange(-reach, reach + down, dtype=np.float32) / np.float32(down)
    time = before - np.arange(up, dtype=np.float32)[:, np.newaxis] / np.float32(up)
    time = np.clip(time * np.float32(cut_off), -SINC_ZEROS, SINC_ZEROS)
    window = np.cos(time * np.float32(np.pi) / np.float32(SINC_ZEROS) / np.float32(2)) ** 2
    angle = time * np.float32(np.pi)
    sinc = np.sin(angle) / np.where(angle == 0, np.float32(1), angle)
    kernel: Audio = np.where(angle == 0, np.float32(1), sinc) * window * np.float32(cut_off / down)
    return kernel
