"""Finished files under ``/outputs``."""

import os
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Receive, Scope, Send

from orchestrator.media.derived_sound import DerivedSound
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs

CACHE_CONTROL: Final = "private, max-age=86400, immutable"
"""A file never changes under its name, which is used once; after a day it is asked for again."""

NOT_FOUND: Final = 404


class OutputFiles(StaticFiles):
    """Serves what is finished: files that are still being written are hidden ones.

    What is being fetched is not removed by its age or size. The WAV of sound that is kept compressed is made
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
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == NOT_FOUND:
                error.detail = "there is no such file (any more); GET /api/outputs lists what is kept"
            raise

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        if any(part.startswith(".") for part in path.split(os.sep) if part != "."):
            return "", None
        found = super().lookup_path(path)
        if found[1] is None and self._sound.make(self._root / path):
            return super().lookup_path(path)
        return found

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = CACHE_CONTROL
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
