"""Contract of a listener: voice activity for every stream, and recognisers of speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from lumen.aio import Stream
from lumen.contracts import ACTIVITY_CONTEXT, ACTIVITY_STATE, VOICE_ACTIVITY
from orchestrator.triton.client import Load, Tensors, TritonClient

Pcm = npt.NDArray[np.float32]

SILENT: Final[Tensors] = {
    "context": np.zeros(ACTIVITY_CONTEXT, np.float32),
    "memory": np.zeros((2, ACTIVITY_STATE), np.float32),
}
"""State of voice activity at the beginning of a stream."""


class Recognizer(Protocol):
    """A part that recognises speech."""

    @property
    def name(self) -> str: ...

    def understands(self, language: str) -> bool:
        """Whether it takes speech of this language, such as ``en`` or ``de-AT``."""
        ...

    def transcribe(self, pcm: Pcm, language: str) -> Stream[str]:
        """Yield the text of an utterance piece by piece; nothing where nothing is said.

        Args:
            pcm: float32 [n_samples] in -1..1 at ``LISTENER_SAMPLE_RATE``.

        Raises:
            LumenException: it cannot be recognised.
        """
        ...


class Activity(Protocol):
    """Tells of one stream when somebody speaks."""

    async def judge(self, pcm: Pcm) -> Pcm:
        """Probability of speech in each window of a stream's next piece.

        Args:
            pcm: float32 [T * ACTIVITY_WINDOW], T at most ``ACTIVITY_WINDOWS``.

        Returns:
            float32 [T].

        Raises:
            LumenException: the model does not answer.
        """
        ...


class TritonActivity:
    """Voice activity of one stream, whose state is kept here and travels with each request."""

    def __init__(self, triton: TritonClient, load: Load) -> None:
        self._triton = triton
        self._load = load
        self._loaded = False
        self._state = SILENT

    async def judge(self, pcm: Pcm) -> Pcm:
        if not self._loaded:
            await self._load((VOICE_ACTIVITY,))
            self._loaded = True
        try:
            answer = await self._triton.infer(VOICE_ACTIVITY, {"pcm": pcm, **self._state})
        except Exception:
            self._loaded, self._state = False, SILENT
            raise
        self._state = {name: answer[name] for name in SILENT}
        return answer["probabilities"]


@dataclass(frozen=True)
class Listener:
    """A listener of the chain.

    Attributes:
        load: loads its models.
        recognizers: the first one that understands a language recognises it.
    """

    triton: TritonClient
    load: Load
    recognizers: Sequence[Recognizer]

    def activity(self) -> Activity:
        """Voice activity for one more stream."""
        return TritonActivity(self.triton, self.load)

    def recognizer(self, language: str) -> Recognizer | None:
        """The one that recognises this language; None where none does."""
        return next((each for each in self.recognizers if each.understands(language)), None)
