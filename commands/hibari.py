"""``lumen export download hibari``."""

from typing import Annotated

import typer
from rich.console import Console

from commands.exporting import Repository
from lumen.contracts import HIBARI
from lumen.families.hibari.catalog import VOICES
from lumen.reported import reported
from lumen.settings import load_settings

FURTHER = ", ".join(name for name, file in VOICES.items() if not file.bundled)
HELP = (
    f"Fetch a further English voice (8 MB, Apache License 2.0): {FURTHER}.\n\n"
    f"Example: lumen export download hibari {FURTHER.partition(',')[0]}"
)


def download_hibari(
    voice: Annotated[str, typer.Argument(help="Its name.")],
    repository: Repository = None,
) -> None:
    """A served model finds the voice at once: it looks for the file when the voice is first asked for."""
    with reported():
        from export.hibari.download import download_voice

        folder = (repository or load_settings().model_repository) / HIBARI / "1"
        Console().print(str(download_voice(voice.strip().lower(), folder)), soft_wrap=True)
