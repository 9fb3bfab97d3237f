"""The frame renderer: the committed graph, on the bundled portraits."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from export.warp import check, reference
from export.warp.export import export_renderer, manifest
from export.warp.renderer import build
from lumen.errors import ModelLoadException
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.portrait import Portrait
from lumen.families.warp.mesh_points import LEFT_EYE, LIP_CENTRE, MOUTH_CORNERS, NOSE_TIP
from lumen.families.warp.quality import mouth_openings
from tests.support.warp_scenes import RENDERER, Frames, bundled, motion, render, report, toothy

TALKING = {"OPEN": 0.6, "WIDTH": -0.5, "UPPER": 0.3, "SMILE": 0.4, "BLINK_LEFT": 0.7, "BROW": 0.5, "YAW": 0.1,
           "PITCH": -0.05, "ROLL": 0.04, "SHIFT_X": 0.02, "GAZE_X": 0.7}  # fmt: skip


def test_committed_graph_is_what_the_code_builds() -> None:
    """The artifact in the model repository is not older than the code that makes it."""
    committed, built = onnx.load(RENDERER), build()
    assert committed.graph.node == built.graph.node
    for ours, theirs in zip(built.graph.initializer, committed.graph.initializer, strict=True):
        np.testing.assert_allclose(numpy_helper.to_array(ours), numpy_helper.to_array(theirs), atol=1e-6)


def test_export_is_repeatable_and_described(tmp_path: Path) -> None:
    """Two exports are the same bytes; the manifest names them; nothing else is left behind."""
    first = export_renderer(tmp_path / "a")
    second = export_renderer(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    manifest = json.loads((first.parent / "manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert sorted(path.name for path in first.parent.iterdir()) == ["manifest.json", "model.onnx"]
    assert first.stat().st_size < 2**20


def test_constants_that_are_rounded_otherwise_change_no_file(tmp_path: Path) -> None:
    """Another processor's last bits left tracked files changed; another graph is written."""
    path = export_renderer(tmp_path)
    graph = onnx.load(str(path))
    constant = next(c for c in graph.graph.initializer if c.data_type == onnx.TensorProto.FLOAT and c.dims)
    array = numpy_helper.to_array(constant)
    for shift, stays in ((1e-6, True), (0.1, False)):
        constant.CopyFrom(numpy_helper.from_array(array + np.float32(shift), constant.name))
        data = graph.SerializeToString(deterministic=True)
        path.write_bytes(data)
        (path.parent / "manifest.json").write_text(json.dumps(manifest(data)))
        assert (export_renderer(tmp_path).read_bytes() == data) == stays


def test_committed_manifest_fits() -> None:
    """The manifest beside the committed graph is that graph's."""
    manifest = json.loads((RENDERER.parent / "manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(RENDERER.read_bytes()).hexdigest()


def test_wrong_graph_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that draws something else than the reference is refused before it reaches the repository."""
    monkeypatch.setattr("export.warp.interior.CAVITY", (0.9, 0.1, 0.9))
    wrong = build()
    monkeypatch.undo()
    monkeypatch.setattr("export.warp.export.build", lambda: wrong)
    with pytest.raises(ModelLoadException, match="differs from the reference"):
        export_renderer(tmp_path)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(("name", "size"), [("ada", 256), ("alan", 512)])
def test_equals_the_reference(name: str, size: int) -> None:
    """Graph (float32, ONNX Runtime) and reference (float64, numpy) agree within the stated tolerance."""
    rows = motion(TALKING, {"OPEN": 1.0}, {"PRESS": 1.0, "BLINK_LEFT": 1, "BLINK_RIGHT": 1})
    who = bundled(name, size)
    for frame, row in zip(render(who, rows), rows, strict=True):
        found = check.difference(frame, reference.render(who.crop, who.mesh, row))
        report(f"{name} {size}: largest {found.largest}, mean {found.mean:.6f} of 255")
        assert found.largest <= reference.MAX_DIFFERENCE
        assert found.mean <= reference.MEAN_DIFFERENCE


def test_equals_the_reference_where_teeth_show() -> None:
    """The same for a portrait with parted lips and teeth of its own, which are treated differently."""
    who = toothy(256)
    rows = motion({}, TALKING, {"OPEN": 1.0}, {"PRESS": 0.7})
    for frame, row in zip(render(who, rows), rows, strict=True):
        found = check.difference(frame, reference.render(who.crop, who.mesh, row))
        assert found.largest <= reference.MAX_DIFFERENCE
        assert found.mean <= reference.MEAN_DIFFERENCE


@pytest.mark.parametrize("size", [256, 512])
def test_no_motion_is_the_portrait(size: int) -> None:
    """A row of zeros gives the portrait back, within rounding."""
    who = bundled("ada", size)
    assert check.difference(render(who, motion({}))[0], who.crop).largest <= 1


def test_neighbours_do_not_matter() -> None:
    """A frame is the same alone and in a batch with other portraits and motions, bit for bit."""
    who = [bundled("ada"), bundled("alan"), bundled("ada"), bundled("alan"), bundled("ada")]
    rows = motion(TALKING, {"OPEN": 1.0}, {}, {"YAW": 0.2, "OPEN": 0.3}, {"BLINK_LEFT": 1.0})
    together = render(who, rows)
    for index, one in enumerate(who):
        np.testing.assert_array_equal(render(one, rows[index : index + 1])[0], together[index])


def test_the_picture_stays_in_its_frame() -> None:
    """However the head moves, the border stays where it is: nothing tears, nothing is pulled in."""
    moves = {"YAW": 0.2, "PITCH": 0.1, "ROLL": 0.06, "SHIFT_X": 0.03, "SHIFT_Y": 0.02, "OPEN": 1.0}
    who = bundled("alan")
    frame = render(who, motion(moves))[0]
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert check.difference(frame[edge], who.crop[edge]).largest <= 8
    assert check.difference(frame, who.crop).mean > 1


@pytest.mark.parametrize("name", ["ada", "alan"])
def test_mouth_opens_by_degrees(name: str) -> None:
    """A face mesh network sees the lips part further with every step, and not at all at zero."""
    steps = motion(*({"OPEN": value} for value in (0.0, 0.25, 0.5, 0.75, 1.0)))
    seen = mouth_openings(render(bundled(name), steps))
    assert seen[0] < 0.01
    assert (np.diff(seen) > 0.004).all(), seen


def test_wide_mouths_open_no_further() -> None:
    """The opening goes by the face: as high in a mouth half as wide again, within a pixel or two."""
    who = bundled("ada")
    plain = np.full_like(who.crop, 180)
    heights = []
    for width in (0.9, 1.0, 1.5):
        mesh = who.mesh.copy()
        centre = mesh[list(MOUTH_CORNERS), :2].mean(axis=0)
        near = np.abs(mesh[:, :2] - centre).max(axis=1) < 0.2
        mesh[near, 0] = centre[0] + width * (mesh[near, 0] - centre[0])
        frame = render(Portrait(plain, mesh), motion({"OPEN": 1.0}))[0]
        heights.append(np.count_nonzero(_mouth_column(frame, mesh).min(axis=-1) < 170))
    assert heights[0] > 10
    assert np.ptp(heights) <= 2, heights


def test_own_teeth_stay_with_the_head() -> None:
    """A portrait's own teeth are still there, where they were, when it opens; the lip drags none along."""
    who = toothy()
    before, opened = (_white_rows(frame, who) for frame in render(who, motion({}, {"OPEN": 0.6})))
    assert len(before) > 10
    assert abs(opened[0] - before[0]) <= 1
    assert opened[-1] <= before[-1]
    assert len(opened) > 0.6 * len(before)


def test_lower_lip_covers_own_teeth() -> None:
    """Lips that are pressed come together in front of the teeth; the smile is not lost."""
    who = toothy()
    before, pressed = (_white_rows(frame, who) for frame in render(who, motion({}, {"PRESS": 0.7})))
    assert 0.25 * len(before) < len(pressed) < 0.75 * len(before)


def test_black_and_white_stays_so() -> None:
    """The drawn inside of the mouth has no colours in a portrait that has none."""
    who = bundled("ada")
    grey = Portrait(np.repeat(who.crop.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1), who.mesh)
    frame = render(grey, motion({"OPEN": 1.0}))[0]
    assert np.ptp(frame, axis=-1).max() <= 1
    assert check.difference(frame, grey.crop).largest > 50


def _white_rows(frame: Frames, who: Portrait) -> NDArray[np.intp]:
    return np.flatnonzero(_mouth_column(frame, who.mesh).min(axis=-1) > 225)


def _mouth_column(frame: Frames, mesh: NDArray[np.float32]) -> Frames:
    """The pixels from top to bottom through the middle of the lips, uint8 [S, 3]."""
    x = (mesh[list(LIP_CENTRE), 0].mean() + 1) * len(frame) / 2
    return frame[:, int(x)]


@pytest.mark.parametrize("name", ["ada", "alan"])
def test_lids_close(name: str) -> None:
    """The pixels of the iris and the white give way to those of the lid."""
    who = bundled(name)
    half, shut = render(who, motion({"BLINK_LEFT": 0.5}, {"BLINK_LEFT": 1.0}))
    places = np.round(
        (who.mesh[list(LEFT_EYE.upper[3:6]), :2] + who.mesh[list(LEFT_EYE.lower[3:6]), :2] + 2) / 4 * 256
    )
    x, y = places.astype(int).T
    spread = [np.ptp(frame[y, x].astype(int), axis=0).max() for frame in (who.crop, shut)]
    left, top, right, bottom = x.min() - 8, y.min() - 6, x.max() + 9, y.max() + 7
    eye = np.s_[top:bottom, left:right]  # not single places: the dark lashes pass over them on the way
    assert check.difference(half[eye], who.crop[eye]).mean < check.difference(shut[eye], who.crop[eye]).mean
    assert spread[1] < spread[0] / 2, "three places of a lid look alike, three of an eye do not"


def test_head_goes_where_it_is_told() -> None:
    """Yaw and shift move the nose to the right, pitch moves it down; the mesh network sees it."""
    rows = motion({}, {"YAW": 0.15}, {"SHIFT_X": 0.03}, {"PITCH": 0.15})
    mesher = FaceMesher()
    noses = [mesher.find(frame)[0].mesh[NOSE_TIP] for frame in render(bundled("ada"), rows)]
    moved = np.array(noses[1:]) - noses[0]
    assert moved[0][0] > 1.5
    assert moved[1][0] > 1.5
    assert moved[2][1] > 1.5


def test_smile_and_brows_show() -> None:
    """Corners of the mouth and brows go up; what is between the eyes and the nose stays."""
    who = bundled("ada")
    smiling, raised = render(who, motion({"SMILE": 1.0}, {"BROW": 1.0}))
    rows = ((who.mesh[[105, 159, 4, 61], 1] + 1) * 128).astype(int)
    change = [np.abs(frame.astype(int) - who.crop).mean(axis=(1, 2)) for frame in (smiling, raised)]
    assert change[0][rows[3]] > 10 * change[0][rows[1]]
    assert change[1][rows[0]] > 10 * change[1][rows[2]]
