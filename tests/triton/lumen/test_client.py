"""The command line's client in front of servers that are not LUMEN's."""

import asyncio

import pytest

from lumen.client import Clip, LumenClient, Progress
from lumen.errors import ServiceUnavailableException
from tests.support.api_server import Api, assert_error
from tests.support.waiting import wait_until

TIMEOUT = 0.6
"""Seconds without progress that the client waits in these tests."""


async def test_a_clip_that_does_not_get_on_is_given_up(api: Api) -> None:
    """The client says so, and leaves; then the API stops the work and knows the clip no more."""
    seen: list[Progress] = []
    async with LumenClient(api.url) as client:
        await client.make(Clip("one"))  # loads the models
    async with LumenClient(api.url, 3 * TIMEOUT) as client:  # the first words may be late
        with pytest.raises(ServiceUnavailableException, match="no new sound or frame for"):
            await client.make(Clip("one two WAIT"), seen.append)
    assert seen[-1].audio_seconds > 0
    await asyncio.to_thread(wait_until, lambda: api.services.pipeline.active_clips == 0)


def test_progress_keys(api: Api) -> None:
    """Only whole keys are taken, and an unknown one is 404."""
    answer = api.client.post("/api/generate/full", json={"prompt": "one"}, headers={"X-Progress-Key": "../x"})
    assert_error(answer, 400, "InvalidInputException", "progress key")
    unknown = api.client.get("/api/generate/progress/12345678")
    assert_error(unknown, 404, "NotFoundException", "No clip of that key")
