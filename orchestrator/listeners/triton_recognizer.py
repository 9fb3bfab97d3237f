"""A recogniser behind Triton that keeps the standard tensors of `lumen.families.description`."""

from lumen.aio import Stream
from lumen.families.description import ListenerFamily
from lumen.text.characters import printable
from lumen.text.scripts import primary
from orchestrator.listeners.listener import Pcm
from orchestrator.triton.client import Load, TritonClient, text_tensor


class TritonRecognizer:
    """Any family with the standard tensors.

    Args:
        load: loads its models.
    """

    def __init__(self, family: ListenerFamily, triton: TritonClient, load: Load) -> None:
        self._family = family
        self._triton = triton
        self._load = load

    @property
    def name(self) -> str:
        return self._family.name

    def understands(self, language: str) -> bool:
        return primary(language) in map(primary, self._family.languages)

    async def transcribe(self, pcm: Pcm, language: str) -> Stream[str]:
        await self._load(self._family.models)
        inputs = {"pcm": pcm, "language": text_tensor(language)}
        (text,) = (await self._triton.infer(self._family.model, inputs))["text"]
        if heard := printable(text.decode(errors="replace")).strip():
            yield heard
