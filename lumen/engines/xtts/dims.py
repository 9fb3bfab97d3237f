"""The sizes of an XTTS checkpoint: written into every artefact's manifest, read by what serves it."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from lumen.errors import ModelLoadException

MANIFEST: Final = "manifest.json"

CODE_SAMPLES: Final = 1024
"""Samples at 22.05 kHz that one audio code stands for: 21.53 codes per second."""


@dataclass(frozen=True)
class XttsDims:
    """The sizes of the GPT and its vocabularies; the defaults are the released XTTS v2.

    Attributes:
        layers: transformer blocks.
        width: of a hidden state and of a latent.
        heads: attention heads; a head is ``width // heads`` wide.
        text_vocabulary: text ids, special ones included.
        audio_vocabulary: audio codes, start and stop included.
        start_text, stop_text: ids around the text.
        start_audio, stop_audio: codes around the speech.
        max_text: text ids of one sentence at most; with start and stop they have two positions more.
        max_audio: audio codes of one sentence at most.
    """

    layers: int = 30
    width: int = 1024
    heads: int = 16
    text_vocabulary: int = 6681
    audio_vocabulary: int = 1026
    start_text: int = 261
    stop_text: int = 0
    start_audio: int = 1024
    stop_audio: int = 1025
    max_text: int = 402
    max_audio: int = 605

    def to_json(self) -> dict[str, int]:
        return asdict(self)


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
            with (folder / name).open("rb") as file:
                digest = hashlib.sha256()
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise ModelLoadException(
                f"Cannot read {folder / name}: {error}; run `lumen export xtts`."
            ) from error
        if digest.hexdigest() != expected:
            raise ModelLoadException(
                f"{folder / name} has SHA-256 {digest.hexdigest()[:12]}..., the manifest says "
                f"{expected[:12]}...: damaged or from another export; run `lumen export xtts` again."
            )
