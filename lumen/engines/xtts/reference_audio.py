"""Reference recordings cut into what the conditioning models hear."""

from collections.abc import Sequence

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SPEAKER_RATE
from lumen.errors import InvalidInputException

FloatArray = NDArray[np.float32]


def conditioning_chunks(recordings: Sequence[FloatArray]) -> list[FloatArray]:
    for pcm in recordings:
        if len(pcm) < 0.33 * XTTS_REFERENCE_RATE:
            raise InvalidInputException(f"has {len(pcm) / XTTS_REFERENCE_RATE:.2f} s; send at least 0.33 s")
        if np.abs(pcm).max() < 1e-3:
            raise InvalidInputException("is silent")
    audio = np.concatenate([pcm[: 30 * XTTS_REFERENCE_RATE] for pcm in recordings])[
        : 30 * XTTS_REFERENCE_RATE
    ]
    step = 4 * XTTS_REFERENCE_RATE
    chunks = [audio[i : i + step] for i in range(0, len(audio), step)]
    return [chunk for chunk in chunks if len(chunk) >= 0.33 * XTTS_REFERENCE_RATE]


def speaker_audio(recordings: Sequence[FloatArray]) -> list[FloatArray]:
    return [
        np.asarray(
            soxr.resample(pcm[: 30 * XTTS_REFERENCE_RATE], XTTS_REFERENCE_RATE, XTTS_SPEAKER_RATE), np.float32
        )
        for pcm in recordings
    ]


def average(arrays: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.mean(arrays, axis=0), np.float32)
