"""What an export of XTTS leaves for serving: files, and the manifest that they are checked by."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from lumen.engines.onnx_file import MANIFEST
from lumen.engines.xtts.dims import XttsDims
from lumen.errors import ModelLoadException
from lumen.files import sha256

VOCABULARY: Final = "vocab.json"
"""Of the text, beside the model `xtts`; the checkpoint's own."""

SPEAKERS: Final = "speakers.safetensors"
"""The checkpoint's voices, beside the model `xtts`: for each name, ``<name>/gpt_cond_latent`` [32, width]
and ``<name>/speaker_embedding`` [512], float32."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest beside an artefact.

    Raises:
        ModelLoadException: there is none, or it cannot be read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ModelLoadException(f"{folder} has no {MANIFEST}; run `lumen export xtts`.") from error
    except ValueError as error:
        raise ModelLoadException(f"{path} is not JSON: {error}; run `lumen export xtts` again.") from error
    if not isinstance(manifest, dict):
        raise ModelLoadException(f"{path} is not a JSON object; run `lumen export xtts` again.")
    return manifest


def dims_of(manifest: dict[str, Any]) -> XttsDims:
    """The sizes in a manifest.

    Raises:
        ModelLoadException: they are not those of this version.
    """
    try:
        return XttsDims(**manifest["dims"])
    except (KeyError, TypeError) as error:
        raise ModelLoadException(
            f"The manifest's dims do not fit this version ({error}); run `lumen export xtts` again."
        ) from error


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    """Compare all files of an artefact with its manifest.

    Raises:
        ModelLoadException: one is missing or not the one that was exported.
    """
    for name, expected in manifest.get("files", {}).items():
        try:
            found = sha256(folder / name)
        except OSError as error:
            raise ModelLoadException(
                f"Cannot read {folder / name}: {error}; run `lumen export xtts`."
            ) from error
        if found != expected:
            raise ModelLoadException(
                f"{folder / name} has SHA-256 {found[:12]}..., the manifest says "
                f"{expected[:12]}...: damaged or from another export; run `lumen export xtts` again."
            )


def check_one_checkpoint(folder: Path, others: Iterable[str]) -> None:
    """Compare where the artefacts of a repository come from: an export that was killed leaves a mixture.

    Args:
        folder: an artefact's, ``<repository>/<model>/<version>``.
        others: models; those that are not there are not compared.

    Raises:
        ModelLoadException: one was exported from another checkpoint.
    """
    source = read_manifest(folder).get("source_sha256")
    for other in (folder.parents[1] / name / folder.name for name in others):
        if (other / MANIFEST).is_file() and (found := read_manifest(other).get("source_sha256")) != source:
            raise ModelLoadException(
                f"{other} was exported from the checkpoint {str(found)[:12]}..., {folder} from "
                f"{str(source)[:12]}...: they do not belong together; run `lumen export xtts` again."
            )
