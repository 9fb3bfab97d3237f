"""The conversation so far. It holds what was heard of an answer, no more."""

import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from orchestrator.live.client_events import ClientEventError
from orchestrator.writers.writer import Message

MAX_ITEMS: Final = 200
"""Items of a conversation; the oldest go first."""

HISTORY_MESSAGES: Final = 50
"""Messages that a writer is told, the latest ones."""

HISTORY_CHARACTERS: Final = 8_000
"""Characters of one of them."""

Role = Literal["user", "assistant", "system"]


@dataclass
class SpokenSentence:
    """A sentence of an answer and where its sound lies in it, in milliseconds.

    Attributes:
        end: None while it is spoken.
        words: with their ends, where the voice knows them.
    """

    text: str
    start: int
    end: int | None = None
    words: list[tuple[str, int]] = field(default_factory=list)

    def heard_by(self, position: int) -> str:
        """Return its words that were heard whole when ``position`` was played.

        Without the words' times they count by the share of the sentence's time.
        """
        if self.end is not None and position >= self.end:
            return self.text
        if self.words:
            return " ".join(word for word, end in self.words if end <= position)
        if self.end is None or position <= self.start:
            return ""
        words = self.text.split()
        share = (position - self.start) / (self.end - self.start)
        return " ".join(words[: int(len(words) * share)])


@dataclass
class Item:
    """A message.

    Attributes:
        text: of a user, or what was heard of an answer.
        spoken: whether it was said aloud. sentences: those of a spoken answer, all that were made.
    """

    id: str
    role: Role
    text: str = ""
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    spoken: bool = False
    sentences: list[SpokenSentence] = field(default_factory=list)

    def truncate(self, position: int) -> None:
        """Keep what was heard by ``position``, in milliseconds."""
        heard = (sentence.heard_by(position) for sentence in self.sentences)
        self.text = " ".join(words for words in heard if words)
        self.status = "incomplete"


class Conversation:
    """Items in order, at most ``MAX_ITEMS``."""

    def __init__(self) -> None:
        self.id: Final = f"conv_{secrets.token_hex(12)}"
        self._items: OrderedDict[str, Item] = OrderedDict()

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __contains__(self, item: Item) -> bool:
        return self._items.get(item.id) is item

    def add(self, item: Item) -> str | None:
        """Append an item and return the id of the one before it.

        Raises:
            ClientEventError: there is one of its id.
        """
        if item.id in self._items:
            raise ClientEventError("item_exists", f"There is an item {item.id} already.", "item.id")
        previous = next(reversed(self._items), None)
        self._items[item.id] = item
        if len(self._items) > MAX_ITEMS:
            self._items.popitem(last=False)
        return previous

    def find(self, item_id: str) -> Item:
        """Raises:
        ClientEventError: there is none of that id.
        """
        if item_id not in self._items:
            raise ClientEventError("item_not_found", f"There is no item {item_id[:80]}.", "item_id")
        return self._items[item_id]

    def remove(self, item_id: str) -> None:
        """Raises:
        ClientEventError: there is none of that id.
        """
        self.find(item_id)
        del self._items[item_id]


@dataclass(frozen=True)
class Question:
    """Compose the request to a writer: the last words of the user, what was said before and what to do."""

    prompt: str
    history: Sequence[Message]
    instructions: str


def question_of(items: Sequence[Item], instructions: str | None) -> Question:
    """Make a question of messages; without a user's, the instructions themselves are the prompt.

    Raises:
        ClientEventError: there is neither.
    """
    asked, before = _asked(items)
    told = [item.text for item in before if item.role == "system" and item.text]
    prompt, extra = asked, [instructions or "", *told]
    if not asked:
        prompt, extra = instructions or "", told
    if not prompt:
        raise ClientEventError("nothing_to_answer", "There is no message of a user; create an item first.")
    history = [
        Message("user" if item.role == "user" else "model", item.text[:HISTORY_CHARACTERS])
        for item in before
        if item.role != "system" and item.text
    ]
    return Question(prompt, history[-HISTORY_MESSAGES:], "\n".join(line for line in extra if line))


def _asked(items: Sequence[Item]) -> tuple[str, Sequence[Item]]:
    """The user's last messages in a row, as one, and the items before them."""
    start = len(items)
    while start and items[start - 1].role == "user":
        start -= 1
    return "\n".join(item.text for item in items[start:] if item.text), items[:start]
