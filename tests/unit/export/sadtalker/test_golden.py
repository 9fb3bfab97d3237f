"""Parity with the reference implementation: same weights, same inputs, float32."""

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.sadtalker.checkpoint import (
    AUDIO2EXP,
    AUDIO2POSE,
    FACE3D,
    KEYPOINTS,
    TRAINING_ONLY,
    load_checkpoint,
    load_network,
)
from export.sadtalker.files import MAPPINGS
from export.sadtalker.networks.audio2exp import Audio2Exp
from export.sadtalker.networks.audio2pose import Audio2Pose
from export.sadtalker.networks.face3d import Face3d
from export.sadtalker.networks.folding import folded, folded_generator
from export.sadtalker.networks.keypoints import KeypointDetector
from export.sadtalker.networks.mapping import Mapping
from export.sadtalker.networks.motion import Motion
from lumen.families.sadtalker import pose
from lumen.families.sadtalker.coefficient_windows import coefficients, portrait_window, windows
from lumen.families.sadtalker.dims import COEFFICIENTS, EXPRESSION, MOTION, SadTalkerDims
from lumen.families.sadtalker.mel import mel_spectrogram, mel_windows, whole_frames
from tests.support.closeness import difference, report
from tests.support.golden import ENERGY, TOLERANCE
from tests.support.sadtalker import Golden

pytestmark = pytest.mark.usefixtures("no_gradients")


FRAME_MEAN, FRAME_CLOSE, FRAME_SHARE, FRAME_MAXIMUM = 5e-5, 1e-3, 0.995, 3e-2
"""Frames in 0..1: the threshold in the dense motion is discontinuous, so a cell may flip."""


NETWORKS_FILE = "SadTalker_V0.0.2.safetensors"
DIMS = SadTalkerDims()


def state(script: ModuleType, file: str, prefix: str) -> dict[str, Tensor]:
    """The weights of one network."""
    layout = json.loads(script.LAYOUT.read_text())[file]
    tensors = [t for t in layout if t[0].startswith(prefix) and not t[0].startswith(TRAINING_ONLY)]
    values = script.state(tensors, 1)
    return {name.removeprefix(prefix): torch.from_numpy(value) for name, value in values.items()}


@pytest.fixture(scope="module")
def canonical(golden_script: ModuleType, golden: Golden) -> Tensor:
    weights = state(golden_script, NETWORKS_FILE, KEYPOINTS)
    detector = load_network(KeypointDetector, DIMS, weights, golden_script.LAYOUT)
    return detector(torch.from_numpy(golden["source_image"])[None])


def test_mel_spectrogram(golden: Golden) -> None:
    """The spectrogram and every frame's window are the reference's."""
    pcm = golden["wav_16k"]
    n_frames = whole_frames(len(pcm))
    mel = mel_spectrogram(pcm[: n_frames * 640])
    assert difference("mel", mel, golden["mel"])[0] < 1e-6
    assert difference("windows", mel_windows(mel, n_frames), golden["mel_windows"])[0] < 1e-6


def test_face3d(golden_script: ModuleType, golden: Golden) -> None:
    """3DMM reconstruction gives the reference's coefficients, folded or not."""
    network = load_network(Face3d, DIMS, state(golden_script, NETWORKS_FILE, FACE3D), golden_script.LAYOUT)
    image = torch.from_numpy(golden["face3d_image"])[None]
    for name, variant in (("face3d", network), ("folded", folded(network))):
        assert difference(name, variant(image)[0], golden["face3d_coeffs"])[0] < TOLERANCE


def test_expression(golden_script: ModuleType, golden: Golden) -> None:
    """audio2exp gives the reference's expression of every frame."""
    weights = state(golden_script, NETWORKS_FILE, AUDIO2EXP)
    network = load_network(Audio2Exp, DIMS, weights, golden_script.LAYOUT)
    mel, blink = torch.from_numpy(golden["mel_windows"]), torch.from_numpy(golden["blink"])
    reference = torch.from_numpy(golden["reference_coeffs"][:EXPRESSION]).expand(len(mel), -1)
    got = network(mel[:, None], reference, blink[:, None])
    assert difference("expression", got, golden["expression"])[0] < TOLERANCE


def test_pose(golden_script: ModuleType, golden: Golden) -> None:
    """audio2pose over our chunks, given z, gives the reference's head motion; so does the smoothing."""
    weights = state(golden_script, NETWORKS_FILE, AUDIO2POSE)
    network = load_network(Audio2Pose, DIMS, weights, golden_script.LAYOUT)
    n_frames = len(golden["mel_windows"])
    frames = pose.chunks(pose.chunk_numbers(0, n_frames), n_frames)
    reference = golden["reference_coeffs"][EXPRESSION:MOTION]
    made = network(
        torch.from_numpy(golden["mel_windows"][frames]),
        torch.full((len(frames),), int(golden["pose_style"])),
        torch.from_numpy(reference).expand(len(frames), -1),
        torch.from_numpy(golden["pose_z"]),
    )
    raw = pose.assemble(made.numpy(), np.arange(n_frames), n_frames, reference)
    assert difference("pose", raw, golden["pose_raw"])[0] < TOLERANCE
    assert difference("smoothed", pose.smooth(raw), golden["pose"])[0] < TOLERANCE


def test_canonical_keypoints(canonical: Tensor, golden: Golden) -> None:
    """The detector finds the reference's key points."""
    assert difference("key points", canonical[0], golden["canonical_keypoints"])[0] < TOLERANCE


@pytest.mark.parametrize(("columns", "name"), [(MOTION, "mapping229"), (COEFFICIENTS, "mapping109")])
def test_mapping(
    golden_script: ModuleType, golden: Golden, canonical: Tensor, columns: int, name: str
) -> None:
    """Both mappings give the reference's raw heads, and with the transform its key points of all frames."""
    weights = state(golden_script, MAPPINGS[columns], "")
    mapping = load_network(Mapping, DIMS, weights, golden_script.LAYOUT, columns)
    portrait = torch.from_numpy(portrait_window(golden["reference_coeffs"], columns))[None]
    heads = mapping(portrait)._asdict()
    for ours, theirs in {
        "yaw": "yaw",
        "pitch": "pitch",
        "roll": "roll",
        "translation": "t",
        "shifts": "exp",
    }.items():
        assert difference(ours, heads[ours][0], golden[f"{name}_source_{theirs}"])[0] < TOLERANCE
    got = driving(mapping, canonical, clip(golden, columns))
    assert difference("driving", got, golden[f"{name}_driving_keypoints"])[0] < TOLERANCE
    got = driving(mapping, canonical, portrait.numpy())
    assert difference("source", got[0], golden[f"{name}_source_keypoints"])[0] < TOLERANCE


def clip(golden: Golden, columns: int) -> NDArray[np.float32]:
    """The windows of all frames."""
    rows = coefficients(golden["expression"], golden["pose"], golden["reference_coeffs"], columns)
    return windows(rows)


def driving(mapping: Mapping, canonical: Tensor, frames: NDArray[np.float32]) -> Tensor:
    predicted = torch.full((len(frames), 3), torch.nan)
    points: Tensor = Motion(mapping)(
        torch.from_numpy(frames), canonical.expand(len(frames), -1, -1), predicted
    )
    return points


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_frames(golden_script: ModuleType, golden: Golden, tmp_path: Path) -> None:
    """Whole checkpoint, strictly loaded: split and folded, the renderer draws the reference's frames.

    The energy of the motion between the frames agrees as well, not only the pixels.
    """
    golden_script.write(tmp_path, 1, 256)
    networks = load_checkpoint(tmp_path)
    renderer = folded_generator(networks.generator)
    image = torch.from_numpy(golden["source_image"])[None]
    at_rest = networks.keypoints(image)
    portrait = portrait_window(golden["reference_coeffs"], MOTION)[None]
    source = driving(networks.mapping_crop, at_rest, portrait)
    moved = driving(networks.mapping_crop, at_rest, clip(golden, MOTION))
    features = renderer.encode(image)
    frames = torch.cat([renderer.render(features, source, moved[i : i + 1]) for i in golden["frame_index"]])
    close(frames, golden["frames"])
    unfolded = networks.generator(image, source, moved[golden["frame_index"][:1]])
    close(unfolded, golden["frames"][:1])


def close(frames: Tensor, expected: NDArray[np.float32]) -> None:
    """Pixels, and the energy of the motion between neighbours."""
    apart = (frames - torch.from_numpy(expected)).abs()
    share = float((apart < FRAME_CLOSE).double().mean())
    report(f"frames: mean {float(apart.mean()):.2e}, maximum {float(apart.max()):.2e}, close {share:.4%}")
    assert float(apart.mean()) < FRAME_MEAN
    assert share >= FRAME_SHARE
    assert float(apart.max()) < FRAME_MAXIMUM
    for got, want in zip(np.diff(frames.numpy(), axis=0), np.diff(expected, axis=0), strict=True):
        ratio = float(np.square(got).sum() / np.square(want).sum())
        report(f"energy of motion: {ratio:.5f} of the reference's")
        assert abs(ratio - 1) < ENERGY
