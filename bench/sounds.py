"""Speech for the benchmarks of hearing, spoken by the LUMEN that is measured."""

import io
import wave
from typing import Final

import av
import httpx
import numpy as np
import numpy.typing as npt

from lumen.errors import GenerationException

RATE: Final = 24_000
"""Samples per second of the socket's sound."""

Samples = npt.NDArray[np.int16]


def spoken(url: str, text: str) -> Samples:
    """Speech of ``text``, int16 [n_samples] at ``RATE``.

    Raises:
        GenerationException: the server speaks it not.
    """
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        answer = client.post("/api/generate/tts", json={"text": text})
        if not answer.is_success:
            raise GenerationException(f"The sound was not made: {answer.text[:300]}")
        file = client.get(answer.json()["audio_url"]).content
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(file), "r") as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    pieces: list[Samples] = [np.asarray(frame.to_ndarray(), np.int16).reshape(-1) for frame in frames]
    return np.concatenate(pieces)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.int16)


def wav(samples: Samples, rate: int = RATE) -> bytes:
    """A mono WAV of int16 [n_samples]."""
    with io.BytesIO() as data:
        with wave.open(data, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        return data.getvalue()
