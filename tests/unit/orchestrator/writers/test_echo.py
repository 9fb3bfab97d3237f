"""The echo writer, and which writer the settings choose."""

import pytest

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.writers.writer import EchoWriter, WriterRequest


async def test_echo_replies_with_the_prompt() -> None:
    """Its reply has no warnings."""
    reply = EchoWriter().write(WriterRequest("Hello. You"))
    assert [piece async for piece in reply] == ["Hello. You"]
    assert reply.warnings == ()


@pytest.mark.parametrize(
    ("writer", "key", "fragments"),
    [
        ("auto", None, ("GEMINI_API_KEY is not set", "https://aistudio.google.com/apikey")),
        ("echo", None, ("WRITER is echo", "WRITER=auto", "https://aistudio.google.com/apikey")),
        ("echo", "a-key", ("WRITER is echo",)),
    ],
)
def test_the_note_says_why_it_is_echo(writer: str, key: str | None, fragments: tuple[str, ...]) -> None:
    """A missing key and a choice are two things; both times it says where a key comes from."""
    settings = Settings.model_validate({"writer": writer, "gemini_api_key": key})
    note = ModelManager(settings).get_writer().note
    assert note is not None
    assert all(fragment in note for fragment in fragments)
