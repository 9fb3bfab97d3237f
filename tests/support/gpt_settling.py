"""The counts of `xtts_gpt`, once nothing goes on any more."""

import asyncio
import time

from bench.gpt_counts import GptCounts, read_gpt_counts
from lumen.families.xtts.gpt.metrics import REFRESH_SECONDS
from lumen.triton.server import TritonServer

SECONDS = 20.0


async def settled(server: TritonServer, **wanted: int) -> GptCounts:
    """The metrics, once no slot is in use, those of `wanted` are there, and they change no more."""
    deadline = time.monotonic() + SECONDS
    before = None
    while (now := read_gpt_counts(server.metrics_url)) != before or not (
        now.idle and now.values | wanted == now.values
    ):
        assert time.monotonic() < deadline, (now, wanted)
        before = now
        await asyncio.sleep(2 * REFRESH_SECONDS)
    return now
