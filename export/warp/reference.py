"""The renderer once more, in plain numpy and one frame at a time, to check the graph against.

Written from the description of the motion, not from the graph: curves are interpolated with
``np.interp``, sampling is spelled out, points are complex numbers (x + iy). It shares with the
graph only constants and the drawn teeth.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.warp import eyes, fields, interior, mouth, renderer
from export.warp.mouth_texture import U_REACH, V_RANGE, mouth_layers, texel_centres
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Motion = dict[Column, float]

MAX_DIFFERENCE: Final = 2
MEAN_DIFFERENCE: Final = 0.001
"""Levels of 255 by which graph and reference may differ, at single pixels of hard edges and on
average. float32 against float64 moves edges by a small fraction of a pixel."""


class Lips(NamedTuple):
    """What the mouth does: see ``mouth.Opening``."""

    size: float
    teeth: float
    drop: float
    lift: float
    spread: float


class Axes:
    """A coordinate system between two points: origin, direction to the right, unit."""

    def __init__(self, origin: complex, right: complex, unit: float) -> None:
        self.origin, self.right, self.unit = origin, right, unit

    def local(self, place: ComplexArray) -> ComplexArray:
        return (place - self.origin) / (self.right * self.unit)

    def image(self, offset: ComplexArray) -> ComplexArray:
        return offset * self.right * self.unit


def between(mesh: ComplexArray, left: int, right: int) -> Axes:
    across = mesh[right] - mesh[left]
    return Axes((mesh[left] + mesh[right]) / 2, across / abs(across), abs(across) / 2)


def render(
    crop: NDArray[np.uint8], mesh: NDArray[np.float32], motion: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """crop uint8 [S, S, 3], mesh float32 [468, 2], motion float32 [P] -> uint8 [S, S, 3]."""
    side = len(crop)
    marks = mesh[:, 0].astype(float) + 1j * mesh[:, 1]
    row = {column: float(motion[column]) for column in Column}
    face, lips = face_axes(marks), between(marks, *points.MOUTH_CORNERS)
    image = crop.astype(float)
    opened = opening(marks, face, lips, own_teeth(image, marks, lips), row)
    grid = centres(fields.GRID)
    found = coarse(grid, marks, face, lips, opened, row)
    planes = {name: upsample(plane, side) for name, plane in found.items()}
    hollow_height = np.maximum(planes["below_upper"] - planes["below_lower"], 2 / side)
    lower = np.clip(1 + planes["below_lower"] / hollow_height, 0, 1) * planes["part"].real
    on_lid = np.clip(0.5 - planes["below_lid"] * side / 2, 0, 1) * planes["lid"]
    taken = centres(side) - planes["offset"] - 1j * lips.right * lower - 1j * face.right * on_lid
    skin = look_up(image, inside_frame(taken, side))
    edge = np.maximum(0, 1 - abs(planes["below_lid"]) / renderer.LASH_WIDTH)
    shade = np.minimum(planes["lid"] * renderer.LASH_DARKNESS / renderer.LASH_TRAVEL, renderer.LASH_DARKNESS)
    skin = skin * (1 - edge * shade)[..., None]
    hollow = look_up(mouth_picture(image, marks, lips, opened), planes["inside"])
    distance = np.minimum(planes["below_upper"], -planes["below_lower"])
    alpha = np.clip(distance * side / 2 / renderer.LIP_SOFTNESS, 0, 1)[..., None]
    return np.asarray(np.round(np.clip(skin + (hollow - skin) * alpha, 0, 255)).astype(np.uint8))


def face_axes(mesh: ComplexArray) -> Axes:
    top, chin = mesh[points.FOREHEAD], mesh[points.CHIN]
    return Axes((top + chin) / 2, between(mesh, *points.OUTER_EYE_CORNERS).right, abs(chin - top))


def centres(side: int) -> ComplexArray:
    line = (2 * np.arange(side) + 1) / side - 1
    return np.asarray(line[None, :] + 1j * line[:, None])


def inside_frame(places: ComplexArray, side: int) -> ComplexArray:
    edge = 1 - 1 / side
    return np.asarray(np.clip(places.real, -edge, edge) + 1j * np.clip(places.imag, -edge, edge))


def coarse(
    place: ComplexArray, mesh: ComplexArray, face: Axes, lips: Axes, opened: Lips, row: Motion
) -> dict[str, Any]:
    head = head_offset(place, face, row)
    still = place - head
    planes, moved = mouth_planes(lips.local(still), mesh, lips, opened, row)
    offset = head + lips.image(moved)
    right = eye_planes(still, mesh, points.RIGHT_EYE, row[Column.BLINK_RIGHT], row)
    left = eye_planes(still, mesh, points.LEFT_EYE, row[Column.BLINK_LEFT], row)
    at = face.local(still)
    for eye in (points.RIGHT_EYE, points.LEFT_EYE):
        brow = at - face.local(mesh[list(eye.brow)]).mean()
        offset = offset + face.image(-0.034j * row[Column.BROW] * gauss(brow, 0.17, 0.062))
    scaled = {name: plane * lips.unit for name, plane in planes.items()}
    side = at.real < 0
    return scaled | {
        "offset": offset + right[2] + left[2],
        "below_lid": np.where(side, right[0], left[0]),
        "lid": np.where(side, right[1], left[1]),
        "inside": texture_place(lips.local(still)),
    }


def head_offset(place: ComplexArray, face: Axes, row: Motion) -> ComplexArray:
    at = face.local(place)
    bulge = 0.30 * gauss(at, 0.46, 0.62) + 0.07 * gauss(at - 0.08j, 0.13, 0.16)
    carried = 1 - step(np.hypot(at.real * 0.95, (at.imag + 0.10) * 0.80), 0.50, 1.15)
    shift = row[Column.SHIFT_X] + 1j * row[Column.SHIFT_Y]
    turn = (row[Column.YAW] + 1j * row[Column.PITCH]) * bulge
    fade = step(1 - abs(place.real), 0, 0.25) * step(1 - abs(place.imag), 0, 0.25)
    return face.image(turn + (shift + 1j * row[Column.ROLL] * (at - 0.6j)) * carried) * fade


def opening(mesh: ComplexArray, face: Axes, lips: Axes, teeth: float, row: Motion) -> Lips:
    size = np.clip(mouth.TYPICAL * face.unit / lips.unit, *mouth.SIZES)
    upper, lower = lips.local(mesh[list(points.LIP_CENTRE)]).imag
    usual = max(lower - upper, 0) * mouth.GAP_SHARE / (mouth.DROP + mouth.LIFT)
    way = max(size - usual, size * mouth.LEAST_SHARE) * row[Column.OPEN]
    lift = (1 - teeth) * (mouth.LIFT * way + mouth.RAISE * size * row[Column.RAISE])
    spread = (1 - mouth.STEADY * teeth) * (0.13 * row[Column.WIDTH] - 0.12 * row[Column.OPEN])
    return Lips(size, teeth, mouth.DROP * way, lift, spread + 0.05 * row[Column.SMILE])


def mouth_planes(
    at: ComplexArray, mesh: ComplexArray, lips: Axes, opened: Lips, row: Motion
) -> tuple[dict[str, FloatArray], ComplexArray]:
    pressed = row[Column.PRESS]
    corners = 0.16 * row[Column.SMILE] - (0.10 + mouth.RELAX * opened.teeth) * row[Column.OPEN]
    soft = opened.spread * at.real * gauss(at, 1.45, 1.0) - 1j * corners * at.real**2 * gauss(at, 1.15, 0.95)
    rest = at - soft
    upper, lower = (
        line(rest.real, lips, mesh, ids) for ids in (points.INNER_UPPER_LIP, points.INNER_LOWER_LIP)
    )
    gap = np.maximum(lower - upper, 0)
    centre = np.clip(lips.local(mesh[list(points.LIP_CENTRE)]).real.mean(), -0.4, 0.4)
    square = np.minimum(((rest.real - centre * np.maximum(1 - rest.real**2, 0)) / mouth.REACH) ** 2, 1)
    arch = (1 - square) * (1 + 0.55 * square)
    lift, sunk = opened.lift * arch, opened.drop * arch
    on_teeth, on_lip = (opened.teeth * np.minimum(gap, rim) for rim in mouth.RIM)
    closed = pressed * (1 - mouth.SMILING * opened.teeth) * (gap + on_lip)
    drop = sunk - closed
    below_gap, below_lower = rest.imag - upper - gap + lift, rest.imag - lower - drop
    above, under = np.maximum(-(below_gap + gap), 0), np.maximum(below_lower, 0)
    thin = 0.45 * pressed - 0.22 * max(-row[Column.WIDTH], 0)
    up = thin * above * bell(above, 0.32) - lift * bell(above, 0.55)
    chin = lips.local(mesh[[points.CHIN]]).imag
    jaw = 0.85 * opened.drop * bell(rest.real, 1.7) * bell(np.maximum(rest.imag - chin, 0), 0.9)
    near = bell(under, 0.85)
    down = drop * near + jaw * (1 - near) - thin * under * bell(under, 0.32)
    planes = {
        "below_upper": below_gap + np.minimum(sunk, on_teeth + (1 - opened.teeth) * gap),
        "below_lower": below_lower - np.minimum(on_lip, sunk + closed),
        "part": down - up,
    }
    return planes, soft + 1j * up


def eye_planes(
    still: ComplexArray, mesh: ComplexArray, eye: points.Eye, blink: float, row: Motion
) -> tuple[FloatArray, FloatArray, ComplexArray]:
    axes = between(mesh, eye.upper[0], eye.upper[-1])
    at = axes.local(still)
    inner, bottom = (line(at.real, axes, mesh, ids) for ids in (eye.upper, eye.lower))
    top = inner - eyes.LASHES * np.maximum(bottom - inner, 0)
    drop = eyes.SHUT * blink * (bottom - top)
    below = at.imag - top - drop
    lid_height, brow_height = (axes.local(mesh[list(ids)]).imag.mean() for ids in (eye.upper, eye.brow))
    reach = np.clip((lid_height - brow_height) * eyes.LID_REACH, *eyes.LID_LIMITS)
    lid = drop * (1 - step(-below / reach, 0, 1))
    look = gauss(at - 0.5j * (top + bottom), 0.75, 0.5)
    rising = 0.10 * blink * (bottom - top) * bell(at.imag - bottom, 0.35)
    gaze = (0.14 * row[Column.GAZE_X] + 0.09j * row[Column.GAZE_Y]) * look - 1j * rising
    return below * axes.unit, lid * axes.unit, axes.image(gaze)


def line(u: FloatArray, axes: Axes, mesh: ComplexArray, ids: tuple[int, ...]) -> FloatArray:
    knots = axes.local(mesh[list(ids)])
    return np.interp(u, knots.real, knots.imag)


def gauss(at: ComplexArray, width: float, height: float) -> FloatArray:
    return np.asarray(np.exp(-((at.real / width) ** 2) - (at.imag / height) ** 2))


def bell(value: FloatArray, width: float) -> FloatArray:
    return np.asarray(np.exp(-((value / width) ** 2)))


def step(value: FloatArray, low: float, high: float) -> FloatArray:
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def texture_place(at: ComplexArray) -> ComplexArray:
    low, high = V_RANGE
    return np.asarray(at.real / U_REACH + 1j * (2 * (at.imag - low) / (high - low) - 1))


def upsample(plane: NDArray[Any], side: int) -> Any:
    """Bilinear, edges repeated."""
    at = np.clip((np.arange(side) + 0.5) * len(plane) / side - 0.5, 0, len(plane) - 1)
    low = np.minimum(at.astype(int), len(plane) - 2)
    part = at - low
    rows = plane[low] * (1 - part)[:, None] + plane[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def look_up(image: FloatArray, places: ComplexArray) -> FloatArray:
    """Bilinear samples of image [H, W, C] at places [h, w] in [-1, 1]; zero outside."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    x = np.clip((places.real + 1) * width / 2 + 0.5, 0, width + 0.999)
    y = np.clip((places.imag + 1) * height / 2 + 0.5, 0, height + 0.999)
    column, row = x.astype(int), y.astype(int)
    right, down = (x - column)[..., None], (y - row)[..., None]
    upper = padded[row, column] * (1 - right) + padded[row, column + 1] * right
    lower = padded[row + 1, column] * (1 - right) + padded[row + 1, column + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def cheeks(image: FloatArray, mesh: ComplexArray) -> tuple[FloatArray, float]:
    """Colour [3] and brightness of the skin, 0 to 1."""
    skin = look_up(image, mesh[None, list(points.CHEEKS)])[0].mean(0) / 255
    return skin, max(float(skin @ interior.LUMA), 0.02)


def mouth_picture(image: FloatArray, mesh: ComplexArray, lips: Axes, opened: Lips) -> FloatArray:
    """The inside of the mouth, [h, w, 3], 0 to 255."""
    skin, luma = cheeks(image, mesh)
    tint = np.maximum(1 + interior.TINT_SHARE * (skin / luma - interior.TYPICAL_SKIN), 0.1)
    upper_lip, lower_lip = lips.local(mesh[list(points.LIP_CENTRE)]).imag
    rest = (upper_lip + lower_lip) / 2
    u, v = texel_centres()
    jaw = lower_lip + opened.drop - interior.BEHIND_LIP * opened.size
    planes = np.moveaxis(mouth_layers()[0].astype(float), 0, -1)
    upper, lower = (
        look_up(planes, texture_place(u / min(opened.size, 1) + 1j * (v - shift) / opened.size))
        for shift in (rest, jaw)
    )
    picture = np.broadcast_to(np.array(interior.CAVITY) * tint, (*upper.shape[:2], 3))
    for colour, strength, shade, mask in (
        (interior.FLESH, interior.TONGUE_LIGHT, lower[..., 4], lower[..., 5]),
        (interior.LOWER_ENAMEL, 1.0, lower[..., 2], lower[..., 3]),
        (interior.ENAMEL, 1.0, upper[..., 0], upper[..., 1] * (1 - opened.teeth)),
    ):
        layer = np.array(colour) * tint * strength * shade[..., None]
        picture = picture + (layer - picture) * mask[..., None]
    grey = picture @ np.array(interior.LUMA)
    colourful = step(np.array(np.ptp(skin) / luma), *interior.GREY_SKIN)
    picture = grey[..., None] + (picture - grey[..., None]) * colourful
    shadow = interior.LIP_SHADOW + (1 - interior.LIP_SHADOW) * step(v - rest + opened.lift, -0.03, 0.24)
    return np.asarray(picture * shadow[..., None] * np.clip(interior.AMBIENT + 0.92 * luma, 0.25, 1) * 255)


def own_teeth(image: FloatArray, mesh: ComplexArray, lips: Axes) -> float:
    upper, lower = mesh[list(points.INNER_UPPER_LIP[3:8])], mesh[list(points.INNER_LOWER_LIP[3:8])]
    gap = (lips.local(lower) - lips.local(upper)).imag.mean()
    between_lips = look_up(image, (0.75 * upper + 0.25 * lower)[None])[0].mean(0) @ interior.LUMA / 255
    bright = between_lips / cheeks(image, mesh)[1]
    return float(step(gap, *interior.TEETH_GAP) * step(bright, *interior.TEETH_BRIGHTNESS))
