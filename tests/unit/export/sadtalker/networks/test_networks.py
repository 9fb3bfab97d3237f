"""The networks themselves: sizes, independence of frames and neighbours, the split, the exact rewrites."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.artifact import ExportOptions
from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.audio2exp import Audio2Exp
from export.sadtalker.networks.face3d import Face3d
from export.sadtalker.networks.folded_spade import FoldedSpadeBlock, PhaseConv2d
from export.sadtalker.networks.folding import folded, folded_generator, lean_generator
from export.sadtalker.networks.generator import FrameRenderer, Generator, SourceEncoder
from export.sadtalker.networks.keypoints import KeypointDetector
from export.sadtalker.networks.mapping import Mapping
from export.sadtalker.networks.motion import Motion, predicted_angles
from export.sadtalker.networks.point_motion import GridMotion, PointMotion, SeparableMotion, SummedMotion
from export.sadtalker.networks.sliced_conv import SlicedConv3d
from export.sadtalker.networks.spade import SpadeBlock, SpectralConv2d
from export.sadtalker.renderer import RendererArtifact
from lumen.families.sadtalker.dims import COEFFICIENTS, MOTION, TINY, WINDOW_RADIUS, SadTalkerDims
from lumen.runtime.torch_file import SCRIPT_FILE
from lumen.runtime.torch_session import open_script
from tests.support.closeness import difference

pytestmark = pytest.mark.usefixtures("no_gradients")

SIDE = 128
EXACT = 1e-5
"""Relative to the largest value: float32 sums in another order."""

FRAME = 1e-3
"""The same for frames: rounding grows through thirty layers of random weights."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def image() -> Tensor:
    return noise(2, 3, SIDE, SIDE).sigmoid()


@pytest.fixture(scope="module")
def points(sadtalker_networks: SadTalkerNetworks, image: Tensor) -> tuple[Tensor, Tensor]:
    """Key points of two portraits, and of a frame of each."""
    source = sadtalker_networks.keypoints(image)
    return source, source + 0.05 * noise(*source.shape)


@pytest.fixture(scope="module")
def frames(sadtalker_networks: SadTalkerNetworks, image: Tensor, points: tuple[Tensor, Tensor]) -> Tensor:
    """Draw frames with the unsplit, unfolded renderer."""
    drawn: Tensor = sadtalker_networks.generator(image, *points)
    return drawn


@pytest.mark.parametrize(
    ("kind", "extra", "parameters"),
    [
        (Face3d, (), 24_034_625),
        (Audio2Exp, (), 2_849_664),
        (KeypointDetector, (), 41_940_047),
        (Generator, (), 100_988_176),
        (Mapping, (MOTION,), 10_195_190),
        (Mapping, (COEFFICIENTS,), 10_216_694),
    ],
)
def test_released_sizes(kind: type[nn.Module], extra: tuple[int, ...], parameters: int) -> None:
    """Every network has as many parameters as the released one."""
    with torch.device("meta"):
        network = kind(SadTalkerDims(), *extra)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_split_is_the_whole(
    sadtalker_networks: SadTalkerNetworks, image: Tensor, points: tuple[Tensor, Tensor], frames: Tensor
) -> None:
    """The portrait's part and the frame's part give the very frame of the unsplit network."""
    generator = sadtalker_networks.generator
    features = SourceEncoder(generator)(image)
    assert torch.equal(FrameRenderer(generator)(*features, *points), frames)


def test_neighbours_do_not_matter(
    sadtalker_networks: SadTalkerNetworks, image: Tensor, points: tuple[Tensor, Tensor]
) -> None:
    """A frame alone, in a batch, and in the batch turned round is the same frame."""
    generator = folded_generator(sadtalker_networks.generator)
    source, driving = points
    together = generator(image, source, driving)
    turned = generator(image.flip(0), source.flip(0), driving.flip(0)).flip(0)
    assert difference("turned", turned, together)[0] < FRAME
    assert difference("alone", generator(image[:1], source[:1], driving[:1]), together[:1])[0] < FRAME
    assert difference("the other frame", together[:1], together[1:])[0] > 0.1


@pytest.mark.parametrize("variant", [GridMotion(), SummedMotion(), SeparableMotion()])
def test_folded_renderer(
    sadtalker_networks: SadTalkerNetworks,
    image: Tensor,
    points: tuple[Tensor, Tensor],
    frames: Tensor,
    variant: PointMotion,
) -> None:
    """Norms folded and motion rewritten, the renderer draws the same frame."""
    got = folded_generator(sadtalker_networks.generator, variant)(image, *points)
    most, mean = difference(type(variant).__name__, got, frames)
    assert most < FRAME
    assert mean < 1e-5


def test_lean_renderer(
    sadtalker_networks: SadTalkerNetworks, image: Tensor, points: tuple[Tensor, Tensor], frames: Tensor
) -> None:
    """The renderer for GPUs draws the same frame."""
    most, mean = difference("lean", lean_generator(sadtalker_networks.generator)(image, *points), frames)
    assert most < FRAME
    assert mean < 1e-5


def test_a_traced_network_moves_to_another_device(
    sadtalker_networks: SadTalkerNetworks, tmp_path: Path
) -> None:
    """Nothing in it stays on the device where it was traced."""
    RendererArtifact().write(sadtalker_networks, tmp_path, ExportOptions("gpu", "fp32", "torchscript"))
    assert 'value="cpu"' not in str(open_script(tmp_path / SCRIPT_FILE).inlined_graph)


def test_a_volume_is_convolved_in_slices() -> None:
    """All depths of a slice at once, then added, are the convolution of the volume."""
    conv, volume = nn.Conv3d(3, 4, (5, 3, 3), padding=(2, 1, 1)), noise(2, 3, 6, 7, 8)
    assert difference("slices", SlicedConv3d(conv)(volume), conv(volume))[0] < EXACT


def test_folded_small_networks(sadtalker_networks: SadTalkerNetworks, image: Tensor) -> None:
    """Folding the other networks changes nothing but the rounding of weights: both compute in double."""
    mel, face = 4 * noise(3, 32, 80, 16).tanh(), noise(2, 3, 224, 224).sigmoid()
    style, reference, z = torch.tensor([0, 45, 8]), noise(3, 6), noise(3, 64)
    cases = {
        "face3d": (sadtalker_networks.face3d, (face,)),
        "audio2exp": (sadtalker_networks.audio2exp, (mel[0][:, None], noise(32, 64), noise(32, 1))),
        "audio2pose": (sadtalker_networks.audio2pose, (mel, style, reference, z)),
        "keypoints": (sadtalker_networks.keypoints, (image,)),
    }
    for name, (network, inputs) in cases.items():
        got, expected = folded(network).double(), copy.deepcopy(network).double()
        given = [x.double() if x.is_floating_point() else x for x in inputs]
        assert difference(name, got(*given), expected(*given))[0] < EXACT


def test_folding_leaves_no_foldable_norm(sadtalker_networks: SadTalkerNetworks) -> None:
    """Folding leaves only the batch norms that stand before their convolution, and no spectral norm."""
    left = [type(m) for m in folded_generator(sadtalker_networks.generator).modules()]
    assert left.count(nn.BatchNorm3d) == 6
    assert nn.BatchNorm2d not in left
    assert SpectralConv2d not in left
    assert any(isinstance(m, SpectralConv2d) for m in sadtalker_networks.generator.modules())


@pytest.mark.parametrize("variant", [SummedMotion(), SeparableMotion()])
def test_point_motion_rewrites(points: tuple[Tensor, Tensor], variant: PointMotion) -> None:
    """Heat maps, warps and deformation equal the published form, beyond the volume's edge too."""
    source, driving = points
    driving = torch.cat([driving[:1], driving[1:] + 0.8])
    published, size = GridMotion(), (16, 24, 20)
    volume, mask = noise(2, 4, *size), noise(2, 16, *size).softmax(1)
    heat = published.heat(source, driving, size)
    assert difference("heat", variant.heat(source, driving, size), heat)[0] < EXACT
    warped = published.warps(volume, source, driving)
    assert difference("warps", variant.warps(volume, source, driving), warped)[0] < EXACT
    moved = published.deformation(mask, source, driving)
    assert difference("deformation", variant.deformation(mask, source, driving), moved)[0] < EXACT


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_phase_convolution(scale: int) -> None:
    """A convolution of a repeated map equals the convolutions of its phases, at the edges too."""
    conv = nn.Conv2d(5, 7, 3, padding=1)
    x = noise(2, 5, 6, 9)
    expected = conv(nn.functional.interpolate(x, scale_factor=float(scale)))
    assert difference("phases", PhaseConv2d(conv, scale)(x), expected)[0] < EXACT


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_folded_spade_block(scale: int) -> None:
    """A SPADE block with a learned shortcut: joined convolutions and shared norms change nothing."""
    block = SpadeBlock(16, 8, 12, 6).eval()
    x, feature_map = noise(2, 16, 8 * scale, 8 * scale), noise(2, 12, 8, 8)
    expected = block(x, feature_map)
    assert difference("block", FoldedSpadeBlock(block, scale)(x, feature_map), expected)[0] < EXACT


def test_mapping_as_one_convolution(sadtalker_networks: SadTalkerNetworks) -> None:
    """The heads of a whole sequence at once are those of its windows."""
    rows = noise(1, MOTION, 2 * WINDOW_RADIUS + 9)
    windows = rows[0].unfold(1, 2 * WINDOW_RADIUS + 1, 1).transpose(0, 1)
    one_by_one = sadtalker_networks.mapping_crop(windows)
    at_once = sadtalker_networks.mapping_crop.sequence(rows)
    for name, got, expected in zip(one_by_one._fields, at_once, one_by_one, strict=True):
        assert difference(name, got[0], expected)[0] < EXACT


def test_camera_replaces_angles(sadtalker_networks: SadTalkerNetworks, points: tuple[Tensor, Tensor]) -> None:
    """An angle that is given counts instead of the predicted one; NaN leaves it."""
    motion, window = Motion(sadtalker_networks.mapping_crop), noise(2, MOTION, 2 * WINDOW_RADIUS + 1)
    predicted = predicted_angles(sadtalker_networks.mapping_crop(window))
    free = motion(window, points[0], torch.full((2, 3), torch.nan))
    assert torch.equal(motion(window, points[0], predicted), free)
    turned = predicted.clone()
    turned[:, 0] = predicted[:, 0] + 20
    assert difference("turned", motion(window, points[0], turned), free)[0] > 0.05


def test_tiny_is_tiny(sadtalker_networks: SadTalkerNetworks) -> None:
    """The loader reads the widths from the file."""
    assert sadtalker_networks.dims == TINY
