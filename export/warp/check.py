"""Compares a built renderer with the reference, on a picture and a face made up here."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from export.warp import reference
from lumen.contracts import FRAME_SIZES, MESH_POINTS
from lumen.errors import ModelLoadException
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import MOTION_WIDTH, Column

Frames = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

LAYOUT_MOUTH: Final = (
    (points.INNER_UPPER_LIP, 0.0, -0.006),
    (points.INNER_LOWER_LIP, 0.0, 0.012),
    (points.MOUTH_CORNERS, 0.004, 0.0),
)
"""Points of the mouth: how far below its middle they end, and how far their middle arches down."""


@dataclass(frozen=True)
class Difference:
    """Between two pictures, in levels of 255."""

    largest: int
    mean: float


def difference(a: Frames, b: Frames) -> Difference:
    levels = np.abs(a.astype(np.int16) - b)
    return Difference(int(levels.max()), float(levels.mean()))


def check_renderer(model: bytes) -> list[Difference]:
    """Runs the graph and the reference side by side; one difference per size and motion.

    Raises:
        ModelLoadException: they differ by more than the reference's tolerance.
    """
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = []
    mesh, motion = example_mesh(), example_motion()
    for size in FRAME_SIZES:
        crop = example_crop(size)
        frames = session.run(None, batch(crop, mesh, motion))[0]
        found += [
            difference(frame, reference.render(crop, mesh, row))
            for frame, row in zip(frames, motion, strict=True)
        ]
    worst, mean = max(d.largest for d in found), max(d.mean for d in found)
    if worst > reference.MAX_DIFFERENCE or mean > reference.MEAN_DIFFERENCE:
        raise ModelLoadException(
            f"the graph differs from the reference by up to {worst} levels, {mean:.4f} on average; "
            f"expected at most {reference.MAX_DIFFERENCE} and {reference.MEAN_DIFFERENCE}: one is wrong"
        )
    return found


def batch(crop: Frames, mesh: FloatArray, motion: FloatArray) -> dict[str, NDArray[np.generic]]:
    """Inputs for all rows of ``motion`` [B, P] with the same portrait."""
    count = len(motion)
    return {
        "crop": np.repeat(crop[None], count, 0),
        "mesh": np.repeat(mesh[None], count, 0),
        "motion": motion,
    }


def example_motion() -> FloatArray:
    """[4, P]: everything moved at once, eyes and lips shut, mouth wide open, lips rounded over the teeth."""
    rng = np.random.default_rng(7)
    mixed = rng.uniform(-0.1, 0.1, MOTION_WIDTH)
    mixed[[Column.OPEN, Column.UPPER, Column.TONGUE, Column.BLINK_LEFT]] = 0.6
    shut, wide, bite = np.zeros((3, MOTION_WIDTH))
    shut[[Column.PRESS, Column.BLINK_LEFT, Column.BLINK_RIGHT, Column.WIDTH]] = 1
    wide[Column.OPEN] = 1
    bite[[Column.TEETH, Column.WIDTH, Column.BLINK_RIGHT]] = 1, -1, 0.5
    return np.asarray(np.stack([mixed, shut, wide, bite]), np.float32)


def example_crop(size: int) -> Frames:
    """Smooth waves in three colours, uint8 [size, size, 3]."""
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    waves = [np.sin(9 * x + 4 * y), np.cos(7 * y - 5 * x), np.sin(11 * x * y + 2)]
    return np.asarray(np.stack([140 + 70 * wave for wave in waves], -1), np.uint8)


def example_mesh() -> FloatArray:
    """A face turned and tilted a little, of which only the points that the renderer uses are placed."""
    mesh = np.zeros((MESH_POINTS, 2))
    for ids, height, arch in LAYOUT_MOUTH:
        mesh[list(ids)] = _arc(ids, (0.02, 0.27), 0.15, height, arch)
    for eye, x in ((points.RIGHT_EYE, -0.18), (points.LEFT_EYE, 0.20)):
        mesh[list(eye.upper)] = _arc(eye.upper, (x, -0.10), 0.085, 0, -0.035)
        mesh[list(eye.lower)] = _arc(eye.lower, (x, -0.10), 0.085, 0, 0.03)
        for ring, arch in ((eye.lid, -0.05), (eye.fold, -0.065), (eye.below, 0.05), (eye.bag, 0.085)):
            mesh[list(ring)] = _arc(ring, (x, -0.10), 0.085, 0, arch)
        mesh[list(eye.brow)] = _arc(eye.brow, (x, -0.19), 0.12, 0, -0.03)
    mesh[points.FOREHEAD], mesh[points.CHIN] = (0.0, -0.45), (0.03, 0.52)
    mesh[list(points.CHEEKS), 0] = np.linspace(-0.25, 0.25, len(points.CHEEKS))
    mesh[list(points.CHEEKS), 1] = 0.08
    mesh[list(points.OUTLINE), 0] = np.repeat([-0.36, 0.36], len(points.OUTLINE) // 2)
    mesh[list(points.OUTLINE), 1] = np.tile(np.linspace(-0.2, 0.25, len(points.OUTLINE) // 2), 2)
    turn = np.exp(0.06j) * (mesh[:, 0] + 1j * mesh[:, 1])
    depth = 0.6 * (mesh[:, 0] ** 2 + 0.3 * mesh[:, 1] ** 2) - 0.1
    return np.asarray(np.stack([turn.real, turn.imag, depth], -1), np.float32)


def _arc(
    ids: tuple[int, ...], centre: tuple[float, float], reach: float, height: float, arch: float
) -> NDArray[np.float64]:
    """Points from left to right on a parabola around a centre."""
    across = np.linspace(-1, 1, len(ids))
    inner = 1.0 if len(ids) == len(points.MOUTH_CORNERS) else 0.92
    return np.stack([centre[0] + inner * reach * across, centre[1] + height + arch * (1 - across**2)], -1)
