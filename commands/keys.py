"""``lumen keys``: who may use the API."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from commands.exporting import PLAIN_HELP
from lumen.errors import InvalidInputException
from lumen.reported import console, reported
from lumen.settings import load_settings
from orchestrator.access.key_file import KeyFile
from orchestrator.access.keys import ApiKey, Scope, read_quota

keys = typer.Typer(
    help="Make, list and end the keys of the API; a running one follows within a second.",
    no_args_is_help=True,
    rich_markup_mode=PLAIN_HELP,
)

Name = Annotated[str, typer.Argument(help="Name or id of the key.")]


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it: who will use it.")],
    scopes: Annotated[
        str, typer.Option(help="generate, manage (avatars and voices) and admin, comma-separated.")
    ] = "generate,manage",
    quota: Annotated[
        str | None,
        typer.Option(help="Seconds a day of video and of speech: 3600, or video=3600,speech=7200."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Requests, such as 100/minute; RATE_LIMIT without it.")
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="Clips, jobs among them, and conversations, at once.")
    ] = None,
) -> None:
    """Make a key. It is shown once and kept as a hash.

    Example: lumen keys add storefront --scopes generate --quota video=3600 --rate 300/minute
    """
    with reported():
        key, token = _file().add(name, _scopes(scopes), rate, read_quota(quota, clips))
        console.print(
            f"The key {key.name} ({key.id}); it is not shown again:", style="yellow", highlight=False
        )
        sys.stdout.write(f"{token}\n")


@keys.command("list")
def list_keys() -> None:
    """List the keys: name, id, scopes and bounds.

    Example: lumen keys list
    """
    with reported():
        table = Table()
        for name in ("name", "id", "scopes", "rate", "video s/day", "speech s/day", "clips", "created", ""):
            table.add_column(name, overflow="fold", no_wrap=name == "id")
        for key in _file().read().keys:
            table.add_row(*_row(key))
        Console().print(table)


@keys.command()
def disable(name: Name) -> None:
    """Refuse a key until it is enabled again.

    Example: lumen keys disable storefront
    """
    with reported():
        key = _file().disable(name, disabled=True)
        console.print(f"{key.name} is refused from now on", highlight=False)


@keys.command()
def enable(name: Name) -> None:
    """Take a key again that was disabled.

    Example: lumen keys enable storefront
    """
    with reported():
        key = _file().disable(name, disabled=False)
        console.print(f"{key.name} is taken again", highlight=False)


@keys.command()
def remove(name: Name) -> None:
    """Forget a key. What belongs to it is for admins alone afterwards.

    Example: lumen keys remove storefront
    """
    with reported():
        key = _file().remove(name)
        console.print(f"{key.name} is removed", highlight=False)


def _file() -> KeyFile:
    return KeyFile(load_settings().keys_path)


def _scopes(text: str) -> frozenset[Scope]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return frozenset(Scope(name) for name in names)
    except ValueError:
        raise InvalidInputException(f"The scopes are {text!r}; there are: {', '.join(Scope)}.") from None


def _row(key: ApiKey) -> list[str]:
    bounds = (key.rate, key.quota.video_seconds, key.quota.speech_seconds, key.quota.clips)
    shown = [
        "" if bound is None else f"{bound:g}" if isinstance(bound, float) else str(bound) for bound in bounds
    ]
    scopes = ", ".join(scope for scope in Scope if scope in key.scopes)
    return [key.name, key.id, scopes, *shown, str(key.created), "disabled" if key.disabled else ""]
