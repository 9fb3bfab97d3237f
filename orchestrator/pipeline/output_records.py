"""Records of what the pipeline makes: an observer that keeps one for each output."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from orchestrator.media.sound_files import FORMATS
from orchestrator.pipeline.captions import Caption
from orchestrator.pipeline.jobs import OutputOptions
from orchestrator.pipeline.results import Made, Rendered, Spoken, sound_path
from orchestrator.request_context import owner
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import OutputFile, OutputRecord, RecordedSentence, RecordedWord, Role

MEDIA_TYPES: Final = {
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".vtt": "text/vtt",
    ".wav": "audio/wav",
    **{sound.suffix: sound.media_type for sound in FORMATS.values()},
}


class OutputRecorder:
    """Records each output with its owner, before its client hears of it."""

    def __init__(self, outputs: Outputs, kept: KeptOutputs) -> None:
        self._outputs = outputs
        self._kept = kept

    async def made(self, result: Made) -> None:
        """Record what left files."""
        if isinstance(result, Spoken | Rendered):
            whose = owner.get()
            await asyncio.to_thread(self._record, result, whose)

    def _record(self, result: Spoken | Rendered, whose: str) -> None:
        record = (
            self._of_clip(result, whose) if isinstance(result, Rendered) else self._of_speech(result, whose)
        )
        self._kept.add(record)

    def _of_speech(self, made: Spoken, whose: str) -> OutputRecord:
        created = datetime.now(UTC)
        return OutputRecord(
            id=made.name,
            owner=whose,
            kind="speech",
            created=created,
            expires=self._expiry(created, made.output),
            files=self._files({"audio": made.audio}),
            sound=self._relative(sound_path(made, self._outputs)),
            **_said(made),
            seed=made.seed,
            marking={} if made.mark is None else made.mark.told(made.audio.suffix),
        )

    def _of_clip(self, made: Rendered, whose: str) -> OutputRecord:
        job, created = made.job, datetime.now(UTC)
        files: dict[Role, Path | None] = {
            "video": made.video,
            "audio": made.audio,
            "poster": made.poster,
            "captions": made.vtt,
        }
        return OutputRecord(
            id=job.name,
            owner=whose,
            kind="video",
            created=created,
            expires=self._expiry(created, job.output),
            files=self._files({role: path for role, path in files.items() if path is not None}),
            sound=None if made.vtt is None else self._relative(sound_path(made, self._outputs)),
            **_said(made),
            seed=job.animation.seed,
            width=made.width,
            height=made.height,
            portrait=job.portrait,
            avatar=job.avatar,
            marking={} if made.mark is None else made.mark.told(made.video.suffix),
            consent=job.output.consent,
        )

    def _expiry(self, created: datetime, output: OutputOptions) -> datetime | None:
        seconds = self._kept.seconds if output.retain_seconds is None else output.retain_seconds
        return created + timedelta(seconds=seconds) if seconds else None

    def _files(self, files: dict[Role, Path]) -> tuple[OutputFile, ...]:
        return tuple(
            OutputFile(
                role,
                self._relative(path),
                path.stat().st_size,
                MEDIA_TYPES[path.suffix],
            )
            for role, path in files.items()
        )

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._outputs.root).as_posix()


def _said(made: Spoken | Rendered) -> dict[str, Any]:
    """Fields of a record about the speech of a result."""
    return {
        "seconds": made.seconds,
        "parts": made.parts,
        "text": made.text,
        "voice": made.voice,
        "language": made.language,
        "captions": _captions(made.captions),
        "warnings": tuple(made.warnings),
    }


def _captions(captions: Sequence[Caption]) -> tuple[RecordedSentence, ...]:
    return tuple(
        RecordedSentence(
            each.text,
            each.start,
            each.end,
            tuple(RecordedWord(word.label, word.start, word.end) for word in each.words),
        )
        for each in captions
    )
