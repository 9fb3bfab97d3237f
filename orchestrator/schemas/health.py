"""Bodies of ``/``, ``/health``, ``/livez``, ``/readyz`` and ``/api/status``."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from orchestrator.schemas.answers import Answer


class RootResponse(Answer):
    status: Literal["ok"]
    service: str
    version: str
    docs: str


class ReadyResponse(Answer):
    status: Literal["live", "ready"]


class ModelHealth(BaseModel):
    state: str = Field(description="READY, UNLOADED, LOADING, UNAVAILABLE")
    reason: str = ""
    inferences: int = Field(default=0, description="answered, batched ones counted singly")
    executions: int = Field(default=0, description="executed batches")
    failures: int = 0
    mean_ms: float | None = Field(default=None, description="mean time of an answered request")


class GpuHealth(BaseModel):
    uuid: str
    utilization: float | None = Field(None, description="0 to 1")
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None


class TritonHealth(BaseModel):
    live: bool
    ready: bool
    version: str | None
    url: str


class HealthResponse(Answer):
    status: Literal["healthy", "degraded"] = Field(description="degraded: generation does not work now")
    version: str
    triton: TritonHealth
    models: dict[str, ModelHealth] = Field(description="the models of the chain")
    gpu_enabled: bool
    gpus: list[GpuHealth] = Field(description="that Triton sees; none without a GPU")
    active_clips: int
    live_sessions: int = Field(description="conversations that go on")


class StatusResponse(Answer):
    version: str
    profile: str
    parts: dict[str, str]
    gemini_configured: bool
    configuration: dict[str, Any]
    limits: dict[str, Any]
    portraits: list[str]
    marking: dict[str, Any] = Field(description="how what is made tells that a machine made it")
    languages: dict[str, str] = Field(description="codes with the languages' English names")
    voices: list[str] = Field(description="names; /api/voices says more")
