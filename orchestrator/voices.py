"""Voices: text becomes mono speech, piece by piece."""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE
from orchestrator.streams import Stream
from orchestrator.triton import Tensors, TritonClient, text_tensor


@dataclass(frozen=True)
class Manner:
    """How to speak: a language such as ``en`` or ``de``, a voice of the part, 1.0 for normal speed."""

    language: str
    voice: str
    speed: float


class Voice(Protocol):
    """A part that speaks."""

    @property
    def name(self) -> str: ...

    @property
    def models(self) -> tuple[str, ...]:
        """Triton models it needs, in the order to load them."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples per second of what it yields."""
        ...

    def speak(self, text: str, manner: Manner) -> Stream[npt.NDArray[np.float32]]:
        """Yield float32 [n_samples] in -1..1 while it is being spoken.

        Raises:
            InvalidInputException: it does not know the language or the voice.
        """
        ...


class EspeakVoice:
    """eSpeak NG behind Triton."""

    name: Final = "espeak"
    models: Final = (ESPEAK,)
    sample_rate: Final = ESPEAK_SAMPLE_RATE

    def __init__(self, triton: TritonClient) -> None:
        self._triton = triton

    async def speak(self, text: str, manner: Manner) -> Stream[npt.NDArray[np.float32]]:
        inputs: Tensors = {
            "text": text_tensor(text),
            "language": text_tensor(manner.language),
            "voice": text_tensor(manner.voice),
            "rate": np.array([manner.speed], np.float32),
        }
        async with aclosing(self._triton.stream(ESPEAK, inputs)) as answers:
            async for answer in answers:
                yield answer["pcm"]
