"""Tools that a request is served with."""

from typing import Protocol

from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.portraits import Portraits
from orchestrator.pipeline.pipeline import Pipeline
from orchestrator.store.outputs import Outputs


class Tools(Protocol):
    """Settings, parts, pictures, files and pipeline of one app."""

    @property
    def settings(self) -> Settings: ...

    @property
    def models(self) -> ModelManager: ...

    @property
    def outputs(self) -> Outputs: ...

    @property
    def portraits(self) -> Portraits: ...

    @property
    def pipeline(self) -> Pipeline: ...
