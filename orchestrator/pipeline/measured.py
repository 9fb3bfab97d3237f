"""Metrics of what the pipeline makes."""

import asyncio
import math
from collections.abc import Iterable
from pathlib import Path

from lumen.contracts import FACE_FPS
from orchestrator.observability.metrics import Kind, Metrics
from orchestrator.pipeline.results import Interrupted, Made, Rendered, Spoken


class Measured:
    """Observer of the pipeline that notes each result in the metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def made(self, result: Made) -> None:
        if isinstance(result, Interrupted):
            return
        kind: Kind = "clip" if isinstance(result, Rendered) else "speech"
        timing = result.timing
        self._metrics.made(kind, result.seconds, timing.seconds, timing.marks)
        if isinstance(result, Rendered):
            self._metrics.drew("clip", math.ceil(result.seconds * FACE_FPS))
            files = (result.video, result.audio, result.poster, result.vtt)
            self._metrics.wrote("clip", await asyncio.to_thread(_size, filter(None, files)))
        elif isinstance(result, Spoken):
            self._metrics.wrote("speech", await asyncio.to_thread(_size, [result.audio]))


def _size(files: Iterable[Path]) -> int:
    """Bytes of the files that are there."""
    return sum(file.stat().st_size for file in files if file.exists())
