"""The bundled portraits as the renderer takes them, and a session with the committed renderer."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lumen.contracts import WARP_RENDERER
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.portrait import Portrait, make_portrait
from lumen.families.warp.columns import MOTION_WIDTH, Column
from lumen.families.warp.mesh_points import INNER_LOWER_LIP, INNER_UPPER_LIP, MOUTH_CORNERS
from tests.support.paths import ROOT
from tests.support.portraits import portrait

RENDERER = ROOT / "model_repository" / WARP_RENDERER / "1" / "model.onnx"
BATCH = 8

Frames = NDArray[np.uint8]
Motion = NDArray[np.float32]


@cache
def bundled(name: str, size: int = 256) -> Portrait:
    image = portrait(name)
    return make_portrait(image, FaceMesher().find(image), size)


@cache
def renderer() -> Any:
    return ort.InferenceSession(RENDERER, providers=["CPUExecutionProvider"])


def motion(*rows: dict[str, float]) -> Motion:
    """float32 [len(rows), P] from columns by name; those left out are zero."""
    found = np.zeros((len(rows), MOTION_WIDTH), np.float32)
    for index, row in enumerate(rows):
        for name, value in row.items():
            found[index, Column[name]] = value
    return found


def render(portraits: Portrait | Sequence[Portrait], rows: Motion) -> Frames:
    """Frames uint8 [T, S, S, 3] of one portrait, or of one per row, in batches of ``BATCH``."""
    given = [portraits] * len(rows) if isinstance(portraits, Portrait) else list(portraits)
    crop, mesh = np.stack([one.crop for one in given]), np.stack([one.mesh for one in given])
    parts = [slice(start, start + BATCH) for start in range(0, len(rows), BATCH)]
    return np.concatenate(
        [renderer().run(None, {"crop": crop[p], "mesh": mesh[p], "motion": rows[p]})[0] for p in parts]
    )


def toothy(size: int = 512) -> Portrait:
    """``ada`` with parted lips and white between them, a little beyond the mesh's line, as in photographs."""
    who = bundled("ada", size)
    mesh = who.mesh.copy()
    left, right = mesh[list(MOUTH_CORNERS), 0]
    gap = 0.15 * (right - left) * (1 - np.linspace(-1, 1, len(INNER_LOWER_LIP)) ** 2)
    mesh[list(INNER_LOWER_LIP), 1] += gap
    upper, lower = (((mesh[list(ids), :2] + 1) * size / 2) for ids in (INNER_UPPER_LIP, INNER_LOWER_LIP))
    lower[1:-1, 1] += 0.003 * size
    picture = Image.fromarray(who.crop)
    ImageDraw.Draw(picture).polygon([tuple(place) for place in (*upper, *lower[::-1])], "white")
    return Portrait(np.array(picture), mesh)


def report(figures: str) -> None:
    """Show measured figures with the test (pytest -rA)."""
    print(figures)  # noqa: T201
