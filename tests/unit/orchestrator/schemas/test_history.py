"""The conversation so far, as clients send it back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lumen.text.characters import printable
from orchestrator.schemas.generation import HISTORY_CHARACTERS, HISTORY_MESSAGES, TextRequest
from tests.support.properties import EXAMPLES

contents = st.one_of(st.text(), st.text(max_size=20).map(lambda part: part * 1_000)).map(printable)


def request(messages: list[dict[str, str]]) -> TextRequest:
    body = {"prompt": "Go on", "conversation_history": messages}
    return TextRequest.model_validate_json(json.dumps(body), context={"max_text_length": 500})


@EXAMPLES
@given(st.lists(contents, max_size=4), st.sampled_from(["user", "assistant", "model"]))
def test_whatever_was_returned_is_taken_back(texts: list[str], role: str) -> None:
    """A reply of any text and length: what has no text is dropped, the rest kept to its limit."""
    history = request([{"role": role, "content": text} for text in texts]).conversation_history
    kept = [text[:HISTORY_CHARACTERS].strip() for text in texts]
    assert [message.content for message in history] == [text for text in kept if text]


def test_control_characters_are_left_out() -> None:
    """Odd characters of a reply that a client kept do not stop the conversation."""
    (message,) = request([{"role": "model", "content": "Ding\x07\x00 dong.\n"}]).conversation_history
    assert message.content == "Ding dong."


def test_a_long_conversation_goes_on() -> None:
    """The latest messages count; nobody is refused for talking on."""
    messages = [{"role": "user", "content": str(i)} for i in range(HISTORY_MESSAGES + 7)]
    history = request(messages).conversation_history
    assert [message.content for message in history] == [str(i + 7) for i in range(HISTORY_MESSAGES)]
