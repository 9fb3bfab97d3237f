"""``lumen webhook``: secrets, and a test of an endpoint."""

import asyncio
import sys
import time
from typing import Annotated

import typer

from commands.exporting import PLAIN_HELP
from lumen.reported import reported
from lumen.settings import Settings, load_settings

webhook = typer.Typer(
    help="Make secrets for webhooks, and test an endpoint.",
    no_args_is_help=True,
    rich_markup_mode=PLAIN_HELP,
)


@webhook.command()
def secret() -> None:
    """Print a new secret for WEBHOOK_SECRETS.

    Example: lumen webhook secret
    """
    from orchestrator.webhooks.signing import new_secret

    sys.stdout.write(f"{new_secret()}\n")


@webhook.command("test")
def send_test(
    url: Annotated[str, typer.Argument(help="The endpoint's address.")],
    profile: Annotated[str | None, typer.Option(help="A profile of configs/, or a path to one.")] = None,
) -> None:
    """Post a signed event, webhook.test, once, and say what the endpoint answered.

    Example: lumen webhook test https://example.com/hooks
    """
    with reported():
        raise typer.Exit(asyncio.run(_sent(url, load_settings(profile))))


async def _sent(url: str, settings: Settings) -> int:
    """Exit status of a try: 0 where the endpoint took the event."""
    from orchestrator.request_context import EVERYONE
    from orchestrator.webhooks.delivery import TEST_EVENT, new_delivery
    from orchestrator.webhooks.webhooks import make_sender

    delivery = new_delivery(url, TEST_EVENT, {"text": "A test of this endpoint."}, EVERYONE, time.time())
    async with make_sender(settings, [url]) as sender:
        attempt = await sender.send(delivery)
    outcome = f"answered {attempt.status}" if attempt.error is None else attempt.error
    sys.stdout.write(f"{delivery.id}: {outcome} ({attempt.seconds:.2f} s)\n")
    return 0 if attempt.error is None else 1
