"""Bundled portraits, as benchmarks draw them."""

import numpy as np
import numpy.typing as npt

from lumen.settings import Settings
from orchestrator.faces.portraits import portraits_folder
from orchestrator.media.decode_image import decode_image


def portrait_pixels(settings: Settings, name: str) -> npt.NDArray[np.uint8]:
    """Decode a bundled portrait: uint8 [H, W, 3]."""
    file = portraits_folder(settings) / f"{name}.png"
    return decode_image(file.read_bytes(), settings.max_image_pixels).pixels
