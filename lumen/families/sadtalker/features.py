"""What the renderer needs of a portrait, made once and kept within bounds."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen.contracts import SADTALKER_SOURCE
from lumen.families.sadtalker.calls import Calls
from lumen.families.sadtalker.clip import Clip, Floats
from lumen.families.sadtalker.motion import mapping_of
from lumen.families.sadtalker.windows import portrait_window

OUTPUTS: Final = ("appearance", "compressed", "keypoints")


@dataclass(frozen=True)
class Features:
    """appearance: float32 [32, D, S/4, S/4]. compressed: [4, D, S/4, S/4]. canonical, source: [15, 3]."""

    appearance: Floats
    compressed: Floats
    canonical: Floats
    source: Floats

    @property
    def n_bytes(self) -> int:
        return sum(a.nbytes for a in (self.appearance, self.compressed, self.canonical, self.source))


async def make_features(clip: Clip, calls: Calls) -> Features:
    """Ask the networks for the portrait of a clip."""
    volumes = await calls.one(SADTALKER_SOURCE, OUTPUTS, {"image": clip.crop})
    appearance, compressed, canonical = volumes
    at_rest = {
        "window": portrait_window(clip.row, clip.columns),
        "keypoints": canonical,
        "camera": np.full(3, np.nan, np.float32),
    }
    (source,) = await calls.one(mapping_of(clip.columns), ["driving"], at_rest)
    return Features(appearance, compressed, canonical, source)


def key_of(clip: Clip) -> bytes:
    """SHA-256 of everything that the features depend on."""
    parts = (np.int64(len(clip.crop)).tobytes(), clip.crop.tobytes(), clip.row.tobytes())
    return hashlib.sha256(b"".join((*parts, clip.preprocess.value.encode()))).digest()


class FeatureCache:
    """The most recently used features. Two that ask for the same at once wait for one computation.

    A computation goes on when those who wait for it leave. What fails is not kept: the next one tries again.

    Args:
        max_bytes: of all that is kept; what is larger by itself is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[bytes, Features] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[Features]] = {}

    @property
    def n_bytes(self) -> int:
        return sum(features.n_bytes for features in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: bytes, make: Callable[[], Awaitable[Features]]) -> Features:
        """What is kept under ``key``, or what ``make`` gives. Raises what it raises."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._make(key, make))
        # Shielded: one who leaves does not take it from the others.
        return await asyncio.shield(self._running[key])

    async def _make(self, key: bytes, make: Callable[[], Awaitable[Features]]) -> Features:
        try:
            features = await make()
        finally:
            del self._running[key]
        self._keep(key, features)
        return features

    def _keep(self, key: bytes, features: Features) -> None:
        self._kept[key] = features
        while self.n_bytes > self._max_bytes:
            self._kept.popitem(last=False)
