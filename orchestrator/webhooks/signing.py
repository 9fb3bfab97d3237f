"""Signatures of webhooks, by the library of the Standard Webhooks."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from lumen.errors import InvalidInputException

PREFIX: Final = "whsec_"

SECRET_BYTES: Final = range(24, 64 + 1)
"""Bytes of a secret, as the standard has it."""

NEW_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A secret that nobody knows."""
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_SECRET_BYTES)).decode()


class Signer:
    """Signs with every secret: while one is rotated, receivers know the old or the new one.

    Args:
        secrets: ``whsec_`` and base64.

    Raises:
        InvalidInputException: there is none, or one is malformed; the message does not repeat it.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise InvalidInputException("WEBHOOK_SECRETS is empty; `lumen webhook secret` makes one.")
        self._keys = [Webhook(_checked(secret)) for secret in secrets]

    def headers(self, delivery: str, body: str, now: float) -> dict[str, str]:
        """Headers of a try at ``now``, in seconds since 1970; ``delivery`` is the same for all tries."""
        moment = datetime.fromtimestamp(int(now), UTC)
        signatures = [key.sign(delivery, moment, body) for key in self._keys]
        return {
            "webhook-id": delivery,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(signatures),
        }


def _checked(secret: str) -> bytes:
    """The key in a secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in SECRET_BYTES:
        raise InvalidInputException(
            f"WEBHOOK_SECRETS has one that is not {PREFIX} and base64 of {SECRET_BYTES.start} to "
            f"{SECRET_BYTES.stop - 1} bytes; `lumen webhook secret` makes one."
        )
    return key
