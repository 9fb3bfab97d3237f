"""The face warp, which needs no downloaded weights, as a part of the chain."""

from typing import Final

from lumen.contracts import (
    FACE_LANDMARKS,
    MOUTH,
    WARP,
    WARP_CONTEXT_FRAMES,
    WARP_LOOKAHEAD_FRAMES,
    WARP_PORTRAIT,
    WARP_RENDERER,
)
from lumen.families.description import FaceFamily

FAMILY: Final = FaceFamily(
    "warp",
    models=(FACE_LANDMARKS, WARP_PORTRAIT, MOUTH, WARP_RENDERER, WARP),
    portrait_model=WARP_PORTRAIT,
    context_frames=WARP_CONTEXT_FRAMES,
    lookahead_frames=WARP_LOOKAHEAD_FRAMES,
    takes_mouth=True,
    features_version=2,
)
