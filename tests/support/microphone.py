"""A browser whose microphone plays a file."""

import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soxr

from bench.browser import microphone_flags
from orchestrator.media.resample import pcm16
from tests.support.chromium import Chromium, browsing
from tests.support.spoken import RATE, Pcm

DEVICE_RATE = 48_000


@contextmanager
def speaking_browser(folder: Path, pcm: Pcm) -> Iterator[Chromium]:
    """A browser that hears float32 [n_samples] at 16 kHz, over and over, and may use the microphone."""
    file = folder / "microphone.wav"
    with wave.open(str(file), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(DEVICE_RATE)
        sound = np.asarray(soxr.resample(pcm, RATE, DEVICE_RATE), np.float32)
        writer.writeframes(pcm16(sound).tobytes())
    with browsing(folder, *microphone_flags(file)) as browser:
        yield browser
