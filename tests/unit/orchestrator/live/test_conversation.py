"""Conversations, and the messages that a writer gets of them."""

import pytest

from orchestrator.live.client_events import ClientEventError
from orchestrator.live.conversation import MAX_ITEMS, Conversation, Item, SpokenSentence, question_of

ANSWER = [SpokenSentence("One two three four.", 0, 2000), SpokenSentence("Five six.", 2000, 3000)]


@pytest.mark.parametrize(
    ("position", "heard"),
    [
        (0, ""),
        (400, ""),
        (1000, "One two"),
        (1999, "One two three"),
        (2000, "One two three four."),
        (2500, "One two three four. Five"),
        (9000, "One two three four. Five six."),
    ],
)
def test_whole_words_that_were_heard(position: int, heard: str) -> None:
    """A sentence counts by the share of its time; a later position may bring words back."""
    item = Item("a", "assistant", "all of it", spoken=True, sentences=list(ANSWER))
    item.truncate(0)
    item.truncate(position)
    assert (item.text, item.status) == (heard, "incomplete")


def test_a_sentence_that_is_still_spoken() -> None:
    """A sentence whose length is not known yet does not count as heard."""
    item = Item("a", "assistant", spoken=True, sentences=[*ANSWER[:1], SpokenSentence("Five", 2000)])
    item.truncate(5000)
    assert item.text == "One two three four."


def test_a_question_is_all_that_the_user_said_last() -> None:
    """Messages in a row are one prompt; an answer that nobody heard is not in the history."""
    items = [
        Item("1", "system", "Be kind."),
        Item("2", "user", "Hello"),
        Item("3", "assistant", ""),
        Item("4", "user", "Hi"),
        Item("5", "assistant", "Good morning."),
        Item("6", "user", "How"),
        Item("7", "user", "are you?"),
    ]
    question = question_of(items, "Be brief.")
    assert question.prompt == "How\nare you?"
    assert [(m.role, m.content) for m in question.history] == [
        ("user", "Hello"),
        ("user", "Hi"),
        ("model", "Good morning."),
    ]
    assert question.instructions == "Be brief.\nBe kind."


def test_a_greeting_without_a_question() -> None:
    """Instructions alone are the prompt; nothing at all is an error."""
    assert question_of([], "Greet the user.").prompt == "Greet the user."
    with pytest.raises(ClientEventError) as refusal:
        question_of([], None)
    assert refusal.value.code == "nothing_to_answer"


def test_a_conversation_is_bounded() -> None:
    """The oldest items go; an id is there once."""
    conversation = Conversation()
    for number in range(MAX_ITEMS + 5):
        conversation.add(Item(f"item_{number}", "user", "x"))
    assert len(list(conversation)) == MAX_ITEMS
    with pytest.raises(ClientEventError, match="no item item_0"):
        conversation.find("item_0")
    with pytest.raises(ClientEventError, match="already"):
        conversation.add(Item("item_200", "user", "x"))
