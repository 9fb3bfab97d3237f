"""``lumen export download hibari``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lumen.contracts import HIBARI
from lumen.families.hibari.catalog import VOICES
from lumen.reported import reported
from lumen.settings import load_settings

FURTHER = ", ".join(name for name, file in VOICES.items() if not file.bundled)
HELP = f"Fetch a further English voice (8 MB, Apache License 2.0): {FURTHER}."


def download_hibari(
    voice: Annotated[str, typer.Argument(help="Its name.")],
    repository: Annotated[Path | None, typer.Option(help="The model repository to put it into.")] = None,
) -> None:
    """A served model finds the voice at once: it looks for the file when the voice is first asked for."""
    from export.hibari.download import download_voice

    with reported():
        folder = (repository or load_settings().model_repository) / HIBARI / "1"
        Console().print(str(download_voice(voice.strip().lower(), folder)), soft_wrap=True)
