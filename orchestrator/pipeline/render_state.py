"""A render job under way, and the result that it ends in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.marking.marking import Mark
from orchestrator.pipeline.jobs import RenderJob
from orchestrator.pipeline.narration import Narration
from orchestrator.pipeline.progress import Progress
from orchestrator.pipeline.rendering import Scene
from orchestrator.pipeline.results import Rendered
from orchestrator.pipeline.stopwatch import Stopwatch
from orchestrator.store.outputs import ClipFiles
from orchestrator.writers.writer import Reply, Writer


@dataclass(frozen=True)
class RenderState:
    """A render job under way: its inputs, its times and its progress."""

    job: RenderJob
    scene: Scene
    watch: Stopwatch
    progress: Progress


def full_result(
    state: RenderState,
    files: ClipFiles,
    narration: Narration,
    reply: Reply,
    writer: Writer,
    written: str,
    mark: Mark,
) -> Rendered:
    """Result of a clip whose text a writer wrote."""
    voice = narration.voice
    return video_result(
        state,
        files.video,
        narration.limit.seconds,
        mark,
        text=written,
        voice=voice.voice,
        language=voice.language,
        note=writer.note,
        poster=files.poster,
        vtt=files.captions,
        captions=narration.captions.captions(),
        warnings=(*reply.warnings, *narration.warnings, *state.scene.features.warnings),
    )


def video_result(state: RenderState, video: Path, seconds: float, mark: Mark, **known: Any) -> Rendered:
    """Result of a clip; ``known`` are further fields of it."""
    scene = state.scene
    return Rendered(
        job=state.job,
        video=video,
        seconds=seconds,
        width=scene.compositor.width,
        height=scene.compositor.height,
        crop_options=scene.features.crop_options,
        parts=mark.parts,
        mark=mark,
        timing=state.watch.timing(),
        **{"warnings": scene.features.warnings, **known},
    )
