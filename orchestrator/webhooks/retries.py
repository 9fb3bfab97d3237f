"""Pauses between the tries of a delivery."""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final

JITTER: Final = 0.2
"""Part of a pause that chance adds or takes, so that what failed together does not come back together."""

LONGEST_RETRY_AFTER: Final = 24 * 3600.0
"""Seconds that an endpoint may ask to be left alone; longer ones count as this."""


def pause_after(tries: int, pauses: Sequence[float], retry_after: float | None) -> float | None:
    """Seconds until the next try after ``tries`` of them; None where that was the last.

    Args:
        pauses: between the tries, in seconds.
        retry_after: the least pause that the endpoint asks for.
    """
    if tries > len(pauses):
        return None
    pause = pauses[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(pause, retry_after or 0.0)


def read_retry_after(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header names: a number, or a date (RFC 9110, section 10.2.3)."""
    if header is None:
        return None
    text = header.strip()
    seconds: float | None = None
    if text.isascii() and text.isdecimal():
        seconds = float(text)
    else:
        with suppress(ValueError, OverflowError):
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
