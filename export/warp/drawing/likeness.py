"""Likenesses of the bundled portraits: every measure and colour that tells one from the other.

Lengths are pixels of the finished picture. The face is drawn around ``AXIS``; measures of eyes,
brows and lips are offsets from their own centres.
"""

from dataclasses import dataclass
from typing import Final

from export.warp.drawing.painting import Colour, Knots

AXIS: Final = 384.0
"""x of the face's middle."""


@dataclass(frozen=True)
class Eyes:
    """Shape of an eye, mirrored for the other. Curves run from the inner corner (-1) to the outer (1)."""

    apart: float = 62.0
    y: float = 338.0
    half_width: float = 32.5
    tilt: float = 2.5
    upper: Knots = ((-1, 0), (-0.85, -4.4), (-0.45, -10.8), (0, -13.4), (0.45, -12.2), (0.8, -7), (1, 0))
    lower: Knots = ((-1, 0), (-0.8, 2.5), (-0.4, 6.5), (0.1, 9), (0.5, 8.3), (0.8, 5.2), (1, 0))
    crease: float = 8.5
    iris_radius: float = 13.6
    iris: Colour = (86, 112, 104)
    lash_length: float = 10.0
    lash_width: float = 1.0
    shadow: float = 0.3


@dataclass(frozen=True)
class Brows:
    """Curves over the distance from the face's middle: height of the line and half of its thickness."""

    line: Knots = ((28, 306), (48, 297), (74, 290), (94, 291), (116, 301))
    half_thickness: Knots = ((26, 1.2), (36, 4.4), (46, 5.0), (74, 4.4), (98, 2.8), (118, 0.6))
    colour: Colour = (62, 36, 28)
    density: float = 0.6


@dataclass(frozen=True)
class Lips:
    """Curves from the middle (0) to a corner (1)."""

    y: float = 471.0
    half_width: float = 50.0
    upper: Knots = ((0, -10.5), (0.22, -13.5), (0.55, -8.6), (0.85, -6.2), (1, -4.6))
    line: Knots = ((0, 2.8), (0.2, 1.8), (0.5, 1.2), (0.8, -1.6), (1, -4.6))
    lower: Knots = ((0, 18), (0.3, 16.4), (0.6, 10.6), (0.85, 2.2), (1, -4.6))
    colour: Colour = (188, 84, 84)
    strength: float = 0.75


@dataclass(frozen=True)
class Likeness:
    """A portrait. ``outline``, ``neck``: half widths over y; ``skin``: colours from shadow to light."""

    seed: int
    outline: Knots
    neck: Knots
    skin: tuple[tuple[float, Colour], ...]
    blush: float
    nose_width: float
    eyes: Eyes
    brows: Brows
    lips: Lips
    hair: tuple[tuple[float, Colour], ...]
    cloth: Colour
    background: tuple[Colour, Colour]
    shoulders: Knots
    neckline: Knots
    long_hair: bool = False
    parting: float = 0.0
    stubble: float = 0.0


ADA: Final = Likeness(
    seed=1815,
    outline=(
        *((112, 0), (116, 30), (126, 62), (150, 98), (190, 123), (250, 134), (310, 136), (370, 133)),
        *((420, 124), (460, 111), (490, 95), (513, 76), (533, 56), (547, 34), (555, 16), (557, 0)),
    ),
    neck=((480, 66), (560, 62), (600, 64), (630, 74), (655, 100), (690, 150), (740, 200)),
    skin=(
        (0.0, (96, 44, 38)),
        (0.22, (156, 88, 72)),
        (0.45, (211, 147, 122)),
        (0.68, (238, 187, 162)),
        (0.88, (252, 215, 194)),
        (1.0, (255, 234, 218)),
    ),
    blush=1.0,
    nose_width=0.95,
    eyes=Eyes(),
    brows=Brows(),
    lips=Lips(),
    hair=((0.0, (26, 12, 12)), (0.35, (70, 32, 24)), (0.65, (128, 66, 42)), (1.0, (214, 140, 92))),
    cloth=(30, 88, 96),
    background=((216, 222, 226), (120, 138, 156)),
    shoulders=((0, 640), (90, 634), (150, 654), (210, 680), (252, 714), (280, 756), (300, 810)),
    neckline=((0, 690), (40, 683), (72, 664), (92, 634)),
    long_hair=True,
    parting=-36,
)

ALAN: Final = Likeness(
    seed=1912,
    outline=(
        *((112, 0), (116, 30), (126, 64), (150, 100), (190, 126), (250, 137), (310, 140), (370, 138)),
        *((420, 133), (460, 125), (490, 113), (515, 97), (536, 76), (551, 52), (560, 26), (563, 0)),
    ),
    neck=((480, 88), (560, 86), (600, 90), (630, 104), (650, 126), (680, 180), (720, 240)),
    skin=(
        (0.0, (62, 30, 24)),
        (0.22, (116, 66, 48)),
        (0.45, (172, 112, 82)),
        (0.68, (206, 150, 116)),
        (0.88, (230, 182, 148)),
        (1.0, (248, 214, 186)),
    ),
    blush=0.55,
    nose_width=1.14,
    eyes=Eyes(
        upper=((-1, 0), (-0.85, -4.5), (-0.45, -10), (0, -12.4), (0.45, -11.4), (0.8, -7), (1, 0)),
        lower=((-1, 0), (-0.8, 2.2), (-0.4, 5.6), (0.1, 8), (0.5, 7.4), (0.8, 4.4), (1, 0)),
        iris=(96, 62, 36),
        tilt=1.5,
        crease=6.0,
        iris_radius=12.8,
        lash_length=5.0,
        lash_width=0.6,
        shadow=0.12,
    ),
    brows=Brows(
        line=((24, 305), (48, 299), (76, 294), (98, 296), (122, 308)),
        half_thickness=((22, 1.6), (32, 5.6), (44, 6.8), (76, 6.4), (100, 4.4), (124, 1)),
        colour=(34, 22, 18),
        density=0.75,
    ),
    lips=Lips(
        y=473,
        half_width=53,
        upper=((0, -8.6), (0.2, -10.8), (0.55, -8), (0.85, -5.6), (1, -4.6)),
        lower=((0, 14.5), (0.3, 13.2), (0.6, 8.6), (0.85, 2.2), (1, -4.6)),
        colour=(168, 88, 76),
        strength=0.6,
    ),
    hair=((0.0, (14, 11, 12)), (0.35, (38, 28, 25)), (0.65, (72, 54, 46)), (1.0, (142, 116, 100))),
    cloth=(40, 50, 78),
    background=((214, 206, 194), (128, 116, 108)),
    shoulders=((0, 620), (94, 622), (160, 644), (230, 668), (280, 696), (316, 736), (346, 800)),
    neckline=((0, 668), (40, 662), (76, 644), (96, 622)),
    stubble=0.35,
)
