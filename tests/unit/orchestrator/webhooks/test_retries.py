"""Pauses grow by the settings, and an endpoint may ask for longer ones."""

import time
from email.utils import formatdate

import pytest

from orchestrator.webhooks.retries import JITTER, LONGEST_RETRY_AFTER, pause_after, read_retry_after


def test_pauses() -> None:
    """Each pause is the settings', give or take the jitter, and there is none after the last try."""
    pauses = [5.0, 300.0]
    for tries, pause in enumerate(pauses, 1):
        found = {pause_after(tries, pauses, None) for _ in range(20)}
        assert all(pause * (1 - JITTER) <= each <= pause * (1 + JITTER) for each in found if each)
        assert len(found) > 1
    assert pause_after(3, pauses, None) is None
    assert pause_after(3, pauses, 9.0) is None


def test_what_the_endpoint_asks_for() -> None:
    """Retry-After lengthens a pause and never shortens it."""
    assert pause_after(1, [5.0], 100.0) == 100.0
    assert (pause_after(1, [5.0], 0.5) or 0) >= 4.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 30, LONGEST_RETRY_AFTER),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """A number or a date, within bounds; anything else says nothing."""
    assert read_retry_after(header) == seconds


def test_retry_after_a_date() -> None:
    assert read_retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
