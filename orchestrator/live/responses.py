"""Responses of one conversation: one is made at a time, while others may still be played."""

import asyncio
import secrets
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import MAX_SEED
from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.live.client_events import ClientEventError, ResponseFields
from orchestrator.live.config import LiveConfig
from orchestrator.live.conversation import Conversation, Item
from orchestrator.live.meter import Meter
from orchestrator.live.pacing import Pacer
from orchestrator.live.plan import Parts, Plan
from orchestrator.live.response import CLIENT_CANCELLED, Response
from orchestrator.live.scene import Characters
from orchestrator.live.server_events import new_id
from orchestrator.live.speech import GivenSpeech
from orchestrator.live.transport import Transport
from orchestrator.marking.marking import Mark, Marking
from orchestrator.moderation.moderation import Moderation
from orchestrator.observability.metrics import Metrics
from orchestrator.pipeline.rendering import Scene
from orchestrator.writers.writer import WriterRequest

MAX_RESPONSES: Final = 8
"""Responses that are made or played at once."""


class Responses:
    """Starts, finds and cuts off the responses of one conversation."""

    def __init__(
        self,
        transport: Transport,
        conversation: Conversation,
        settings: Settings,
        models: ModelManager,
        characters: Characters,
        metrics: Metrics,
        meter: Meter,
        marking: Marking,
        moderation: Moderation,
    ) -> None:
        self._transport = transport
        self._conversation = conversation
        self._max_seconds = settings.max_audio_seconds
        self._models = models
        self._characters = characters
        self._meter = meter
        self._metrics = metrics
        self._marking = marking
        self._moderation = moderation
        self._known: dict[str, Response] = {}
        self._speech: tuple[Response, GivenSpeech] | None = None
        self._seed = secrets.randbelow(MAX_SEED)

    def find(self, response_id: str) -> Response | None:
        """The response of this id, as long as it is made or played."""
        return self._known.get(response_id)

    @property
    def making(self) -> Response | None:
        """The response that is being made."""
        return next((response for response in self._current() if response.making), None)

    async def make_way(self, *, cancel: bool) -> None:
        """Let no other response be made now.

        Args:
            cancel: whether one that is being made is cut off.

        Raises:
            ClientEventError: one is being made, and is not to be cut off.
        """
        if (making := self.making) is not None:
            if not cancel:
                message = f"The response {making.id} is being made; cancel it first."
                raise ClientEventError("conversation_already_has_active_response", message)
            await making.interrupt(CLIENT_CANCELLED)
        current = self._current()
        if len(current) >= MAX_RESPONSES:
            await current[0].interrupt(CLIENT_CANCELLED)

    def start(
        self, source: WriterRequest | GivenSpeech, config: LiveConfig, fields: ResponseFields, *, kept: bool
    ) -> Response:
        """Start a response; `make_way` comes before.

        Args:
            kept: whether it belongs to the conversation.

        Raises:
            ClientEventError: finished speech came for a session of text alone.
        """
        text_only = fields.output_modalities == ["text"] and isinstance(source, WriterRequest)
        picture, pcm = (False, False) if text_only else (config.picture, config.pcm)
        if isinstance(source, GivenSpeech) and not (picture or pcm):
            raise ClientEventError("invalid_value", "The session is text alone; speech needs a picture.")
        item = Item(new_id("item"), "assistant", status="in_progress", spoken=picture or pcm)
        previous = self._conversation.add(item) if kept else None
        told = {
            "conversation_id": self._conversation.id if kept else None,
            "output_modalities": ["text"] if text_only else list(config.modalities),
            "metadata": fields.metadata,
        }
        plan = Plan(source, picture, pcm, previous, kept, told)
        current = self._current()
        begins = max((response.pacer.ends for response in current), default=0.0)
        response = Response(plan, self._parts(config), item, self._transport, Pacer(begins))
        self._known = {known.id: known for known in [*current, response]}
        response.start()
        return response

    async def add_speech(self, pcm: npt.NDArray[np.float32], config: LiveConfig, *, cancel: bool) -> None:
        """Take finished speech, float32 [n_samples] at ``PCM_RATE``; the first piece starts a response.

        Args:
            cancel: see `make_way`.

        Raises:
            ClientEventError: it is too much, or another response is being made.
        """
        if self._speech is None or not self._speech[0].making:
            await self.make_way(cancel=cancel)
            speech = GivenSpeech(self._max_seconds)
            self._speech = self.start(speech, config, ResponseFields(), kept=False), speech
        self._speech[1].add(pcm)

    def end_speech(self) -> None:
        """Note that nothing follows the speech that came.

        Raises:
            ClientEventError: none came.
        """
        if self._speech is None:
            raise ClientEventError("no_speech", "No speech is being sent.")
        self._speech[1].end()
        self._speech = None

    async def interrupt_all(self, reason: str = CLIENT_CANCELLED) -> None:
        """Cut off what is made and what is played."""
        self._speech = None
        for response in self._current():
            await response.interrupt(reason)

    async def stop(self) -> None:
        """Stop all without a word, because the conversation ends."""
        await asyncio.gather(*(response.stop() for response in self._known.values()))

    def _parts(self, config: LiveConfig) -> Parts:
        self._seed = (self._seed + 1) % (MAX_SEED + 1)
        seed, character = self._seed, config.character
        writer, voice = self._models.get_writer(), config.speaker(self._models.get_voice())

        async def scene() -> Scene:
            assert character is not None
            return await self._characters.scene(character, seed)

        def mark(name: str, face: str) -> Mark:
            parts = {"writer": writer.name, "voice": voice.name, "face": face}
            composite = character is not None and character.image is None
            return self._marking.unsigned(name, parts, composite=composite)

        return Parts(
            writer,
            voice,
            self._models.ensure,
            scene,
            self._models.get_face().family.lookahead_frames,
            config.speech_options(seed if voice.family.seeded else None),
            self._max_seconds,
            self._metrics,
            self._meter,
            mark,
            self._moderation,
        )

    def _current(self) -> list[Response]:
        """Responses that are made or played, in order."""
        return [response for response in self._known.values() if not response.over]
