"""Usage of each key in a day: seconds and numbers of videos and of speech, kept over restarts."""

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.live.meter import Kind
from orchestrator.store.files import PendingFile

log = logging.getLogger("lumen")

KEPT_DAYS: Final = 31


class Used(BaseModel):
    """Sums of one key and one day (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    video_seconds: float = 0.0
    speech_seconds: float = 0.0
    videos: int = 0
    speeches: int = 0

    def plus(self, kind: Kind, seconds: float) -> "Used":
        """With one more video or speech of ``seconds``."""
        count = "videos" if kind == "video" else "speeches"
        changed = {
            f"{kind}_seconds": round(self.seconds(kind) + seconds, 3),
            count: getattr(self, count) + 1,
        }
        return self.model_copy(update=changed)

    def seconds(self, kind: Kind) -> float:
        return self.video_seconds if kind == "video" else self.speech_seconds


class UsageStore(Protocol):
    """Store of the sums."""

    async def add(self, owner: str, day: date, kind: Kind, seconds: float) -> None:
        """Add one video or speech to a key's sums."""
        ...

    async def read(self, owner: str, days: Sequence[date]) -> list[Used]:
        """The sums of a key for each of ``days``."""
        ...

    async def close(self) -> None: ...


def today() -> date:
    """Day whose quota holds now."""
    return datetime.now(UTC).date()


def seconds_left() -> int:
    """Seconds until the next day begins, at least 1."""
    now = datetime.now(UTC)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return max(1, round((midnight - now).total_seconds()))


class FileUsage:
    """Sums in a file that the processes of one machine share.

    What a full disk refuses to take is added with the next sum.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[str, date, Kind, float]] = []
        self._cached: dict[str, dict[str, Used]] = {}
        self._seen: tuple[int, int] | None = None
        self._lock = asyncio.Lock()

    async def add(self, owner: str, day: date, kind: Kind, seconds: float) -> None:
        async with self._lock:
            self._waiting.append((owner, day, kind, seconds))
            await asyncio.to_thread(self._flush)

    async def read(self, owner: str, days: Sequence[date]) -> list[Used]:
        async with self._lock:
            found: Mapping[str, Mapping[str, Used]] = await asyncio.to_thread(self._read)
            if self._waiting:
                found = _added(found, self._waiting)
        return [found.get(day.isoformat(), {}).get(owner, Used()) for day in days]

    async def close(self) -> None:
        """Nothing is open."""

    def _flush(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._write(_added(self._read(), self._waiting))
            finally:
                os.close(lock)
        except OSError as error:
            log.error("The usage cannot be written to %s (%s)", self._path.name, error.strerror)
            del self._waiting[:-10_000]
        else:
            self._waiting.clear()

    def _write(self, days: Mapping[str, Mapping[str, Used]]) -> None:
        first = (today() - timedelta(days=KEPT_DAYS)).isoformat()
        kept = {
            day: {owner: used.model_dump() for owner, used in owners.items()}
            for day, owners in days.items()
            if day > first
        }
        file = PendingFile(self._path)
        with file.discarded_on_error():
            file.path.write_text(json.dumps(kept), encoding="utf-8")
            file.publish()

    def _read(self) -> dict[str, dict[str, Used]]:
        """The file's sums by day and owner; a damaged file is put aside."""
        try:
            state = self._path.stat()
            if self._seen != (state.st_mtime_ns, state.st_ino):
                self._cached = _parse(self._path.read_bytes())
                self._seen = state.st_mtime_ns, state.st_ino
        except FileNotFoundError:
            self._cached, self._seen = {}, None
        except OSError as error:
            log.error("The usage cannot be read from %s (%s)", self._path.name, error.strerror)
        except (ValidationError, ValueError, AttributeError) as error:
            log.error("%s is damaged (%s); it is put aside", self._path.name, type(error).__name__)
            with suppress(OSError):
                self._path.replace(self._path.with_name(self._path.name + ".damaged"))
            self._cached, self._seen = {}, None
        return self._cached


def _parse(data: bytes) -> dict[str, dict[str, Used]]:
    days: dict[str, dict[str, Any]] = json.loads(data)
    return {
        day: {owner: Used.model_validate(used) for owner, used in owners.items()}
        for day, owners in days.items()
    }


def _added(
    days: Mapping[str, Mapping[str, Used]], more: Sequence[tuple[str, date, Kind, float]]
) -> dict[str, dict[str, Used]]:
    found = {day: dict(owners) for day, owners in days.items()}
    for owner, day, kind, seconds in more:
        owners = found.setdefault(day.isoformat(), {})
        owners[owner] = owners.get(owner, Used()).plus(kind, seconds)
    return found
