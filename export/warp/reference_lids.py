"""Lids and lashes of the reference renderer."""

from collections.abc import Callable, Sequence

import numpy as np

from export.warp import eyes, lids, picture
from export.warp.reference_geometry import Axes, ComplexArray, FloatArray, step
from lumen.families.warp import mesh_points as points

Look = Callable[[ComplexArray], FloatArray]
"""Colours of the portrait at places [h, w] -> [h, w, 3], 0 to 255."""


def skin_heights(mesh: ComplexArray, eye: points.Eye, axes: Axes) -> tuple[float, float]:
    """Heights of an open lid's skin: from its edge to its middle, and on to its fold."""
    edge, middle, fold = (
        axes.local(mesh[list(ids)]).imag.mean() for ids in (eye.upper[1:-1], eye.lid, eye.fold)
    )
    return max(edge - middle, eyes.LEAST_SKIN), max(middle - fold, eyes.LEAST_SKIN)


def lid_skin(look: Look, mesh: ComplexArray, eye: points.Eye, axes: Axes) -> list[FloatArray]:
    """Coefficients of 1, u and u squared for the colours of the lid, and of the skin below: [3, 3] each."""
    seen = {each: skin_samples(look, mesh, each) for each in (points.RIGHT_EYE, points.LEFT_EYE)}
    mean = max(float((np.concatenate([*seen.values()]) @ picture.LUMA).mean()), 1)
    columns = axes.local(mesh[list(eye.lid)]).real
    return [parabola(colours, mean, columns) for colours in np.split(seen[eye], 2)]


def skin_samples(look: Look, mesh: ComplexArray, eye: points.Eye) -> FloatArray:
    """Rows of colours on the lid, then below the eye, [R, K, 3]."""
    rows = (eye.lid, eye.fold, lids.LID_ROWS), (eye.below, eye.bag, lids.BELOW_ROWS)
    return look(np.concatenate([rows_between(mesh, *each) for each in rows]))


def parabola(colours: FloatArray, mean: float, columns: FloatArray) -> FloatArray:
    """The parabola through the weighted means at the three knots: [3 powers, 3 colours]."""
    weight = step(colours @ picture.LUMA / mean, *lids.DARK) + lids.LEAST_WEIGHT
    means = []
    for knot in lids.KNOTS:
        near = weight * np.exp(-(((columns - knot) / lids.ACROSS) ** 2))
        means.append((colours * near[..., None]).sum((0, 1)) / near.sum())
    return np.asarray(np.linalg.solve(np.vander(lids.KNOTS, increasing=True), np.array(means)))


def lid_colours(skin: list[FloatArray], u: FloatArray, height: FloatArray) -> FloatArray:
    u = np.clip(u, -lids.ENDS, lids.ENDS)
    lid, below = (np.stack([u**0, u, u**2], -1) @ one for one in skin)
    share = lids.MIX[0] + (lids.MIX[1] - lids.MIX[0]) * height
    shade = 1 - lids.ROUND * height**2 - lids.SIDES * u**2
    return np.asarray((lid + (below - lid) * share[..., None]) * shade[..., None])


def grain_way(mesh: ComplexArray, eye: points.Eye) -> complex:
    lid, below, bag = (mesh[list(ids)].mean() for ids in (eye.lid, eye.below, eye.bag))
    return complex(bag + (bag - below) * lids.GRAIN_BELOW - lid)


def grain(cheek: FloatArray, side: int) -> FloatArray:
    """Differences from pixels up and to the left."""
    distance = side // lids.GRAIN_SHIFT
    rows, columns = (np.maximum(np.arange(count) - distance, 0) for count in cheek.shape[:2])
    rough = cheek - cheek[rows][:, columns]
    return np.asarray(rough / (1 + abs(rough) / lids.GRAIN))


def lash_light(look: Look, mesh: ComplexArray) -> FloatArray:
    """Colour of the lashes against the lids' skin, [3]."""
    edge, middle, fold = (
        [point for eye in (points.RIGHT_EYE, points.LEFT_EYE) for point in getattr(eye, line)[cut]]
        for line, cut in (("upper", slice(1, -1)), ("lid", slice(None)), ("fold", slice(None)))
    )
    lashes = look(rows_between(mesh, edge, middle, lids.LASH_ROWS)).mean(1).min(0)
    skin = look(rows_between(mesh, middle, fold, lids.LID_ROWS)).mean((0, 1))
    return np.asarray(np.clip((lashes / np.maximum(skin, 1)) ** 2, *lids.LASH_LIGHT))


def rows_between(
    mesh: ComplexArray, first: Sequence[int], second: Sequence[int], heights: Sequence[float]
) -> ComplexArray:
    start, end = mesh[list(first)], mesh[list(second)]
    return np.asarray(start + np.array(heights)[:, None] * (end - start))
