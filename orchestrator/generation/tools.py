"""Tools that a request is served with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import Portraits
from orchestrator.media.derived_sound import DerivedSound
from orchestrator.moderation.moderation import Moderation
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs
from orchestrator.store.records import Kind


@dataclass(frozen=True)
class Tools:
    """Settings, parts, files, moderation, pictures and pipeline of one app.

    Attributes:
        may_read: whether the request may read the file at an address under ``/outputs``.
        check_quota: refuses what goes beyond the quota of the request's key, or is asked with a key that is
            not valid any more.
        clips_at_once: clips that a key may have at once, by its id; None: no bound of its own.
    """

    settings: Settings
    models: ModelManager
    outputs: Outputs
    kept: KeptOutputs
    sound: DerivedSound
    moderation: Moderation
    portraits: Portraits
    pipeline: Pipeline
    may_read: Callable[[str], Awaitable[bool]]
    check_quota: Callable[[Kind], Awaitable[None]]
    clips_at_once: Callable[[str], int | None]
