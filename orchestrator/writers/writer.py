"""Writers: a prompt and the conversation so far become a reply."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from lumen.aio import Stream, once

ECHO: Final = "echo"
"""Name of the writer that replies with the prompt."""

KEY_SOURCE: Final = "https://aistudio.google.com/apikey"
"""Address where Google gives out keys."""

NO_KEY: Final = (
    "The prompt itself is the text: GEMINI_API_KEY is not set. "
    f"Get a key at {KEY_SOURCE} and put it into .env."
)
SET_TO_ECHO: Final = (
    "The prompt itself is the text: WRITER is echo. "
    f"For replies set WRITER=auto and GEMINI_API_KEY to a key from {KEY_SOURCE}."
)


@dataclass(frozen=True)
class Message:
    """A message of the conversation so far."""

    role: Literal["user", "model"]
    content: str


@dataclass(frozen=True)
class WriterRequest:
    """Request to a writer, besides the conversation.

    Attributes:
        language: code of the language to reply in; None leaves it to the writer.
        instructions: what the writer is told in place of the operator's instruction; None keeps that.
        temperature: 0 to 2; higher is more varied.
        max_tokens: at most that many tokens are written.
    """

    prompt: str
    history: Sequence[Message] = ()
    language: str | None = None
    temperature: float = 0.7
    max_tokens: int = 1024
    instructions: str | None = None

    @property
    def said(self) -> list[str]:
        """Words of the user before the prompt, and the instructions that came with it."""
        before = [message.content for message in self.history if message.role == "user"]
        return before if self.instructions is None else [*before, self.instructions]


class Reply(AsyncGenerator[str, None]):
    """A stream of the pieces of a reply, and what is to be known about it after its end.

    Args:
        write: makes the stream; it adds to the list that it is given.
    """

    def __init__(self, write: Callable[[list[str]], Stream[str]]) -> None:
        self._warnings: list[str] = []
        self._pieces = write(self._warnings)

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings about the reply; complete when the stream has ended."""
        return tuple(self._warnings)

    async def asend(self, value: None) -> str:
        return await self._pieces.asend(value)

    async def athrow(self, *error: Any) -> str:
        return await self._pieces.athrow(*error)

    async def aclose(self) -> None:
        await self._pieces.aclose()


class Writer(Protocol):
    """A part that writes the reply."""

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str | None:
        """Note about the part that a response should carry."""
        ...

    def write(self, request: WriterRequest) -> Reply:
        """Begin a reply, whose pieces come while it is written."""
        ...


class EchoWriter:
    """Replies with the prompt; needs no key.

    Args:
        note: says why it is the one that writes.
    """

    name: Final = ECHO

    def __init__(self, note: str = SET_TO_ECHO) -> None:
        self.note: Final = note

    def write(self, request: WriterRequest) -> Reply:
        return Reply(lambda _: once(request.prompt))
