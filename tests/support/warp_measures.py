"""Measures of a rendered face: by a face mesh network that never saw the motion, and on its pixels."""

import numpy as np
from numpy.typing import NDArray

from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.portrait import Portrait
from lumen.families.warp.mesh_points import CHIN, FOREHEAD, MOUTH_CORNERS, Eye
from tests.support.warp_scenes import Frames

SAME = 10
"""Levels of 255 that a pixel may differ from the portrait's and still count as the same."""

Points = NDArray[np.float32]


def meshes(frames: Frames) -> list[Points]:
    """The mesh of the one face in every frame, float32 [468, 2] in pixels."""
    mesher = FaceMesher()
    found = [mesher.find(frame) for frame in frames]
    assert all(len(faces) == 1 for faces in found)
    return [faces[0].mesh for faces in found]


def mouth_width(mesh: Points) -> float:
    """Between the corners, in heights of the face."""
    left, right, top, chin = mesh[[*MOUTH_CORNERS, FOREHEAD, CHIN]]
    return float(np.linalg.norm(right - left) / np.linalg.norm(chin - top))


def eye_pixels(who: Portrait, eye: Eye) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the open eye's middle, from lid to lid."""
    upper, lower = (pixels_of(who, ids[3:6]) for ids in (eye.upper, eye.lower))
    columns = np.arange(round(upper[0, 0]), round(upper[-1, 0]))
    top, bottom = (np.interp(columns, line[:, 0], line[:, 1]) for line in (upper, lower))
    places = [(y, x) for x, a, b in zip(columns, top, bottom, strict=True) for y in range(int(a) + 1, int(b))]
    rows, across = np.array(places).T
    return rows, across


def pixels_of(who: Portrait, points: tuple[int, ...]) -> NDArray[np.float64]:
    """Points of the mesh in pixels of the crop, [K, 2]."""
    return np.asarray((who.mesh[list(points), :2] + 1) * len(who.crop) / 2, np.float64)


def eye_openness(frame: NDArray[np.uint8], who: Portrait, eye: Eye) -> float:
    """Share of the eye that is still seen: 1 as in the portrait, 0 shut."""
    where = eye_pixels(who, eye)
    change = np.abs(frame[where].astype(int) - who.crop[where]).max(axis=-1)
    return float((change <= SAME).mean())


def skin_between(who: Portrait, first: tuple[int, ...], second: tuple[int, ...]) -> NDArray[np.float64]:
    """Colour of the portrait between two rows of the mesh's points: a median, [3]."""
    ends = [pixels_of(who, row[1:-1]) for row in (first, second)]
    places = np.concatenate([ends[0] + share * (ends[1] - ends[0]) for share in (0.25, 0.5, 0.75)])
    x, y = places.astype(int).T
    return np.asarray(np.median(who.crop[y, x], axis=0))


def lid_stripes(frame: NDArray[np.uint8], who: Portrait, eye: Eye) -> float:
    """Standard deviation of the columns' brightness where the eye was, without what is smooth across it."""
    where = eye_pixels(who, eye)
    levels = frame[where].mean(axis=-1)
    columns = np.unique(where[1])
    means = np.array([levels[where[1] == column].mean() for column in columns])
    across = columns - columns.mean()
    return float(np.std(means - np.polyval(np.polyfit(across, means, 2), across)))
