"""Looks after what is kept, as long as the server runs."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Final

from lumen.aio import with_timeout
from lumen.errors import LumenException
from orchestrator.store.kept_outputs import KeptOutputs
from orchestrator.store.outputs import Outputs, nothing

log = logging.getLogger("lumen")

SWEEP_SECONDS: Final = 30.0
LOAD_SECONDS: Final = 600.0
"""Seconds between two looks at what has expired, and between two readings of the folders."""

SYNC_SECONDS: Final = 5.0
"""Seconds until what another process made or removed in a bucket is known here."""


async def watch_outputs(kept: KeptOutputs, outputs: Outputs) -> None:
    """Remove what has to go, now and then, and make room for what begins; until cancelled.

    The folders are read at the start and every ten minutes, and a bucket every few seconds.
    """
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    outputs.began = lambda: loop.call_soon_threadsafe(begun.set)
    loaded, synced, pause = -inf, -inf, SYNC_SECONDS if kept.is_shared else SWEEP_SECONDS
    try:
        while True:
            if loop.time() - loaded > LOAD_SECONDS:
                await asyncio.to_thread(_logged, kept.load)
                await asyncio.to_thread(_logged, kept.remove_strays)
                loaded = loop.time()
            if loop.time() - synced >= pause:
                synced = loop.time()
                await asyncio.to_thread(_logged, kept.sync)
            await asyncio.to_thread(_logged, kept.sweep)
            with suppress(TimeoutError):
                await with_timeout(pause, begun.wait())
            begun.clear()
    finally:
        outputs.began = nothing


def _logged(work: Callable[[], object]) -> None:
    """Do ``work``; what goes wrong with the disk or the bucket is logged, and tried again later."""
    try:
        work()
    except (OSError, LumenException) as error:
        log.warning("The outputs cannot be looked through: %s", error)
