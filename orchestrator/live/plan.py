"""Plan of an answer, and the parts that it is made with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.live.meter import Meter
from orchestrator.live.speech import GivenSpeech
from orchestrator.marking.marking import Mark
from orchestrator.moderation.moderation import Moderation
from orchestrator.observability.metrics import Metrics
from orchestrator.pipeline.rendering import Scene
from orchestrator.voices.voice import SpeechOptions, Voice
from orchestrator.writers.writer import Writer, WriterRequest


@dataclass(frozen=True)
class Parts:
    """Parts that make an answer.

    Attributes:
        scene: loads the models and makes the scene.
        lookahead: of the face, in frames.
        options: of the speech. max_seconds: of the speech, at most.
    """

    writer: Writer
    voice: Voice
    ensure: Callable[[tuple[str, ...]], Awaitable[None]]
    scene: Callable[[], Awaitable[Scene]]
    lookahead: int
    options: SpeechOptions
    max_seconds: float
    metrics: Metrics
    meter: Meter
    mark: Callable[[str, str], Mark]
    moderation: Moderation


@dataclass(frozen=True)
class Plan:
    """Plan of an answer.

    Attributes:
        source: a question for the writer, or finished speech.
        picture: whether the face is drawn. pcm: whether PCM is sent. Neither is text alone.
        fields: of the ``response`` object that do not change.
        previous: id of the item before the answer's. kept: whether the answer belongs to the conversation.
    """

    source: WriterRequest | GivenSpeech
    picture: bool
    pcm: bool
    previous: str | None
    kept: bool
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spoken(self) -> bool:
        return self.picture or self.pcm
