"""A conversation: the client's events in order, what holds, and the responses that are made."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from lumen.aio import cancel
from lumen.errors import LumenException
from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.listeners.listener import Listener, Recognizer
from orchestrator.live import client_events as events
from orchestrator.live.client_events import ClientEvent, ClientEventError, parse, pcm_of
from orchestrator.live.config import LiveConfig, side_of, wants_picture
from orchestrator.live.conversation import Conversation, Item, question_of
from orchestrator.live.dialects import Dialect
from orchestrator.live.hearing import Hearing, Utterance
from orchestrator.live.idle import IdleClips
from orchestrator.live.meter import Meter
from orchestrator.live.response import CLIENT_CANCELLED
from orchestrator.live.responses import Responses
from orchestrator.live.scene import IDLE_SEED, Character, Characters
from orchestrator.live.server_events import (
    INVALID_REQUEST,
    SERVER_ERROR,
    error,
    item_event,
    item_object,
    new_id,
)
from orchestrator.live.transcripts import Transcripts
from orchestrator.live.transport import INTERNAL, NORMAL, RESTART, Transport
from orchestrator.live.turns import TURN_DETECTED, TurnDetection
from orchestrator.marking.marking import Marking
from orchestrator.moderation.moderation import Moderation
from orchestrator.observability.metrics import Metrics
from orchestrator.writers.writer import WriterRequest

log = logging.getLogger("lumen")

RESTART_SECONDS: Final = 5
"""After so long it is worth coming back to a server that stops."""

WATCH_SECONDS: Final = 1.0
"""Between two looks at a conversation's limits of time."""

DEFAULT_LANGUAGE: Final = "en"

SOUND: Final = "input_audio_buffer.append"


class Session:
    """A conversation over one transport."""

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        settings: Settings,
        models: ModelManager,
        characters: Characters,
        idle: IdleClips,
        metrics: Metrics,
        meter: Meter,
        marking: Marking,
        moderation: Moderation,
    ) -> None:
        self.id: Final = new_id("sess")
        self._transport = transport
        self._dialect = dialect
        self._settings = settings
        self._models = models
        self._characters = characters
        self._idle = idle
        self._conversation = Conversation()
        self._responses = Responses(
            transport, self._conversation, settings, models, characters, metrics, meter, marking, moderation
        )
        self._starting = asyncio.Lock()
        self._listener = _listener(models)
        activity = None if self._listener is None else self._listener.activity()
        self._hearing = Hearing(activity, transport.send, self._fall_silent, self._take_turn)
        limit = settings.max_text_length
        self._transcripts = Transcripts(transport.send, self._conversation, limit, self._answer_turn)
        self._config = LiveConfig(settings.default_voice, DEFAULT_LANGUAGE, None)
        self._began = self._active = time.monotonic()
        self._preparing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve the conversation to its end; everything of it is freed then."""
        sending = asyncio.create_task(self._transport.run())
        reading = asyncio.create_task(self._read())
        others = [self._watch(), self._hearing.run(), self._transcripts.run()]
        beside = [asyncio.create_task(self._served(work)) for work in others]
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() or not reading.result():
                await sending
        finally:
            preparing = [] if self._preparing is None else [self._preparing]
            await self._responses.stop()
            await cancel(sending, reading, *beside, *preparing)

    def end(self, code: int, reason: str, message: str, **hint: Any) -> None:
        """End the conversation and say why."""
        self._transport.send(error(SERVER_ERROR, reason, message, **hint))
        self._transport.close(code, reason)

    def restart(self) -> None:
        """End the conversation because the server stops."""
        message = f"The server stops; come back in {RESTART_SECONDS} s."
        self.end(RESTART, "server_shutting_down", message, retry_after_ms=RESTART_SECONDS * 1000)

    # Tasks.

    async def _read(self) -> bool:
        """Handle the client's events; True when it has left, False after a bug."""
        try:
            await self._begin()
            while await self._read_one():
                pass
        except Exception:
            log.exception("A conversation failed")
            self._transport.close(INTERNAL, "internal error")
            return False
        return True

    async def _served(self, work: Awaitable[None]) -> None:
        """Run ``work``, and end the conversation after a bug in it."""
        try:
            await work
        except Exception:
            log.exception("A conversation failed")
            self._transport.close(INTERNAL, "internal error")

    async def _begin(self) -> None:
        try:
            character = await self._characters.find(self._settings.portrait, None)
        except ClientEventError as refusal:
            log.warning("The conversation has no picture: %s", refusal.message)
            character = None
        self._config = self._config.updated(events.SessionFields(), character, self._settings.default_voice)
        if self._recognizer is not None:
            self._config = replace(self._config, turns=TurnDetection())
        self._hearing.detect(self._config.turns)
        self._prepare()
        self._transport.send({"type": "session.created", "session": self._session()})

    async def _read_one(self) -> bool:
        """Handle the next event; False when the client has left."""
        event_id = None
        try:
            fields = await self._transport.receive()
            if fields is None:
                return False
            if fields.get("type") != SOUND:  # a microphone that is left on keeps no conversation alive
                self._active = time.monotonic()
            event_id = fields.get("event_id") if isinstance(fields.get("event_id"), str) else None
            await self._handle(parse(fields))
        except ClientEventError as refusal:
            told = refusal.event_id or event_id
            self._transport.send(error(INVALID_REQUEST, refusal.code, refusal.message, refusal.param, told))
        except LumenException as failure:
            kind = INVALID_REQUEST if failure.status < 500 else SERVER_ERROR
            name = type(failure).__name__
            self._transport.send(error(kind, name, failure.message, event_id=event_id))
        return True

    async def _watch(self) -> None:
        """End the conversation when its time is over."""
        settings = self._settings
        while True:
            now = time.monotonic()
            if now - self._began > settings.max_session_seconds:
                limit = f"{settings.max_session_seconds:g} s"
                self.end(NORMAL, "session_expired", f"The conversation has reached its limit of {limit}.")
                return
            if now - self._active > settings.session_idle_seconds:
                limit = f"{settings.session_idle_seconds:g} s"
                self.end(NORMAL, "session_idle", f"Nothing was said or done for {limit}.")
                return
            await asyncio.sleep(min(WATCH_SECONDS, settings.session_idle_seconds / 4))

    def _prepare(self) -> None:
        """Load models, encode the portrait and make the idle clip meanwhile: the first answer finds them."""
        if self._preparing is not None:
            self._preparing.cancel()
        self._preparing = asyncio.create_task(self._prepared(self._config.character))

    async def _prepared(self, character: Character | None) -> None:
        try:
            await self._models.ensure(self._config.speaker(self._models.get_voice()).models)
            if character is not None:
                await self._characters.scene(character, IDLE_SEED)
                self._idle.url(character)
                await self._idle.file(character.key)
        except LumenException as failure:
            log.warning("A conversation is not prepared: %s: %s", type(failure).__name__, failure.message)

    # Events.

    async def _handle(self, event: ClientEvent) -> None:
        handlers: dict[type[Any], Callable[[Any], Awaitable[None]]] = {
            events.SessionUpdate: self._update,
            events.ItemCreate: self._create_item,
            events.ItemDelete: self._delete_item,
            events.ItemRetrieve: self._retrieve_item,
            events.ItemTruncate: self._truncate_item,
            events.ResponseCreate: self._create_response,
            events.ResponseCancel: self._cancel_response,
            events.OutputClear: self._clear_output,
            events.Played: self._note_played,
            events.InputAppend: self._append_input,
            events.InputCommit: self._commit_input,
            events.InputClear: self._clear_input,
            events.AgentSpeak: self._speak,
            events.AgentSpeakEnd: self._end_speech,
            events.AgentInterrupt: self._clear_output,
        }
        await handlers[type(event)](event)

    async def _update(self, event: events.SessionUpdate) -> None:
        fields = event.session
        character, before = None, self._config.character
        if wants_picture(fields, before is not None):
            character = before if before is not None and not _names_character(fields) else None
            if character is None:
                avatar = fields.avatar
                name = avatar.character if avatar is not None else None
                chosen = name or (before.name if before is not None else self._settings.portrait)
                character = await self._characters.find(chosen, side_of(avatar))
        config = self._config.updated(fields, character, self._settings.default_voice)
        await config.speaker(self._models.get_voice()).bind(config.speech_options(None))
        self._config = config if self._listener is not None else replace(config, turns=None)
        self._hearing.detect(self._config.turns)
        if character is not before:
            self._prepare()
        self._transport.send({"type": "session.updated", "session": self._session()})

    async def _create_item(self, event: events.ItemCreate) -> None:
        item = self._checked(event.item)
        previous = self._conversation.add(item)
        self._transport.send(item_event("added", item, previous))
        self._transport.send(item_event("done", item, previous))

    def _checked(self, given: events.Item) -> Item:
        text, limit = given.text, self._settings.max_text_length
        if given.role == "user" and len(text) > limit:
            message = f"item: has {len(text)} characters; at most {limit} are taken"
            raise ClientEventError("text_too_long", message, "item.content")
        if not text:
            raise ClientEventError("invalid_value", "item: has no text", "item.content")
        return Item(given.id or new_id("item"), given.role, text)

    async def _delete_item(self, event: events.ItemDelete) -> None:
        self._conversation.remove(event.item_id)
        self._transport.send({"type": "conversation.item.deleted", "item_id": event.item_id})

    async def _retrieve_item(self, event: events.ItemRetrieve) -> None:
        item = item_object(self._conversation.find(event.item_id))
        self._transport.send({"type": "conversation.item.retrieved", "item": item})

    async def _truncate_item(self, event: events.ItemTruncate) -> None:
        item = self._conversation.find(event.item_id)
        if item.role != "assistant" or not item.spoken:
            raise ClientEventError("invalid_item", "Only a spoken answer is truncated.", "item_id")
        item.truncate(event.audio_end_ms)
        fields = {"item_id": item.id, "content_index": 0, "audio_end_ms": event.audio_end_ms}
        self._transport.send({"type": "conversation.item.truncated", **fields})

    async def _create_response(self, event: events.ResponseCreate) -> None:
        await self._transcripts.settled()
        fields = event.response or events.ResponseFields()
        wanted = fields.cancel_previous
        await self._respond(fields, cancel=self._dialect.cancels_previous if wanted is None else wanted)

    async def _respond(self, fields: events.ResponseFields, *, cancel: bool) -> None:
        async with self._starting:
            await self._responses.make_way(cancel=cancel)
            self._start_response(fields)

    def _start_response(self, fields: events.ResponseFields) -> None:
        items = list(self._conversation)
        if fields.input is not None:
            items = [self._checked(given) for given in fields.input]
        question = question_of(items, fields.instructions)
        own = self._config.instructions
        if question.instructions:
            own = f"{own or self._settings.system_instruction}\n{question.instructions}"
        asked = fields.max_output_tokens
        tokens = {"max_tokens": asked} if isinstance(asked, int) else {}
        request = WriterRequest(
            question.prompt,
            question.history,
            self._config.language,
            instructions=own,
            **tokens,
        )
        self._responses.start(request, self._config, fields, kept=fields.conversation != "none")

    async def _cancel_response(self, event: events.ResponseCancel) -> None:
        making = self._responses.making
        if making is None or event.response_id not in (None, making.id):
            raise ClientEventError("response_cancel_not_active", "No such response is being made.")
        await making.interrupt(CLIENT_CANCELLED)

    async def _clear_output(self, _: events.OutputClear | events.AgentInterrupt) -> None:
        await self._responses.interrupt_all()

    async def _note_played(self, event: events.Played) -> None:
        if (response := self._responses.find(event.response_id)) is not None:
            response.pacer.acknowledge(event.audio_end_ms / 1000)

    async def _append_input(self, event: events.InputAppend) -> None:
        self._hearing.add(pcm_of(event.audio))

    async def _commit_input(self, _: events.InputCommit) -> None:
        if self._recognizer is None and self._config.turns is None and self._hearing.waits:
            self._hearing.clear()
            raise ClientEventError("no_recognizer", "This server recognises no speech; send text.")
        self._hearing.commit()

    async def _clear_input(self, _: events.InputClear) -> None:
        self._hearing.clear()
        self._transport.send({"type": "input_audio_buffer.cleared"})

    # The user's speech.

    @property
    def _recognizer(self) -> Recognizer | None:
        """Find what recognises the language of the conversation."""
        return None if self._listener is None else self._listener.recognizer(self._config.language)

    def _take_turn(self, utterance: Utterance) -> None:
        self._active = time.monotonic()
        self._transcripts.add(utterance, self._recognizer, self._config.language)

    async def _fall_silent(self) -> None:
        """Cut off what is spoken, because the user speaks."""
        async with self._starting:
            await self._responses.interrupt_all(TURN_DETECTED)

    async def _answer_turn(self) -> None:
        """Answer what the user has said, unless there is more to come."""
        if self._hearing.speaking:
            return
        try:
            await self._respond(events.ResponseFields(), cancel=True)
        except ClientEventError as refusal:
            self._transport.send(error(INVALID_REQUEST, refusal.code, refusal.message))

    async def _speak(self, event: events.AgentSpeak) -> None:
        cancel = self._dialect.cancels_previous
        await self._responses.add_speech(pcm_of(event.audio), self._config, cancel=cancel)

    async def _end_speech(self, _: events.AgentSpeakEnd) -> None:
        self._responses.end_speech()

    def _session(self) -> dict[str, Any]:
        character, writer = self._config.character, self._models.get_writer()
        parts = {"writer": writer.name, "voice": self._config.speaker(self._models.get_voice()).name}
        recognizer = None if self._recognizer is None else self._recognizer.name
        listener = {} if recognizer is None else {"listener": recognizer}
        idle_url = None if character is None else self._idle.url(character)
        return {
            "id": self.id,
            "object": "realtime.session",
            "type": "realtime",
            "model": "lumen",
            **self._config.described(idle_url, recognizer),
            "parts": {**parts, "face": self._models.get_face().name, **listener},
            "note": writer.note,
            "expires_at": int(time.time() + self._settings.max_session_seconds),
        }


def _names_character(fields: events.SessionFields) -> bool:
    avatar = fields.avatar
    return avatar is not None and (avatar.character is not None or side_of(avatar) is not None)


def _listener(models: ModelManager) -> Listener | None:
    try:
        return models.get_listener()
    except LumenException as failure:
        log.warning("The conversation hears nothing: %s", failure.message)
        return None
