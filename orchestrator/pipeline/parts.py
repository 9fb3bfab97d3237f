"""Contract of whoever has the pipeline's parts."""

from collections.abc import Iterable
from typing import Protocol

from orchestrator.faces.face import Face
from orchestrator.triton.client import TritonClient
from orchestrator.voices.voice import Voice
from orchestrator.writers.writer import Writer


class Parts(Protocol):
    """The parts of the chain, and who loads their models."""

    @property
    def face_triton(self) -> TritonClient: ...

    def get_writer(self) -> Writer: ...

    def get_voice(self) -> Voice: ...

    def get_face(self) -> Face: ...

    async def ensure(self, models: Iterable[str]) -> None:
        """Load those of ``models`` that are not loaded."""
        ...
