"""Fetches voices of hibari that are not in its package."""

from pathlib import Path

from export.hub import HubRepository, fetch
from lumen.errors import InvalidInputException
from lumen.families.hibari.catalog import REPOSITORY, VOICES

FOLDER = "voices"
"""The folder of the hub's repository that holds the voices."""


def download_voice(voice: str, folder: Path, hub: HubRepository | None = None) -> Path:
    """Fetch a voice (8 MB, Apache License 2.0) into ``folder``, or what of it is missing there.

    Args:
        voice: a name of the catalogue.
        hub: where the file is; the package's own repository without it.

    Returns:
        The file.

    Raises:
        InvalidInputException: there is no such voice, it is in the package, or the hub has another file.
        ServiceUnavailableException: the hub cannot be reached, or what came is damaged.
        StorageException: there is no room.
    """
    names = [name for name, file in VOICES.items() if not file.bundled]
    if voice not in names:
        raise InvalidInputException(f"Got the voice {voice[:40]!r}, expected one of: {', '.join(names)}.")
    file = VOICES[voice]
    name = f"{FOLDER}/{file.name}"
    (path,) = fetch(hub or HubRepository(REPOSITORY), [name], folder, {name: file.sha256})
    return path
