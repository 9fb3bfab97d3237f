"""The renderer once more, in plain numpy and one frame at a time, to check the graph against.

Written from the description of the motion, not from the graph: windows are slices of arrays,
sampling is spelled out, points are complex numbers (x + iy). It shares with the graph only
constants and the drawn teeth.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.warp import eyes, fields, interior, mouth, picture, renderer, windows
from export.warp.mouth_texture import U_REACH, V_RANGE, lower_layers, upper_layers
from export.warp.reference_geometry import (
    Axes,
    ComplexArray,
    FloatArray,
    bell,
    between,
    bilinear,
    centres,
    gauss,
    line,
    step,
)
from export.warp.reference_lids import grain, grain_way, lash_light, lid_colours, lid_skin, skin_heights
from lumen.families.warp import mesh_points as points
from lumen.families.warp.columns import Column

Motion = dict[Column, float]

Part = tuple[slice, slice]

MAX_DIFFERENCE: Final = 2
MEAN_DIFFERENCE: Final = 0.001
"""Levels of 255 by which graph and reference may differ, at single pixels of hard edges and on
average. float32 against float64 moves edges by a small fraction of a pixel."""


class Lips(NamedTuple):
    """Motion of the mouth: see ``mouth.Opening``."""

    size: float
    teeth: float
    drop: float
    lift: float
    bitten: float
    tuck: float
    spread: float
    rounded: float
    pressed: float


class Head:
    """A portrait and how its head moves: ``head`` and ``whole`` are offsets at the coarse grid's nodes."""

    def __init__(self, crop: NDArray[np.uint8], mesh: NDArray[np.float32], row: Motion) -> None:
        self.image, self.side, self.row = crop.astype(float), len(crop), row
        self.mesh, self.depth = mesh[:, 0].astype(float) + 1j * mesh[:, 1], mesh[:, 2].astype(float)
        self.face, self.lips = face_axes(self.mesh), between(self.mesh, *points.MOUTH_CORNERS)
        self.part = pixels_of(windows.HEAD, self.side)
        self.opened = opening(self.mesh, self.face, self.lips, own_teeth(self), row)
        place = grid_nodes()
        self.head = head_offset(place, self)
        still = place - self.head
        planes, soft = mouth_planes(self.lips.local(still), self)
        self.whole = self.head + self.lips.image(lip_offset(planes, soft, renderer.NODE / self.lips.unit))
        for eye in (points.RIGHT_EYE, points.LEFT_EYE):
            brow = self.face.local(still) - self.face.local(self.mesh[list(eye.brow)]).mean()
            self.whole = self.whole + self.face.image(-0.034j * row[Column.BROW] * gauss(brow, 0.17, 0.062))

    def at(self, places: ComplexArray) -> FloatArray:
        """Colours of the head's window, whose edges go on beyond it."""
        rows, columns = self.part
        inside = self.image[rows, columns]
        x = places.real * self.side / 2 + self.side / 2 - columns.start
        y = places.imag * self.side / 2 + self.side / 2 - rows.start
        height, width = inside.shape[:2]
        x, y = np.clip(x, 0.5, width - 0.5), np.clip(y, 0.5, height - 0.5)
        return np.asarray(bilinear(inside, x, y))

    def enlarged(self, nodes: ComplexArray, part: Part) -> ComplexArray:
        """Values of the coarse grid at the pixels of a part of the frame."""
        place = centres(self.side)[part]
        (x, y), (wide, high) = windows.HEAD.centre, windows.HEAD.reach
        rows, columns = windows.GRID
        at_row = np.clip(((place.imag - y) / high + 1) * (rows - 1) / 2, 0, rows - 1)
        at_column = np.clip(((place.real - x) / wide + 1) * (columns - 1) / 2, 0, columns - 1)
        return np.asarray(bilinear(nodes[..., None], at_column + 0.5, at_row + 0.5)[..., 0])


def render(
    crop: NDArray[np.uint8], mesh: NDArray[np.float32], motion: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """crop uint8 [S, S, 3], mesh float32 [468, 3], motion float32 [P] -> uint8 [S, S, 3]."""
    head = Head(crop, mesh, {column: float(motion[column]) for column in Column})
    frame = head.image.copy()
    frame[head.part] = head.at(centres(head.side)[head.part] - head.enlarged(head.whole, head.part))
    middle = head.lips.origin + 1j * head.lips.right * head.lips.unit * renderer.MOUTH_BELOW
    part = small_part(middle, windows.MOUTH_SIZE, head)
    frame[part] = drawn_mouth(head, part)
    nose = head.mesh[list(points.INNER_EYE_CORNERS)].mean()
    for eye, blink, across in (
        (points.RIGHT_EYE, Column.BLINK_RIGHT, 1.0),
        (points.LEFT_EYE, Column.BLINK_LEFT, 0.0),
    ):
        part = small_part(nose, windows.EYE_SIZE, head, across)
        frame[part] = drawn_eye(head, part, eye, head.row[blink])
    return np.asarray(np.round(np.clip(frame, 0, 255)).astype(np.uint8))


def pixels_of(window: windows.Window, side: int) -> Part:
    (top, bottom), (left, right) = window.rows, window.columns
    return slice(top * side // 32, bottom * side // 32), slice(left * side // 32, right * side // 32)


def small_part(place: complex, size: tuple[int, int], head: Head, across: float = 0.5) -> Part:
    """``across``: where in the part the place lies, from left, 0, to right, 1."""
    lines = []
    for at, share, length, whole in zip(
        (place.imag, place.real), (0.5, across), size, head.part, strict=True
    ):
        count = length * head.side // 32
        first = int(np.floor((at + 1) * head.side / 2 - count * share))
        first = min(max(first, whole.start), whole.stop - count)
        lines.append(slice(first, first + count))
    return lines[0], lines[1]


def drawn_mouth(head: Head, part: Part) -> FloatArray:
    still = centres(head.side)[part] - head.enlarged(head.head, part)
    at, unit, pixel = head.lips.local(still), head.lips.unit, 2 / head.side
    planes, soft = mouth_planes(at, head)
    skin = head.at(still - head.lips.image(lip_offset(planes, soft, pixel / unit)))
    distance = np.minimum(planes["below_upper"], -planes["below_lower"]) * unit
    alpha = np.clip(distance / pixel / renderer.LIP_SOFTNESS, 0, 1)[..., None]
    return np.asarray(skin + (mouth_picture(at, head) - skin) * alpha)


def drawn_eye(head: Head, part: Part, eye: points.Eye, blink: float) -> FloatArray:
    place = centres(head.side)[part]
    still, taken = (place - head.enlarged(one, part) for one in (head.head, head.whole))
    axes = between(head.mesh, eye.upper[0], eye.upper[-1])
    at = axes.local(still)
    inner, bottom = (line(at.real, axes, head.mesh, ids) for ids in (eye.upper, eye.lower))
    top = inner - eyes.LASHES * np.maximum(bottom - inner, 0)
    edge = top + blink * (bottom - top + eyes.BELOW)
    skin, fold = skin_heights(head.mesh, eye, axes)
    start, fade = top - skin - eyes.LID_FADE[0] * fold, eyes.LID_FADE[0] * fold + eyes.LID_FADE[1] * skin
    cover = step((at.imag - start) / fade, 0, 1) * (1 - step(abs(at.real), *eyes.LID_ENDS))
    cover = cover * min(blink / eyes.LID_STARTS, 1)
    inside = np.maximum(np.minimum(at.imag - top, bottom - at.imag), 0) / np.maximum((bottom - top) / 2, 0.05)
    follows = step(inside, 0, 0.2) * step(1 - abs(at.real), 0, 0.45)
    look = eyes.GAZE[0] * head.row[Column.GAZE_X] + 1j * eyes.GAZE[1] * head.row[Column.GAZE_Y]
    open_eye = head.at(taken - axes.image(look * follows))
    height = np.clip((at.imag - top + skin) / (edge - top + skin), 0, 1)
    cheek = head.at(taken + grain_way(head.mesh, eye))
    lid = lid_colours(lid_skin(head.at, head.mesh, eye, axes), at.real, height) + grain(cheek, head.side)
    sharp = np.clip((edge - at.imag) * axes.unit * head.side / 2 + 0.5, 0, 1)
    drawn = open_eye + (lid - open_eye) * (cover * sharp)[..., None]
    middle = np.clip(1.25 - at.real**2, 0, 1)
    width = eyes.LASH_WIDTH * (eyes.LASH_ENDS + (1 - eyes.LASH_ENDS) * middle)
    lash = np.exp(-(((edge - at.imag) / width) ** 2)) * middle * cover
    return np.asarray(drawn + (lid * lash_light(head.at, head.mesh) - drawn) * lash[..., None])


def face_axes(mesh: ComplexArray) -> Axes:
    top, chin = mesh[points.FOREHEAD], mesh[points.CHIN]
    return Axes((top + chin) / 2, between(mesh, *points.OUTER_EYE_CORNERS).right, abs(chin - top))


def grid_nodes() -> ComplexArray:
    (x, y), (wide, high) = windows.HEAD.centre, windows.HEAD.reach
    rows, columns = (np.linspace(-1, 1, count) for count in windows.GRID)
    return np.asarray(x + wide * columns[None, :] + 1j * (y + high * rows[:, None]))


def head_offset(place: ComplexArray, head: Head) -> ComplexArray:
    face, row = head.face, head.row
    at = face.local(place)
    marks = face.local(head.mesh[list(points.RELIEF)])
    before = (head.depth[list(points.OUTLINE)].mean() - head.depth[list(points.RELIEF)]) / face.unit
    before = np.clip(before, -fields.MAX_RELIEF, fields.MAX_RELIEF)
    weight = gauss(at[..., None] - marks, fields.RELIEF_WIDTH, fields.RELIEF_WIDTH)
    relief = (weight @ before) / (weight.sum(-1) + fields.SURROUNDINGS)
    carried = 1 - step(np.hypot(at.real * 0.95, (at.imag + 0.10) * 0.80), *fields.HEAD_RADII)
    shift = row[Column.SHIFT_X] + 1j * row[Column.SHIFT_Y]
    turn = (row[Column.YAW] + 1j * row[Column.PITCH]) * relief
    (x, y), (wide, high) = windows.HEAD.centre, windows.HEAD.reach
    fade = step(1 - abs(place.real - x) / wide, 0, fields.BORDER)
    fade = fade * step(1 - abs(place.imag - y) / high, 0, fields.BORDER)
    return face.image(turn + (shift + 1j * row[Column.ROLL] * (at - 1j * fields.NECK)) * carried) * fade


def opening(mesh: ComplexArray, face: Axes, lips: Axes, teeth: float, row: Motion) -> Lips:
    size = np.clip(mouth.TYPICAL * face.unit / lips.unit, *mouth.SIZES)
    upper, lower = lips.local(mesh[list(points.LIP_CENTRE)]).imag
    usual = max(lower - upper, 0) * mouth.GAP_SHARE / (mouth.DROP + mouth.LIFT)
    pressed, bitten = row[Column.PRESS], row[Column.TEETH]
    opens = min(row[Column.OPEN], 1 - pressed) * (1 - mouth.BITE_SHUTS * bitten)
    way = max(size - usual, size * mouth.LEAST_SHARE) * opens
    raised = size * (mouth.RAISE * row[Column.UPPER] + mouth.BITE * bitten)
    lift = (1 - teeth) * (mouth.LIFT * way + raised * (1 - pressed))
    rounded, wide = max(-row[Column.WIDTH], 0), max(row[Column.WIDTH], 0)
    drawn = mouth.SPREADING * wide - mouth.ROUNDING * rounded - mouth.NARROWING * opens
    spread = (1 - mouth.STEADY * teeth) * drawn + 0.05 * row[Column.SMILE]
    tuck = mouth.TUCK * size * bitten
    return Lips(size, teeth, mouth.DROP * way, lift, bitten, tuck, spread, rounded, pressed)


def mouth_planes(at: ComplexArray, head: Head) -> tuple[dict[str, FloatArray], ComplexArray]:
    mesh, lips, opened, row = head.mesh, head.lips, head.opened, head.row
    soft = soft_offset(at, opened, row)
    rest = at - soft
    upper, lower = (
        line(rest.real, lips, mesh, ids) for ids in (points.INNER_UPPER_LIP, points.INNER_LOWER_LIP)
    )
    gap = np.maximum(lower - upper, 0)
    arch = lip_arch(rest.real, head)
    lift, sunk = opened.lift * arch, opened.drop * arch
    on_teeth, on_lip = (opened.teeth * np.minimum(gap, rim) for rim in mouth.RIM)
    closed = opened.pressed * (1 - mouth.SMILING * opened.teeth) * (gap + on_lip) + opened.tuck * arch
    drop = sunk - closed
    below_gap, below_lower = rest.imag - upper - gap + lift, rest.imag - lower - drop
    above, under = np.maximum(-(below_gap + gap), 0), np.maximum(below_lower, 0)
    thin = 0.45 * opened.pressed - 0.30 * opened.rounded
    side = bell(rest.real, mouth.LIP_WIDTH)
    up = thin * above * bell(above, mouth.LIP_HEIGHT) * side - lift * bell(above, 0.55)
    chin = lips.local(mesh[[points.CHIN]]).imag
    jaw = mouth.JAW * opened.drop * bell(rest.real, 1.9) * bell(np.maximum(rest.imag - chin, 0), 0.9)
    near = bell(under, 0.85)
    thin += 0.35 * opened.bitten
    down = drop * near + jaw * (1 - near) - thin * under * bell(under, mouth.LIP_HEIGHT) * side
    planes = {
        "below_upper": below_gap + np.minimum(sunk, on_teeth + (1 - opened.teeth) * gap),
        "below_lower": below_lower - np.minimum(on_lip, sunk + closed),
        "part": down - up,
    }
    return planes, soft + 1j * up


def soft_offset(at: ComplexArray, opened: Lips, row: Motion) -> ComplexArray:
    side, above, below = mouth.CORNER_REACH
    fade = np.where(at.imag < 0, gauss(at, side, above), gauss(at, side, below))
    corners = 0.16 * row[Column.SMILE] - (0.10 + mouth.RELAX * opened.teeth) * row[Column.OPEN]
    cheek = gauss(abs(at.real) - 1.55 + 1j * (at.imag - 0.25), 0.6, 0.8)
    turned = corners * at.real**2 * gauss(at, 1.15, 0.95)
    down = mouth.CHEEKS * opened.drop * cheek - turned
    return np.asarray(opened.spread * at.real * fade + 1j * down)


def lip_arch(u: FloatArray, head: Head) -> FloatArray:
    far = np.maximum(u * lips_middle(head), 0)
    rounded, bitten = head.opened.rounded, head.opened.bitten
    drawn = mouth.ROUND_REACH * rounded + mouth.BITE_REACH * bitten + mouth.FAR_REACH * far
    reach = mouth.REACH * (1 - drawn)
    square = np.asarray(np.minimum((centred(u, head) / reach) ** 2, 1), np.float64)
    fullness = mouth.ARCH + mouth.ROUND_ARCH * rounded - mouth.BITE_ARCH * bitten
    corner = step((1 - square) / (mouth.CORNER + mouth.FAR_CORNER * far), 0, 1)
    return np.asarray((1 - square) * (1 + fullness * square) * corner)


def lips_middle(head: Head) -> float:
    return float(np.clip(head.lips.local(head.mesh[list(points.LIP_CENTRE)]).real.mean(), -0.4, 0.4))


def centred(u: FloatArray, head: Head) -> FloatArray:
    return np.asarray(u - lips_middle(head) * np.maximum(1 - u**2, 0))


def lip_offset(planes: dict[str, FloatArray], soft: ComplexArray, edge: float) -> ComplexArray:
    hollow = np.maximum(planes["below_upper"] - planes["below_lower"], edge)
    return np.asarray(soft + 1j * np.clip(1 + planes["below_lower"] / hollow, 0, 1) * planes["part"])


def cheeks(head: Head) -> tuple[FloatArray, float]:
    """Colour [3] and brightness of the skin, 0 to 1."""
    skin = head.at(head.mesh[None, list(points.CHEEKS)])[0].mean(0) / 255
    return skin, max(float(skin @ picture.LUMA), 0.02)


def mouth_picture(at: ComplexArray, head: Head) -> FloatArray:
    """The inside of the mouth at mouth coordinates [h, w] -> [h, w, 3], 0 to 255."""
    opened, (skin, luma) = head.opened, cheeks(head)
    tint = np.maximum(1 + picture.TINT_SHARE * (skin / luma - picture.TYPICAL_SKIN), 0.1)
    upper_lip, lower_lip = head.lips.local(head.mesh[list(points.LIP_CENTRE)]).imag
    rest = (upper_lip + lower_lip) / 2
    jaw = lower_lip + opened.drop - interior.BEHIND_LIP * opened.size
    across = centred(at.real, head)
    upper = texels(upper_layers(), across / min(opened.size, 1), (at.imag - rest) / opened.size)
    lower = texels(lower_layers(), across / min(opened.size, 1), (at.imag - jaw) / opened.size)
    tip_shade, tip_mask = tongue_tip(across / opened.size, (at.imag - rest) / opened.size, head.row)
    dim = 1 - interior.ROUND_SHADOW * opened.rounded
    colours = np.broadcast_to(np.array(interior.CAVITY) * tint, (*at.shape, 3))
    for colour, strength, shade, mask in (
        (interior.FLESH, interior.TONGUE_LIGHT, lower[..., 2], lower[..., 3]),
        (interior.LOWER_ENAMEL, dim, lower[..., 0], lower[..., 1]),
        (interior.FLESH, 1.0, tip_shade, tip_mask),
        (interior.ENAMEL, dim, upper[..., 0], upper[..., 1] * (1 - opened.teeth)),
    ):
        layer = np.array(colour) * tint * strength * shade[..., None]
        colours = colours + (layer - colours) * mask[..., None]
    grey = colours @ np.array(picture.LUMA)
    colourful = step(np.array(np.ptp(skin) / luma), *picture.GREY_SKIN)
    colours = grey[..., None] + (colours - grey[..., None]) * colourful
    lit = step(at.imag - rest + opened.lift, -0.03, 0.15)
    shadow = interior.LIP_SHADOW + (1 - interior.LIP_SHADOW) * lit
    return np.asarray(colours * shadow[..., None] * np.clip(interior.AMBIENT + 0.92 * luma, 0.25, 1) * 255)


def texels(layers: NDArray[np.float32], u: FloatArray, v: FloatArray) -> FloatArray:
    low, high = V_RANGE
    planes = np.moveaxis(layers.astype(float), 0, -1)
    height, width = planes.shape[:2]
    return np.asarray(bilinear(planes, (u / U_REACH + 1) * width / 2, (v - low) / (high - low) * height))


def tongue_tip(u: FloatArray, v: FloatArray, row: Motion) -> tuple[FloatArray, FloatArray]:
    raised = row[Column.TONGUE]
    x = (u - interior.TIP[0]) / interior.TIP[2]
    y = (v - interior.TIP[1] - interior.TIP_RISES * (1 - raised)) / interior.TIP[3]
    return 1 - 0.25 * np.clip(y, -0.5, 1) - 0.2 * x**2, raised * step(1 - x**2 - y**2, 0, 0.4)


def own_teeth(head: Head) -> float:
    upper, lower = head.mesh[list(points.INNER_UPPER_LIP[3:8])], head.mesh[list(points.INNER_LOWER_LIP[3:8])]
    gap = (head.lips.local(lower) - head.lips.local(upper)).imag.mean()
    lips = (head.mesh[list(points.OUTER_EDGE)] + head.mesh[list(points.INNER_EDGE)]) / 2
    seen, red = (head.at(place[None])[0].mean(0) / 255 for place in (0.75 * upper + 0.25 * lower, lips))
    bright, colourful = seen @ picture.LUMA / cheeks(head)[1], chroma(seen) / (chroma(red) + 0.05)
    shown = step(gap, *interior.TEETH_GAP) * step(bright, *interior.TEETH_BRIGHTNESS)
    return float(shown * (1 - step(colourful, *interior.TEETH_COLOUR)))


def chroma(colour: FloatArray) -> FloatArray:
    return np.asarray(np.ptp(colour) / max(float(colour @ picture.LUMA), 0.02))
