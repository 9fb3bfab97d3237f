"""``lumen export whisper`` and ``lumen export download whisper``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from commands.exporting import Repository
from lumen.contracts import WHISPER
from lumen.reported import reported
from lumen.settings import load_settings


def export_whisper(
    folder: Annotated[Path, typer.Argument(help="A Whisper model in CTranslate2's format.")],
    repository: Repository = None,
) -> None:
    """Take a Whisper model that is on this machine for recognising speech (LISTENER=whisper).

    Example: lumen export whisper ~/faster-whisper-small
    """
    with reported():
        from export.whisper.install import install_whisper

        Console().print(str(install_whisper(folder.expanduser(), _target(repository))), soft_wrap=True)


def download_whisper(
    name: Annotated[str, typer.Argument(help="A repository of the hub.")] = "Systran/faster-whisper-base",
    revision: Annotated[str, typer.Option(help="A branch, tag or commit of it.")] = "main",
    sha256: Annotated[str | None, typer.Option(help="Hash that its model.bin has to have.")] = None,
    repository: Repository = None,
) -> None:
    """Fetch a Whisper model for recognising speech (base: 150 MB, MIT; LISTENER=whisper).

    Example: lumen export download whisper Systran/faster-whisper-small
    """
    with reported():
        from export.hub import HubRepository
        from export.whisper.install import download_whisper

        found = download_whisper(HubRepository(name, revision), _target(repository), sha256)
        Console().print(str(found), soft_wrap=True)


def _target(repository: Path | None) -> Path:
    return (repository or load_settings().model_repository) / WHISPER / "1"
