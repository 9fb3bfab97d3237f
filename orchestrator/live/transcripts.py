"""Transcripts of the user's turns: recognised in order, put into the conversation, and answered."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from lumen.contracts import LISTENER_SAMPLE_RATE
from lumen.errors import LumenException
from orchestrator.listeners.listener import Recognizer
from orchestrator.live.client_events import ClientEventError
from orchestrator.live.conversation import Conversation, Item
from orchestrator.live.hearing import Utterance
from orchestrator.live.server_events import INVALID_REQUEST, SERVER_ERROR, error, item_event

log = logging.getLogger("lumen")

MAX_WAITING: Final = 4
"""Turns that wait to be recognised, up to 60 s each; one more is refused."""

Send = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class _Task:
    utterance: Utterance
    item: Item
    previous: str | None
    recognizer: Recognizer | None
    language: str


class Transcripts:
    """Recognises the turns of one conversation.

    Args:
        max_characters: of a transcript.
        answer: answers the conversation, unless the user speaks again.
    """

    def __init__(
        self,
        send: Send,
        conversation: Conversation,
        max_characters: int,
        answer: Callable[[], Awaitable[None]],
    ) -> None:
        self._send = send
        self._conversation = conversation
        self._max_characters = max_characters
        self._answer = answer
        self._waiting: deque[_Task] = deque()
        self._arrived = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    def add(self, utterance: Utterance, recognizer: Recognizer | None, language: str) -> None:
        """Put a turn into the conversation, and have it recognised."""
        if len(self._waiting) >= MAX_WAITING:
            message = f"{MAX_WAITING} turns wait to be recognised; this one is dropped."
            self._send(error(SERVER_ERROR, "too_many_turns", message))
            return
        item = Item(utterance.item_id, "user", status="in_progress", spoken=True)
        previous = self._conversation.add(item)
        self._tell(item, "input_audio_buffer.committed", previous_item_id=previous)
        self._send(item_event("added", item, previous))
        self._waiting.append(_Task(utterance, item, previous, recognizer, language))
        self._settled.clear()
        self._arrived.set()

    async def settled(self) -> None:
        """Wait until all turns so far are recognised."""
        await self._settled.wait()

    async def run(self) -> None:
        """Recognise turns as they come, until it is cancelled."""
        while True:
            while self._waiting:
                await self._serve(self._waiting[0])
            self._settled.set()
            self._arrived.clear()
            await self._arrived.wait()

    async def _serve(self, task: _Task) -> None:
        try:
            heard = await self._recognize(task)
        finally:
            self._waiting.popleft()
        if not self._waiting:
            self._settled.set()
            if heard and task.utterance.answer:
                await self._answer()

    async def _recognize(self, task: _Task) -> bool:
        """Whether there were words."""
        item = task.item
        try:
            text = await self._text(task)
        except ClientEventError as refusal:
            self._fail(item, INVALID_REQUEST, refusal.code, refusal.message)
            text = ""
        except LumenException as failure:
            log.warning("A turn is not recognised: %s: %s", type(failure).__name__, failure.message)
            self._fail(item, SERVER_ERROR, type(failure).__name__, failure.message)
            text = ""
        else:
            usage = {"type": "duration", "seconds": round(len(task.utterance.pcm) / LISTENER_SAMPLE_RATE, 3)}
            self._tell_transcript(item, "completed", transcript=text, usage=usage)
        item.text, item.status = text, "completed" if text else "incomplete"
        self._send(item_event("done", item, task.previous))
        if not text:
            self._remove(item)
        return bool(text)

    async def _text(self, task: _Task) -> str:
        if task.recognizer is None:
            message = f"This server recognises no speech in the language {task.language!r}; send text."
            raise ClientEventError("no_recognizer", message)
        text = ""
        async with aclosing(task.recognizer.transcribe(task.utterance.pcm, task.language)) as pieces:
            async for piece in pieces:
                text += piece
                if len(text) > self._max_characters:
                    limit = f"over {self._max_characters} characters, which is all that is taken"
                    raise ClientEventError("text_too_long", f"What was said has {limit}.")
                self._tell_transcript(task.item, "delta", delta=piece)
        return text.strip()

    def _remove(self, item: Item) -> None:
        """Take an item without words out of the conversation, unless the client has."""
        if item in self._conversation:
            self._conversation.remove(item.id)
            self._tell(item, "conversation.item.deleted")

    def _fail(self, item: Item, kind: str, code: str, message: str) -> None:
        told = {"type": kind, "code": code, "message": message, "param": None}
        self._tell_transcript(item, "failed", error=told)

    def _tell_transcript(self, item: Item, kind: str, **fields: Any) -> None:
        self._tell(item, f"conversation.item.input_audio_transcription.{kind}", content_index=0, **fields)

    def _tell(self, item: Item, kind: str, **fields: Any) -> None:
        self._send({"type": kind, "item_id": item.id, **fields})
