"""Finished files under ``/outputs``."""

import os
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

CACHE_CONTROL: Final = "private, max-age=86400, immutable"
"""A file never changes under its name, which is used once; after a day it is asked for again."""


class OutputFiles(StaticFiles):
    """Serves what is finished: files that are still being written are hidden ones."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        hidden = any(part.startswith(".") for part in path.split(os.sep) if part != ".")
        return ("", None) if hidden else super().lookup_path(path)

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = CACHE_CONTROL
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
