"""Writers: a prompt and the conversation so far become a reply."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from lumen.aio import Stream


@dataclass(frozen=True)
class Turn:
    """One message of the conversation so far."""

    role: Literal["user", "model"]
    content: str


@dataclass(frozen=True)
class Brief:
    """What a writer is asked.

    Attributes:
        temperature: 0 to 2; higher is more varied.
        max_tokens: at most that many tokens are written.
    """

    prompt: str
    history: Sequence[Turn] = ()
    temperature: float = 0.7
    max_tokens: int = 1024


class Writer(Protocol):
    """A part that writes the reply."""

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str | None:
        """What a response should say about the part."""
        ...

    def write(self, brief: Brief) -> Stream[str]:
        """Yield pieces of the reply as they are written."""
        ...


class EchoWriter:
    """Replies with the prompt; needs no key."""

    name: Final = "echo"
    note: Final = "The prompt itself is the text: there is no GEMINI_API_KEY, or WRITER is echo."

    async def write(self, brief: Brief) -> Stream[str]:
        yield brief.prompt
