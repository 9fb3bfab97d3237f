"""Tools that a request is served with."""

from dataclasses import dataclass

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import Portraits
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.store.outputs import Outputs


@dataclass(frozen=True)
class Tools:
    """Settings, parts, files, pictures and pipeline of one app."""

    settings: Settings
    models: ModelManager
    outputs: Outputs
    portraits: Portraits
    pipeline: Pipeline
