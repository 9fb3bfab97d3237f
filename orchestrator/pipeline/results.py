"""Results of the pipeline; the routes make responses of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.faces.animation import CropOptions
from orchestrator.marking.marking import Mark
from orchestrator.pipeline.captions import Caption
from orchestrator.pipeline.jobs import KEPT_AS_SET, OutputOptions, RenderJob
from orchestrator.pipeline.stopwatch import Timing
from orchestrator.store.outputs import Outputs


@dataclass(frozen=True)
class Written:
    """A writer's whole reply.

    Attributes:
        parts: the part that made it, by stage. note: what to know about the writer.
    """

    text: str
    parts: Mapping[str, str]
    timing: Timing
    note: str | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Spoken:
    """Speech in a file.

    Attributes:
        audio: the file. seconds: its length. sample_rate: its samples per second.
        voice: id of the voice. language: that was spoken.
        captions: sentences and words with their times. warnings: about the text and its speech.
        seed: makes the same speech again, where chance has a part in it.
        text: that is spoken. mark: that it carries. output: how it is kept.
    """

    audio: Path
    seconds: float
    sample_rate: int
    voice: str
    language: str
    parts: Mapping[str, str]
    timing: Timing
    seed: int | None = None
    captions: Sequence[Caption] = ()
    warnings: Sequence[str] = ()
    text: str = ""
    mark: Mark | None = None
    output: OutputOptions = KEPT_AS_SET

    @property
    def name(self) -> str:
        return self.audio.stem


@dataclass(frozen=True)
class Rendered:
    """A clip of a portrait that speaks.

    Attributes:
        job: what was rendered. crop_options: of the portrait, those that the face chose among them.
        width, height: of the video in pixels.
        video: the file. audio: its speech alone, where a file of that is kept too.
        seconds: length of the speech.
        text, voice, language, note: of the reply that was spoken, where one was written.
        poster: a picture of it. captions, vtt: of the speech, where its text is known, and their file.
        mark: that it carries.
    """

    job: RenderJob
    video: Path
    seconds: float
    width: int
    height: int
    crop_options: CropOptions
    parts: Mapping[str, str]
    timing: Timing
    audio: Path | None = None
    text: str = ""
    voice: str | None = None
    language: str | None = None
    note: str | None = None
    poster: Path | None = None
    captions: Sequence[Caption] = ()
    vtt: Path | None = None
    warnings: Sequence[str] = ()
    mark: Mark | None = None


@dataclass(frozen=True)
class StreamedSpeech:
    """Speech that went to its client while it was made; no file is left of it. ``seconds``: its length."""

    name: str
    seconds: float
    timing: Timing


@dataclass(frozen=True)
class Interrupted:
    """Stream whose client left before its end.

    Attributes:
        seconds: its length. video: whether it is one, else speech.
    """

    seconds: float
    video: bool


def sound_path(made: Spoken | Rendered, outputs: Outputs) -> Path:
    """The file of the speech that was asked for; else the WAV, which is made when it is fetched."""
    asked = made.output if isinstance(made, Spoken) else made.job.output
    name = made.name if isinstance(made, Spoken) else made.job.name
    kept = None if asked.audio_format is None else made.audio
    return kept or outputs.audio(name)


Made = Spoken | Rendered | StreamedSpeech | Interrupted
"""Any result of the pipeline with sound or pictures."""


class Observer(Protocol):
    """Whoever has to know what the pipeline made: records of outputs, usage, metrics."""

    async def made(self, result: Made) -> None:
        """Called once for each result, in the context of its request, before its client hears of it.

        The files of a result whose observer raises are removed, and the request fails.
        """
        ...
