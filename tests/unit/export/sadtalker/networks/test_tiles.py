"""The renderer on tiles: the same frames with a quarter of the multiplications."""

import pytest
import torch
from torch import Tensor, nn

from export.sadtalker.checkpoint import SadTalkerNetworks
from export.sadtalker.networks.generator import Source
from export.sadtalker.networks.tiled_renderer import OneByOne, TiledFrame, scripted
from export.sadtalker.networks.tiles import Form, TiledConv, padded, repeated, winograd
from tests.support.closeness import difference

pytestmark = pytest.mark.usefixtures("no_gradients")

EXACT = 1e-5
"""Relative to the largest value: the transforms of tiles round more than plain sums."""

FRAME = 1e-3
SIDE = 128


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("form", "scale"), [(winograd(), 1), (repeated(2), 2), (repeated(3), 3), (repeated(4), 4)]
)
@pytest.mark.parametrize("depth", [1, 3])
def test_tiled_convolution(form: Form, scale: int, depth: int) -> None:
    """A tiled convolution equals that of the (repeated) volume, also at edges and in a last, smaller band."""
    conv = nn.Conv3d(5, 7, (depth, 3, 3), padding=(depth // 2, 1, 1))
    x = noise(1, 5, 2, 36, 40)
    expected = conv(nn.functional.interpolate(x, scale_factor=(1.0, float(scale), float(scale))))
    for z in range(2) if depth == 1 else [slice(None)]:
        volume = x[0, :, z].unsqueeze(1) if depth == 1 else x[0]
        wanted = expected[0, :, z].unsqueeze(1) if depth == 1 else expected[0]
        got = TiledConv(conv.weight, conv.bias, form)(padded(volume.permute(1, 2, 3, 0), depth))
        assert difference("tiles", got.permute(3, 0, 1, 2), wanted)[0] < EXACT


@pytest.fixture(scope="module")
def request_of_two(sadtalker_networks: SadTalkerNetworks) -> tuple[Tensor, ...]:
    """Volumes of two portraits, key points of them and of a frame of each."""
    image = noise(2, 3, SIDE, SIDE).sigmoid()
    source = sadtalker_networks.keypoints(image)
    return *sadtalker_networks.generator.encode(image), source, source + 0.05 * noise(*source.shape)


def test_tiled_frame(sadtalker_networks: SadTalkerNetworks, request_of_two: tuple[Tensor, ...]) -> None:
    """Before it is rounded to bytes a frame is the one that the network as loaded draws."""
    appearance, compressed, source, driving = (x[:1] for x in request_of_two)
    renderer = TiledFrame(sadtalker_networks.generator)
    deformation, visible = sadtalker_networks.generator.dense_motion_network(compressed, source, driving)
    places, seen = renderer.motion(compressed, source, driving)
    assert difference("deformation", places[None], deformation)[0] < FRAME
    assert difference("visible", seen.permute(0, 3, 1, 2), visible)[0] < FRAME
    expected = sadtalker_networks.generator.render(Source(appearance, compressed), source, driving)
    got = renderer(appearance, compressed, source, driving)
    most, mean = difference("frame", got, expected)
    assert most < FRAME
    assert mean < EXACT


def test_batches(sadtalker_networks: SadTalkerNetworks, request_of_two: tuple[Tensor, ...]) -> None:
    """TorchScript of one frame takes any batch; a frame alone is the frame in the batch to the bit."""
    frame = TiledFrame(sadtalker_networks.generator)
    with torch.inference_mode(False), torch.no_grad():
        renderer = scripted(frame, tuple(x[:1].clone() for x in request_of_two))
    together = renderer(*request_of_two)
    assert together.shape == (2, 3, SIDE, SIDE)
    assert torch.equal(together, OneByOne(frame)(*request_of_two))
    for i in range(2):
        assert torch.equal(renderer(*(x[i : i + 1] for x in request_of_two))[0], together[i])
    assert not torch.equal(together[0], together[1])
