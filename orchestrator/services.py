"""Services that the routes work with, made once per app."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from fastapi import Request, WebSocket

from lumen.settings import Settings
from orchestrator.access.access import Access
from orchestrator.core.drain import Drain
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import ImageDecoder, Portraits, portraits_folder
from orchestrator.generation.tools import Tools
from orchestrator.jobs.backends import make_jobs
from orchestrator.jobs.job import Job
from orchestrator.jobs.service import Jobs
from orchestrator.live.sessions import LiveSessions
from orchestrator.marking.marking import Marking
from orchestrator.media.derived_sound import DerivedSound
from orchestrator.moderation.moderation import Moderation
from orchestrator.observability.metrics import Metrics, Recent
from orchestrator.observability.tracing import Tracing
from orchestrator.pipeline.measured import Measured
from orchestrator.pipeline.output_records import OutputRecorder
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.pipeline.previews import VoicePreviews
from orchestrator.pipeline.progress import ProgressBoard
from orchestrator.pipeline.results import Observer
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.objects import objects_of
from orchestrator.store.outputs import Outputs
from orchestrator.store.owners import remove_ownerless
from orchestrator.store.tensor_store import OWNERS
from orchestrator.webhooks.webhooks import Webhooks

OUTPUTS_SECONDS: Final = 60.0
"""Age at which the size of the outputs is read anew, which takes a look at every file."""


@dataclass(frozen=True)
class Services(Tools):
    """Services of one app; those that clips are made with are its `Tools`."""

    marking: Marking
    previews: VoicePreviews
    progress: ProgressBoard
    live: LiveSessions
    access: Access
    webhooks: Webhooks
    drain: Drain
    metrics: Metrics
    tracing: Tracing
    jobs: Jobs

    def clear(self) -> None:
        """Remove files that a killed process had begun, and open what signs."""
        self.marking.start()
        self.outputs.clear()
        for root in (self.settings.voices_path, self.settings.avatars_path):
            for folder in (root, *root.glob(f"{OWNERS}/*")):
                remove_ownerless(folder)


def make_services(settings: Settings, models: ModelManager) -> Services:
    access = Access(settings)
    outputs = Outputs(settings.outputs_path, access.links.sign)
    decoder = ImageDecoder(models.decode_gate, settings.max_image_pixels)
    portraits = Portraits(portraits_folder(settings), decoder)
    metrics, tracing = Metrics(), Tracing(settings.traces_endpoint)
    models.report_to(metrics)
    objects = objects_of(settings)
    kept = KeptOutputs(outputs, settings.retention_days, settings.retention_bytes, objects)
    marking, moderation = Marking(settings), Moderation(settings)
    sound = DerivedSound(settings, outputs, kept, marking)

    async def owner_of(path: PurePath) -> str | None:
        return await asyncio.to_thread(kept.owner_of, path)

    access.owner_of = owner_of
    observers: list[Observer] = [OutputRecorder(outputs, kept), access.meter, Measured(metrics)]
    pipeline = Pipeline(settings, models, outputs, observers, marking, moderation)
    told = access.meter, access.links.sign, marking, moderation
    live = LiveSessions(settings, models, portraits, metrics, *told)
    metrics.watch_places("clips", lambda: pipeline.clips.taken, settings.max_concurrent_clips)
    metrics.watch_places("speeches", lambda: pipeline.speeches.taken, settings.max_concurrent_speech)
    metrics.watch_places("sessions", lambda: live.count, settings.max_live_sessions)
    metrics.watch_outputs(Recent(outputs.size, OUTPUTS_SECONDS))
    allowed = access.may_read, access.check_quota, access.clips_at_once
    tools = Tools(settings, models, outputs, kept, sound, moderation, portraits, pipeline, *allowed)
    jobs, webhooks = make_jobs(tools), Webhooks(settings, on_outcome=metrics.webhook)
    jobs.on_finished.append(announcer(webhooks))
    metrics.watch_jobs(lambda: jobs.backlog.waiting, lambda: jobs.backlog.oldest_seconds)
    metrics.watch_webhooks(lambda: webhooks.pending)
    return Services(
        **vars(tools),
        marking=marking,
        previews=VoicePreviews(settings, models, pipeline),
        progress=ProgressBoard(),
        live=live,
        access=access,
        webhooks=webhooks,
        drain=Drain(settings.drain_seconds),
        metrics=metrics,
        tracing=tracing,
        jobs=jobs,
    )


def announcer(webhooks: Webhooks) -> Callable[[Job], Awaitable[None]]:
    """Observer of jobs that sends a webhook when one ends."""

    async def announce(job: Job) -> None:
        ended = job.state.completed_at
        await webhooks.notify(f"video.{job.state.status}", {"id": job.id}, job.owner, ended)

    return announce


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
