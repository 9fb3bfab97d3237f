"""Features of a portrait for the renderer, computed once per portrait."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from lumen.contracts import SADTALKER_SOURCE
from lumen.families.sadtalker.clip import Clip, Floats
from lumen.families.sadtalker.coefficient_windows import portrait_window
from lumen.families.sadtalker.motion import mapping_of
from lumen.families.sadtalker.network_calls import Calls

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
        "window": portrait_window(clip.coefficients, clip.columns),
        "keypoints": canonical,
        "camera": np.full(3, np.nan, np.float32),
    }
    (source,) = await calls.one(mapping_of(clip.columns), ["driving"], at_rest)
    return Features(appearance, compressed, canonical, source)


def key_of(clip: Clip) -> bytes:
    """SHA-256 of everything that a clip's features depend on."""
    parts = (np.int64(len(clip.crop)).tobytes(), clip.crop.tobytes(), clip.coefficients.tobytes())
    return hashlib.sha256(b"".join((*parts, clip.preprocess.value.encode()))).digest()
