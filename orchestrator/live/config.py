"""Configuration of a conversation: what the client asked for, and what holds."""

from dataclasses import dataclass, replace
from typing import Any, Final

from lumen.contracts import FACE_FPS
from orchestrator.live.client_events import PCM_RATE, Avatar, SessionFields, TurnFields
from orchestrator.live.dialects import known_voice
from orchestrator.live.scene import Character
from orchestrator.live.turns import TurnDetection
from orchestrator.media.clip_encoder import KEYFRAME_SECONDS
from orchestrator.voices.voice import SpeechOptions, Voice

TEXT: Final = "text"
AUDIO: Final = "audio"

FORMAT: Final = {"type": "audio/pcm", "rate": PCM_RATE}


@dataclass(frozen=True)
class LiveConfig:
    """Configuration in force.

    Attributes:
        voice: id or name. language: that is spoken. speed: of the speech.
        modalities: as last asked for. character: whose picture comes; None where none does.
        audit: whether PCM comes besides the picture.
        instructions: the client's own; None where the operator's hold.
        turns: how turns of the user are found; None leaves them to the client.
    """

    voice: str
    language: str
    character: Character | None
    speed: float = 1.0
    modalities: tuple[str, ...] = (AUDIO,)
    audit: bool = False
    instructions: str | None = None
    turns: TurnDetection | None = None

    @property
    def picture(self) -> bool:
        return self.character is not None and self.modalities != (TEXT,)

    @property
    def pcm(self) -> bool:
        return self.modalities != (TEXT,) and (self.character is None or self.audit)

    def speaker(self, voice: Voice) -> Voice:
        """The part that speaks, out of the chain's ``voice``."""
        return voice.choose(self.language, self.voice)

    def speech_options(self, seed: int | None) -> SpeechOptions:
        """Options of its speech."""
        return SpeechOptions(self.language, self.voice, self.speed, seed)

    def updated(self, fields: SessionFields, character: Character | None, default_voice: str) -> "LiveConfig":
        """Apply a ``session.update``; ``character`` is the one that holds after it."""
        output = fields.audio.output if fields.audio is not None else None
        heard = fields.audio.input if fields.audio is not None else None
        changes: dict[str, Any] = {"character": character}
        if output is not None and output.voice is not None:
            changes["voice"], language = known_voice(output.voice, default_voice)
            changes |= {} if language is None else {"language": language}
        if output is not None and output.speed is not None:
            changes["speed"] = output.speed
        if fields.output_modalities is not None:
            changes["modalities"] = tuple(fields.output_modalities)
        if fields.language is not None:
            changes["language"] = fields.language
        if fields.instructions is not None:
            changes["instructions"] = fields.instructions or None
        if fields.avatar is not None and fields.avatar.output_audit_audio is not None:
            changes["audit"] = fields.avatar.output_audit_audio
        if heard is not None and "turn_detection" in heard.model_fields_set:
            changes["turns"] = _turns(heard.turn_detection)
        return replace(self, **changes)

    def described(self, idle_url: str | None, recognizer: str | None) -> dict[str, Any]:
        """Fields of the ``session`` object; ``recognizer`` names what recognises the user's speech."""
        turns = None if self.turns is None else self.turns.described()
        transcription = None if recognizer is None else {"model": recognizer, "language": self.language}
        return {
            "instructions": self.instructions,
            "language": self.language,
            "output_modalities": list(self.modalities),
            "audio": {
                "input": {"format": FORMAT, "turn_detection": turns, "transcription": transcription},
                "output": {"format": FORMAT, "voice": self.voice, "speed": self.speed},
            },
            "avatar": None if self.character is None else self._avatar(self.character, idle_url),
        }

    def _avatar(self, character: Character, idle_url: str | None) -> dict[str, Any]:
        size = {"width": character.size, "height": character.size}
        return {
            "character": character.name,
            "customized": False,
            "output_protocol": "websocket",
            "output_audit_audio": self.audit,
            "video": {"codec": "h264", "resolution": size, "gop_size": KEYFRAME_SECONDS * FACE_FPS},
            "idle_url": idle_url,
        }


def _turns(fields: TurnFields | None) -> TurnDetection | None:
    return None if fields is None else TurnDetection(**fields.model_dump(exclude={"type"}, exclude_none=True))


def wants_picture(fields: SessionFields, before: bool) -> bool:
    """Whether a picture comes after an update.

    An avatar asks for it; sound without an avatar in the same update asks for sound alone.
    """
    if "avatar" in fields.model_fields_set:
        return fields.avatar is not None
    if fields.output_modalities is not None:
        return "avatar" in fields.output_modalities
    return before


def side_of(avatar: Avatar | None) -> int | None:
    """The side of the frames that an avatar's resolution asks for."""
    if avatar is None or avatar.video is None or avatar.video.resolution is None:
        return None
    return min(avatar.video.resolution.width, avatar.video.resolution.height)
