"""``lumen objects``: what several APIs share in a bucket."""

import asyncio

import typer

from commands.exporting import PLAIN_HELP
from lumen.errors import InvalidInputException
from lumen.reported import console, reported
from lumen.settings import load_settings

objects = typer.Typer(
    help="Look after the bucket that several APIs share.",
    no_args_is_help=True,
    rich_markup_mode=PLAIN_HELP,
)


@objects.callback()
def main() -> None:
    """Hold the commands apart, however few there are."""


@objects.command()
def copy() -> None:
    """Copy the voices and avatars of this machine's disk into the bucket; what is there already stays.

    Example: OBJECTS_URL=s3://talks/lumen lumen objects copy
    """
    from orchestrator.store.bucket_store import files_of  # takes a moment to import
    from orchestrator.store.file_store import FolderStore
    from orchestrator.store.tensor_store import copy_all

    with reported():
        settings = load_settings()
        if settings.objects_url is None:
            raise InvalidInputException("OBJECTS_URL is not set; it names the bucket to copy to.")
        for label, folder in (("voices", settings.voices_path), ("avatars", settings.avatars_path)):
            target = files_of(settings, folder, label)
            copied, there = asyncio.run(copy_all(FolderStore(folder, label), target))
            console.print(f"{label}: {copied} copied, {there} were there", highlight=False)
