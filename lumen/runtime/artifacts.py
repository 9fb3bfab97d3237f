"""Exported files, and the manifest that they are checked by.

``command`` is what makes them, for messages: ``lumen export xtts``, for one.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lumen.errors import ModelLoadException
from lumen.files import sha256
from lumen.runtime.onnx_file import MANIFEST


def read_manifest(folder: Path, command: str) -> dict[str, Any]:
    """The manifest beside an artifact.

    Raises:
        ModelLoadException: there is none, or it cannot be read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ModelLoadException(f"{folder} has no {MANIFEST}; run `{command}`.") from error
    except ValueError as error:
        raise ModelLoadException(f"{path} is not JSON: {error}; run `{command}` again.") from error
    if not isinstance(manifest, dict):
        raise ModelLoadException(f"{path} is not a JSON object; run `{command}` again.")
    return manifest


def check_files(folder: Path, manifest: dict[str, Any], command: str) -> None:
    """Compare all files of an artifact with its manifest.

    Raises:
        ModelLoadException: one is missing or not the one that was exported.
    """
    for name, expected in manifest.get("files", {}).items():
        try:
            found = sha256(folder / name)
        except OSError as error:
            raise ModelLoadException(f"Cannot read {folder / name}: {error}; run `{command}`.") from error
        if found != expected:
            raise ModelLoadException(
                f"{folder / name} has SHA-256 {found[:12]}..., the manifest says "
                f"{expected[:12]}...: damaged or from another export; run `{command}` again."
            )


def check_one_checkpoint(folder: Path, others: Iterable[str], command: str) -> None:
    """Compare where the artifacts of a repository come from: an export that was killed leaves a mixture.

    Args:
        folder: an artifact's, ``<repository>/<model>/<version>``.
        others: models; those that are not there are not compared.

    Raises:
        ModelLoadException: one was exported from another checkpoint.
    """
    source = read_manifest(folder, command).get("source_sha256")
    for other in (folder.parents[1] / name / folder.name for name in others):
        if not (other / MANIFEST).is_file():
            continue
        found = read_manifest(other, command).get("source_sha256")
        if found != source:
            raise ModelLoadException(
                f"{other} was exported from the checkpoint {str(found)[:12]}..., {folder} from "
                f"{str(source)[:12]}...: they do not belong together; run `{command}` again."
            )
