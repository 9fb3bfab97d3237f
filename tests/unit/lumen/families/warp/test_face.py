"""The face that the renderer draws: what each mouth curve, blink and turn promises to look like."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from export.warp.windows import HEAD
from lumen.contracts import FRAME_SIZES
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.portrait import Portrait, make_portrait
from lumen.families.warp.columns import MOTION_WIDTH, Column
from lumen.families.warp.idle import BLINK
from lumen.families.warp.mesh_points import (
    CHIN,
    LEFT_EYE,
    LIP_CENTRE,
    MOUTH_CORNERS,
    NOSE_TIP,
    RIGHT_EYE,
    Eye,
)
from lumen.families.warp.quality import mouth_openings
from tests.support.portraits import portrait, turned
from tests.support.warp_measures import (
    eye_openness,
    eye_pixels,
    lid_stripes,
    meshes,
    mouth_width,
    pixels_of,
    skin_between,
)
from tests.support.warp_scenes import bundled, motion, render, report

pytestmark = pytest.mark.slow

NAMES = ["ada", "alan", "lisa", "george"]
SHUT = {"BLINK_RIGHT": 1.0, "BLINK_LEFT": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_rounded_lips_are_narrower_than_spread_ones(name: str) -> None:
    """The corners go in for "oo" and out for "ee", by 7 % of the mouth's width at least."""
    rows = motion({"OPEN": 0.3}, {"OPEN": 0.3, "WIDTH": -1}, {"OPEN": 0.3, "WIDTH": 1})
    rest, rounded, spread = (mouth_width(mesh) for mesh in meshes(render(bundled(name, 512), rows)))
    report(f"{name}: rounded {rounded / rest:.3f}, spread {spread / rest:.3f} of the width between them")
    assert rounded < rest < spread
    assert rounded < 0.93 * spread


@pytest.mark.parametrize("name", NAMES)
def test_press_shuts_the_mouth(name: str) -> None:
    """Pressed lips are as close as those of the portrait, whatever the jaw is told meanwhile."""
    rows = motion({}, {"OPEN": 0.6, "UPPER": 0.5, "PRESS": 1})
    rest, pressed = mouth_openings(render(bundled(name, 512), rows))
    assert pressed < rest + 0.004


@pytest.mark.parametrize("name", NAMES)
def test_lower_lip_meets_the_upper_teeth(name: str) -> None:
    """For f and v the upper lip rises a little and the lower one does not sink: bright teeth between."""
    who = bundled(name, 512)
    bite, opened = render(who, motion({"TEETH": 1, "OPEN": 0.2}, {"OPEN": 0.2}))
    (x, line) = pixels_of(who, LIP_CENTRE).mean(axis=0).astype(int)
    above = np.s_[line - 4 : line, x - 6 : x + 6]
    assert bite[above].mean() > opened[above].mean() + 8
    below = np.s_[line + 6 : line + 12, x - 6 : x + 6]
    assert np.abs(bite[below].astype(int) - who.crop[below]).mean() < 25


@pytest.mark.parametrize("name", NAMES)
def test_tongue_shows_between_the_teeth(name: str) -> None:
    """For l and t something redder than the mouth's inside appears below the upper teeth, and only there."""
    who = bundled(name, 512)
    without, tongue = render(who, motion({"OPEN": 0.4}, {"OPEN": 0.4, "TONGUE": 1})).astype(int)
    changed = np.abs(tongue - without).max(axis=-1) > 12
    rows, columns = np.nonzero(changed)
    (x, line) = pixels_of(who, LIP_CENTRE).mean(axis=0)
    assert changed.sum() > 60
    assert abs(columns.mean() - x) < 8
    assert line - 4 < rows.mean() < line + 25
    assert (tongue - without)[changed][:, 0].mean() > 10


@pytest.mark.parametrize("name", NAMES)
def test_upper_teeth_stay_while_the_jaw_moves(name: str) -> None:
    """The biting edge is where it was, within a pixel, when the jaw goes on sinking."""
    who = bundled(name, 512)
    half, wide = (
        biting_edge(frame, who.mesh) for frame in render(who, motion({"OPEN": 0.6}, {"OPEN": 0.95}))
    )
    assert abs(half - wide) <= 1


def biting_edge(frame: NDArray[np.uint8], mesh: NDArray[np.float32]) -> int:
    """Row at which the upper teeth end: the steepest fall of brightness in the upper half of the mouth."""
    x, line = ((mesh[list(LIP_CENTRE), :2].mean(axis=0) + 1) * len(frame) / 2).astype(int)
    column = frame[line - 4 : line + 12, x - 3 : x + 4].mean(axis=(1, 2))
    return int(line - 4 + np.diff(column).argmin())


@pytest.mark.parametrize("name", NAMES)
def test_chin_follows_the_jaw(name: str) -> None:
    """The chin sinks with the lower lip, further the wider the mouth; the nose hardly follows."""
    found = meshes(render(bundled(name, 512), motion({}, {"OPEN": 0.4}, {"OPEN": 1})))
    chins, noses = (np.array([mesh[point, 1] for mesh in found]) for point in (CHIN, NOSE_TIP))
    assert (np.diff(chins) > 2).all(), chins
    assert np.ptp(noses) < np.ptp(chins) / 3


@pytest.mark.parametrize("eye", [RIGHT_EYE, LEFT_EYE], ids=["right", "left"])
@pytest.mark.parametrize("name", NAMES)
def test_blink_closes_and_returns(name: str, eye: Eye) -> None:
    """Frame by frame: less of the eye is seen down to nothing, then all of it again."""
    who = bundled(name, 512)
    shut = (0.0, *BLINK, 0.0)
    frames = render(who, motion(*({"BLINK_RIGHT": value, "BLINK_LEFT": value} for value in shut)))
    seen = [eye_openness(frame, who, eye) for frame in frames]
    report(f"{name}: " + " ".join(f"{value:.2f}" for value in seen))
    assert seen[0] == seen[-1] == 1
    full = shut.index(1.0)
    assert seen[full] < 0.15
    assert all(a >= b - 0.05 for a, b in pairwise(seen[: full + 1]))
    assert all(a <= b + 0.05 for a, b in pairwise(seen[full:]))


@pytest.mark.parametrize("size", FRAME_SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_lids_are_of_skin(name: str, size: int) -> None:
    """A shut lid has the colour of the skin above it or below, or one between; "lisa" had darker ones."""
    who = bundled(name, size)
    frame = render(who, motion(SHUT))[0]
    for eye in (RIGHT_EYE, LEFT_EYE):
        lid = frame[eye_pixels(who, eye)].mean(axis=0)
        skin = [skin_between(who, *rows) for rows in ((eye.lid, eye.fold), (eye.below, eye.bag))]
        beyond = np.maximum(np.min(skin, axis=0) - lid, lid - np.max(skin, axis=0)).max()
        report(f"{name} {size}: {max(beyond, 0):.1f} levels beyond")
        assert beyond < 15


@pytest.mark.parametrize("size", FRAME_SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_lids_are_smooth(name: str, size: int) -> None:
    """Nothing is stretched over a shut lid: no stripes from top to bottom, and little contrast at all."""
    who = bundled(name, size)
    frame = render(who, motion(SHUT))[0]
    for eye in (RIGHT_EYE, LEFT_EYE):
        stripes, contrast = lid_stripes(frame, who, eye), frame[eye_pixels(who, eye)].std(axis=0).max()
        report(f"{name} {size}: stripes {stripes:.1f}, contrast {contrast:.1f} levels")
        assert stripes < 2
        assert contrast < 9


def everything() -> NDArray[np.float32]:
    """Every column at the end of what a speaker does, then all at once."""
    rows = np.concatenate([np.eye(MOTION_WIDTH), np.full((1, MOTION_WIDTH), 0.4)])
    rows[:, [Column.YAW, Column.PITCH]] *= 0.2
    rows[:, Column.ROLL] *= 0.07
    rows[:, [Column.SHIFT_X, Column.SHIFT_Y]] *= 0.02
    return rows.astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_background_stands_still(name: str) -> None:
    """Outside the head's window no pixel ever changes, and at its border there is no seam."""
    who = bundled(name)
    (top, bottom), (left, right) = (np.array(ends) * 256 // 32 for ends in (HEAD.rows, HEAD.columns))
    frames = render(who, everything())
    outside = np.ones((256, 256), bool)
    outside[top:bottom, left:right] = False
    assert (frames[:, outside] == who.crop[outside]).all()
    border = np.ones((256, 256), bool)
    border[top + 1 : bottom - 1, left + 1 : right - 1] = False
    assert np.abs(frames[:, border].astype(int) - who.crop[border]).max() <= 10


@pytest.mark.parametrize("name", NAMES)
def test_head_turns_in_depth(name: str) -> None:
    """Nearer parts move further when the head turns: the nose, then the eyes, then the sides."""
    before, after = meshes(render(bundled(name, 512), motion({}, {"YAW": 0.15})))
    moved = after[:, 0] - before[:, 0]
    nose, eyes, sides = (moved[points].mean() for points in ([NOSE_TIP], [133, 362], [127, 356]))
    assert nose > eyes + 3 > sides + 6


@pytest.mark.parametrize("degrees", [-35, -20, 20, 35])
def test_three_quarter_faces_speak_and_blink(degrees: int) -> None:
    """A face that is turned to the side shuts both eyes, each with its own lid, and opens its mouth."""
    who = three_quarter("ada", degrees)
    rest, shut, opened = render(who, motion({}, SHUT, {"OPEN": 0.8}))
    assert max(eye_openness(shut, who, eye) for eye in (RIGHT_EYE, LEFT_EYE)) < 0.2
    closed, wide = mouth_openings(np.stack([rest, opened]))
    assert wide > closed + 0.03


@pytest.mark.parametrize("degrees", [-35, 35])
@pytest.mark.parametrize("name", ["ada", "alan"])
def test_far_corner_of_the_mouth_stays_shut(name: str, degrees: int) -> None:
    """Lips of a turned face part short of its far corner: the skin beside it was torn into single pixels."""
    who = three_quarter(name, degrees)
    plain = Portrait(np.full_like(who.crop, 180), who.mesh)
    frame = render(plain, motion({"OPEN": 0.6}))[0]
    left, right = pixels_of(who, MOUTH_CORNERS)[:, 0]
    open_columns = np.flatnonzero((frame.min(axis=-1) < 170).any(axis=0))
    shut = right - open_columns[-1] if degrees > 0 else open_columns[0] - left
    share = shut / (right - left)
    report(f"{name} at {degrees}: shut over {share:.3f} of the mouth's width")
    assert 0.08 < share < 0.15


def three_quarter(name: str, degrees: float) -> Portrait:
    image = portrait(name)
    mesher = FaceMesher()
    side = turned(image, mesher.find(image)[0], degrees)
    return make_portrait(side, mesher.find(side), 512)
