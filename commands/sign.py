"""``lumen sign``: a test certificate, and what is known of a signed file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.exporting import PLAIN_HELP
from lumen.reported import reported

sign = typer.Typer(
    help="Make a test certificate for signing, or check a signed file (C2PA).",
    no_args_is_help=True,
    rich_markup_mode=PLAIN_HELP,
)


@sign.command()
def init(
    folder: Annotated[Path, typer.Option(help="Where the certificate and its key go.")] = Path("sign"),
) -> None:
    """Make a test certificate and its key, and say what they are worth.

    Example: lumen sign init --folder sign
    """
    from orchestrator.marking.certificate import CHAIN, KEY, WORTH, make_test_chain

    with reported():
        make_test_chain(folder)
    path = folder.absolute()
    sys.stdout.write(
        f"SIGN_CERT={path / CHAIN}\nSIGN_KEY={path / KEY}\n\nThis is a test certificate. {WORTH}\n"
    )


@sign.command()
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An MP4 or a sound file.")],
    trust: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM file of roots that are trusted.")
    ] = None,
) -> None:
    """Check the provenance record of a file; ends with 1 where it has none, or it is not valid.

    Example: lumen sign verify clip.mp4 --trust sign/root.pem
    """
    from orchestrator.marking.signing import check_signature

    with reported():
        found = check_signature(file, None if trust is None else trust.read_text())
        if found is None:
            sys.stdout.write(f"{file} has no provenance record.\n")
            raise typer.Exit(1)
        sys.stdout.write(f"{file}: {found.state}; signed by {found.issuer or 'nobody that is named'}\n")
        for action in found.actions:
            sys.stdout.write(f"  {action['action']}: {action.get('digitalSourceType', '')}\n")
        for failure in found.failures:
            sys.stdout.write(f"  {failure}\n")
        raise typer.Exit(0 if found.valid else 1)
