"""Services that the routes work with, made once per app."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass

from fastapi import Request, WebSocket

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import ImageDecoder, Portraits
from orchestrator.live.sessions import LiveSessions
from orchestrator.marking.marking import Marking
from orchestrator.media.derived_sound import DerivedSound
from orchestrator.moderation.moderation import Moderation
from orchestrator.pipeline.output_records import OutputRecorder
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.pipeline.previews import VoicePreviews
from orchestrator.pipeline.progress import ProgressBoard
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs
from orchestrator.store.owners import remove_ownerless


@dataclass(frozen=True)
class Services:
    settings: Settings
    models: ModelManager
    outputs: Outputs
    kept: KeptOutputs
    sound: DerivedSound
    marking: Marking
    moderation: Moderation
    portraits: Portraits
    pipeline: Pipeline
    previews: VoicePreviews
    progress: ProgressBoard
    live: LiveSessions

    def clear(self) -> None:
        """Remove files that a killed process had begun, and open what signs."""
        self.marking.start()
        self.outputs.clear()
        for folder in (self.settings.voices_path, self.settings.avatars_path):
            remove_ownerless(folder)


def make_services(settings: Settings, models: ModelManager) -> Services:
    outputs = Outputs(settings.outputs_path)
    decoder = ImageDecoder(models.decode_gate, settings.max_image_pixels)
    portraits = Portraits(settings.assets_path / "portraits", decoder)
    kept = KeptOutputs(outputs, settings.retention_days, settings.retention_bytes)
    marking, moderation = Marking(settings), Moderation(settings)
    sound = DerivedSound(settings, outputs, kept, marking)
    observers = [OutputRecorder(outputs, kept)]
    pipeline = Pipeline(settings, models, outputs, observers, marking, moderation)
    live = LiveSessions(settings, models, portraits, moderation)
    return Services(
        settings=settings,
        models=models,
        outputs=outputs,
        kept=kept,
        sound=sound,
        marking=marking,
        moderation=moderation,
        portraits=portraits,
        pipeline=pipeline,
        previews=VoicePreviews(settings, models, pipeline),
        progress=ProgressBoard(),
        live=live,
    )


async def held_places() -> AsyncIterator[ExitStack]:
    """Hold a route's places until it returns; a dependency of routes. A stream takes its place by itself."""
    with ExitStack() as stack:
        yield stack


def services(request: Request) -> Services:
    """The services of the app that ``request`` came to; a dependency of routes."""
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


def socket_services(socket: WebSocket) -> Services:
    """The services of the app that a WebSocket came to; a dependency of routes."""
    found = socket.app.state.services
    assert isinstance(found, Services)
    return found
