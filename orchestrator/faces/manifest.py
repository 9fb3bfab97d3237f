"""The manifest of a checkpoint, read when its file changes and not when somebody asks."""

import os
from pathlib import Path
from typing import Any, Final

from lumen.errors import ModelLoadException
from lumen.runtime.artifacts import read_manifest
from lumen.runtime.onnx_file import MANIFEST

VERSION: Final = "1"
"""Folder of a model in the repository that holds its files."""


class Manifest:
    """Manifest of an exported checkpoint; empty where it is not on this machine.

    Args:
        repository: the model repository.
        model: whose folder has the manifest; None for a part without a checkpoint.
    """

    def __init__(self, repository: Path, model: str | None) -> None:
        self._folder = None if model is None else repository / model / VERSION
        self._state: tuple[int, int] | None = None
        self._manifest: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """A value of the manifest; None where it has none."""
        if self._folder is not None and (state := _state(self._folder / MANIFEST)) != self._state:
            self._state, self._manifest = state, _read(self._folder)
        return self._manifest.get(name)


def _state(path: Path) -> tuple[int, int] | None:
    """Time of the last change and size of a file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read(folder: Path) -> dict[str, Any]:
    try:
        return read_manifest(folder, "lumen export")
    except ModelLoadException:
        return {}
