"""Puts a Whisper model, a folder in CTranslate2's format, where the model ``whisper`` looks for it."""

import shutil
from pathlib import Path
from typing import Final

from export.hub import HubRepository, fetch
from export.transfer import translate_errors
from lumen.errors import InvalidInputException
from lumen.families.whisper.family import FAMILY

VOCABULARIES: Final = ("vocabulary.txt", "vocabulary.json")
"""Names of the vocabulary, of which a model has one."""

OPTIONAL: Final = "preprocessor_config.json"
"""Says how many bands the spectrogram has, where they are not 80."""

NETWORK: Final = FAMILY.files[-1]
"""The network, which comes last: without it a folder counts as no model."""


def download_whisper(hub: HubRepository, folder: Path, sha256: str | None = None) -> Path:
    """Fetch a model into ``folder``, or what of it is missing there; each file is checked by the hub's hash.

    Args:
        hub: such as ``Systran/faster-whisper-base``.
        sha256: that the network has to have, whatever the hub says.

    Raises:
        InvalidInputException: it is no Whisper model of CTranslate2's, or the hub has another network.
        ServiceUnavailableException: the hub cannot be reached, or what came is damaged.
        StorageException: there is no room.
    """
    *small, network = FAMILY.files
    fetch(hub, small, folder)
    vocabulary = _fetch_any(hub, VOCABULARIES, folder)
    if not vocabulary:
        raise InvalidInputException(f"{hub.name} has no {' and no '.join(VOCABULARIES)}.")
    _remove_others(folder, [*vocabulary, *_fetch_any(hub, (OPTIONAL,), folder)])
    (path,) = fetch(hub, [network], folder, {} if sha256 is None else {network: sha256})
    return path


def _fetch_any(hub: HubRepository, names: tuple[str, ...], folder: Path) -> list[str]:
    """Fetch the first of files that the hub has; its name, if it has one."""
    for name in names:
        try:
            fetch(hub, [name], folder)
        except InvalidInputException:
            continue
        return [name]
    return []


def _remove_others(folder: Path, kept: list[str]) -> None:
    """Remove those of a model before this one that would be read with it."""
    for name in {*VOCABULARIES, OPTIONAL}.difference(kept):
        (folder / name).unlink(missing_ok=True)


def install_whisper(source: Path, folder: Path) -> Path:
    """Copy a model that is there already into ``folder``.

    Raises:
        InvalidInputException: it is no Whisper model of CTranslate2's.
        StorageException: there is no room.
    """
    vocabulary = [name for name in VOCABULARIES if (source / name).is_file()]
    missing = [name for name in FAMILY.files if not (source / name).is_file()]
    if missing or not vocabulary:
        raise InvalidInputException(
            f"{source} has no {(missing or VOCABULARIES)[0]}: it is no Whisper model in CTranslate2's "
            "format; ct2-transformers-converter makes one of OpenAI's."
        )
    optional = [OPTIONAL] if (source / OPTIONAL).is_file() else []
    with translate_errors(str(source), NETWORK, folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_others(folder, [*vocabulary, *optional])
        for name in [*vocabulary, *optional, *FAMILY.files]:
            part = folder / f".{name}.part"
            shutil.copyfile(source / name, part)
            part.replace(folder / name)
    return folder / NETWORK
