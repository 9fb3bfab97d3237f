"""Jobs as plain data, which is kept as JSON."""

import secrets
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from orchestrator.schemas.videos import JobError, Phase, Status

ID_BYTES: Final = 16
"""Chance in the id of a job: nobody guesses one."""

PREFIX: Final = "video_"

Kind = Literal["full", "video"]
"""Kind of a job: a clip of a written reply, or of given sound."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobState(_Record):
    """State of a job.

    Attributes:
        progress: 0 to 100; it never goes back.
        attempts: times that it was begun.
        retries: those of them that were begun because the attempt before had failed by the server's fault.
        failures: attempts in which a stage failed, while Triton and the writer may have been there.
        started_at, completed_at, expires_at: seconds since 1970.
        remaining: estimated seconds until it is done.
        result: the answer that a waiting client would have got.
        untold: it has ended, and it is not known that its observers were told.
    """

    status: Status = "queued"
    phase: Phase | None = None
    progress: int = 0
    attempts: int = 0
    retries: int = 0
    failures: int = 0
    started_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    remaining: float | None = None
    error: JobError | None = None
    result: dict[str, Any] | None = None
    untold: bool = False


class Job(_Record):
    """A job.

    Attributes:
        owner: id of the key that it belongs to; see `request_context.owner`.
        scopes: of that key; see `request_context.scopes`.
        client: name of the client that asked for it.
        request_id: of the request that made it; its log lines carry it too.
        fields: of the body, as JSON; a seed is among them.
        files: how many uploads there are, by name.
        created_at: seconds since 1970.
        prompt, model, seconds, size: as they were asked for, to be told again.
        warnings: about what was asked for.
        revision: grows with each change; the store counts it.
    """

    id: str
    kind: Kind
    owner: str
    client: str
    request_id: str
    fields: dict[str, Any]
    files: dict[str, int]
    created_at: float
    prompt: str | None = None
    model: str
    seconds: str | None = None
    size: str
    scopes: frozenset[str] | None = None
    warnings: tuple[str, ...] = ()
    revision: int = 0
    state: JobState = JobState()

    @property
    def ended(self) -> bool:
        return self.state.completed_at is not None

    @property
    def queued(self) -> bool:
        return self.state.status == "queued"

    @property
    def sharer(self) -> str:
        """Name whose share of the queue it takes: its owner, or where there are no keys its client."""
        return self.owner or self.client

    def in_state(self, **changes: Any) -> "Job":
        """The same job in a changed state."""
        return self.model_copy(update={"state": self.state.model_copy(update=changes)})


def new_job_id() -> str:
    return f"{PREFIX}{secrets.token_hex(ID_BYTES)}"
