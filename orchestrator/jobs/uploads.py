"""Files that came with jobs, kept until the jobs have ended."""

import asyncio
import re
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from lumen.errors import GenerationException
from orchestrator.store.files import disk_errors

JOB_ID: Final = re.compile(r"video_[0-9a-f]{32}")
"""Folders that are a job's."""

Files = Mapping[str, Sequence[bytes]]


class Uploads(Protocol):
    """Keeps the uploads of jobs."""

    async def save(self, job_id: str, files: Files) -> None:
        """Keep them, all or none. Raises StorageException."""
        ...

    async def load(self, job_id: str, counts: Mapping[str, int]) -> dict[str, list[bytes]]:
        """Read them: so many of each name.

        Raises:
            GenerationException: they are not there any more.
        """
        ...

    async def remove(self, job_id: str) -> None:
        """Let them go, where there are some."""
        ...


class FolderUploads:
    """Keeps them in a folder, in a folder of its own for each job: ``<name>-<index>``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(self, job_id: str, files: Files) -> None:
        if files:
            await asyncio.to_thread(self._save, job_id, files)

    async def load(self, job_id: str, counts: Mapping[str, int]) -> dict[str, list[bytes]]:
        return await asyncio.to_thread(self._load, job_id, counts)

    async def remove(self, job_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._root / job_id, ignore_errors=True)

    def keep_only(self, job_ids: Collection[str], age: float) -> None:
        """Remove what is older than ``age`` seconds and belongs to no job of these ids; blocks."""
        for folder in self._root.glob("video_*"):
            if JOB_ID.fullmatch(folder.name) and folder.name not in job_ids:
                with suppress(OSError):  # its job has just ended
                    if time.time() - folder.stat().st_mtime >= age:
                        shutil.rmtree(folder, ignore_errors=True)

    def _save(self, job_id: str, files: Files) -> None:
        folder = self._root / job_id
        try:
            with disk_errors(folder, "jobs"):
                folder.mkdir(parents=True, exist_ok=True)
                for name, uploads in files.items():
                    for index, data in enumerate(uploads):
                        (folder / f"{name}-{index}").write_bytes(data)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _load(self, job_id: str, counts: Mapping[str, int]) -> dict[str, list[bytes]]:
        folder = self._root / job_id
        try:
            return {
                name: [(folder / f"{name}-{index}").read_bytes() for index in range(count)]
                for name, count in counts.items()
            }
        except OSError as error:
            raise GenerationException(f"The job's uploads cannot be read: {error.strerror}.") from error
