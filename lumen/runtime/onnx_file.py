"""The ONNX file of a model version, checked before ONNX Runtime sees it."""

import json
from pathlib import Path
from typing import Final

from lumen.errors import ModelLoadException
from lumen.files import sha256

DEFAULT_FILE: Final = "model.onnx"
MANIFEST: Final = "manifest.json"
"""File beside the model, written by its exporter; ``sha256`` is the hash of the model file."""


def find_model(version: Path, filename: str) -> Path:
    """The checked model file.

    Args:
        version: directory of the model's version.
        filename: ``default_model_filename`` of its configuration; "" for ``model.onnx``. A
            directory of that name holds a ``model.onnx``.

    Raises:
        ModelLoadException: it is missing, empty, or not the file that the manifest describes.
    """
    path = version / (filename or DEFAULT_FILE)
    if path.is_dir():
        path = path / DEFAULT_FILE
    if not path.is_file():
        raise ModelLoadException(f"model file {path} is missing: export the model, or copy its file there")
    if path.stat().st_size == 0:
        raise ModelLoadException(f"model file {path} is empty: export the model again")
    manifest = path.parent / MANIFEST
    if manifest.is_file():
        _check_hash(path, manifest)
    return path


def _check_hash(path: Path, manifest: Path) -> None:
    expected = _expected_hash(manifest)
    actual = sha256(path)
    if actual != expected:
        raise ModelLoadException(
            f"model file {path} has SHA-256 {actual[:12]}..., {MANIFEST} says {expected[:12]}...: "
            "one of them is damaged or from another export; export the model again"
        )


def _expected_hash(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_bytes())["sha256"]).lower()
    except (ValueError, KeyError, TypeError):
        raise ModelLoadException(f"{manifest} is not JSON with a sha256: export the model again") from None
