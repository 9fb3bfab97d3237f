"""Finished files under ``/outputs``."""

import asyncio
import os
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Receive, Scope, Send

from orchestrator.media.derived_sound import DerivedSound
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.objects import Method
from orchestrator.store.outputs import SERVED, Outputs

CACHE_CONTROL: Final = "private, max-age=86400, immutable"
"""A file never changes under its name, which is used once; after a day it is asked for again."""

FILE_HEADERS: Final = {"Cache-Control": CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}

FOUND: Final = 302
NOT_FOUND: Final = 404


METHODS: Final[dict[str, Method]] = {"GET": "GET", "HEAD": "HEAD"}
"""Methods whose addresses are signed; a signature is for one of them."""


def address_elsewhere(path: Path, method: Method, kept: KeptOutputs) -> str | None:
    """Address in the bucket of a file that is not on this machine; may ask the bucket, so use a thread.

    Raises:
        ServiceUnavailableException: the bucket's server is away.
    """
    # Unlike Path.is_file, this takes names that no file system takes.
    return None if os.path.isfile(path) else kept.address(path, method)


def elsewhere(address: str) -> Response:
    """The answer that sends a client to a signed address, whose time is short."""
    return RedirectResponse(address, FOUND, {"Cache-Control": "no-store"})


def _is_served(path: str) -> bool:
    """Whether a path is of a finished file in one of the folders of outputs."""
    kind, *parts = path.split(os.sep)
    return kind in SERVED and not any(part.startswith(".") for part in parts)


class OutputFiles(StaticFiles):
    """Serves what is finished: files that are still being written are hidden ones.

    What another API made is fetched from the bucket: the answer is its signed address there. What is being
    fetched from here is not removed by its age or size. The WAV of sound that is kept compressed is made
    when it is asked for.
    """

    def __init__(self, outputs: Outputs, kept: KeptOutputs, sound: DerivedSound) -> None:
        super().__init__(directory=outputs.root, check_dir=False)
        self._root = outputs.root
        self._kept = kept
        self._sound = sound

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._kept.lease(Path(self.get_path(scope))):
            await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        method = METHODS.get(scope["method"])
        if method is not None and _is_served(path):
            address = await asyncio.to_thread(address_elsewhere, self._root / path, method, self._kept)
            if address is not None:
                return elsewhere(address)
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == NOT_FOUND:
                error.detail = "there is no such file (any more); GET /api/outputs lists what is kept"
            raise

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        if not _is_served(path):
            return "", None
        found = super().lookup_path(path)
        if found[1] is None and self._sound.make(self._root / path):
            return super().lookup_path(path)
        return found

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(FILE_HEADERS)
        return response


class KeptFile(FileResponse):
    """A finished file under another address, which is not removed while it is fetched."""

    def __init__(self, path: Path, media_type: str, kept: KeptOutputs) -> None:
        super().__init__(path, media_type=media_type, headers=FILE_HEADERS)
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._kept.lease(Path(self.path)):
            await super().__call__(scope, receive, send)
