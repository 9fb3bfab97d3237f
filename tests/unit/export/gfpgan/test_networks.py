"""GFPGAN's network: what its rewrites must equal, and what a checkpoint must be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.gfpgan.artifact import faces
from export.gfpgan.checkpoint import load_checkpoint
from export.gfpgan.files import ENTRY, FILE, RELEASED
from export.gfpgan.networks.modulation import SLOPE, ModulatedConv2d, StyleConv, ToRgb
from export.gfpgan.networks.restorer import HALF_RANGE, Restorer, ServedRestorer
from export.gfpgan.random import write_random
from lumen.errors import ModelLoadException
from lumen.families.gfpgan.dims import TINY, GfpganDims

BATCH, C_IN, C_OUT, STYLE, SIDE = 3, 6, 5, 7, 8
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def restorer(gfpgan_checkpoint: Path) -> Restorer:
    return load_checkpoint(gfpgan_checkpoint).restorer


def seeded(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def fill(module: torch.nn.Module) -> None:
    for seed, parameter in enumerate(module.parameters()):
        parameter.copy_(seeded(seed, *parameter.shape))


def grouped(conv: ModulatedConv2d, x: Tensor, style: Tensor, norm: bool) -> Tensor:
    """As published: every face has a kernel of its own, and is a group of one grouped convolution."""
    batch, (c_out, _, side, _) = len(x), conv.weight.shape[1:]
    kernels = conv.weight * conv.modulation(style).view(batch, 1, -1, 1, 1)
    if norm:
        kernels = kernels * torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    maps = x.reshape(1, -1, *x.shape[2:])
    mixed = F.conv2d(maps, kernels.flatten(0, 1), padding=side // 2, groups=batch)
    return mixed.view(batch, c_out, *x.shape[2:])


@pytest.mark.parametrize("upsample", [False, True])
def test_a_style_convolution_is_the_grouped_one(upsample: bool) -> None:
    """Scaled maps and one kernel for the batch give what a kernel per face gives."""
    layer = StyleConv(C_IN, C_OUT, STYLE, upsample)
    fill(layer)
    side = 2 * SIDE if upsample else SIDE
    x, style, noise = seeded(7, BATCH, C_IN, SIDE, SIDE), seeded(8, BATCH, STYLE), seeded(9, 1, 1, side, side)
    wide = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) if upsample else x
    mixed = grouped(layer.modulated_conv, wide, style, norm=True) * 2**0.5
    expected = F.leaky_relu(mixed + layer.weight * noise + layer.bias, SLOPE)
    torch.testing.assert_close(layer(x, style, noise), expected, **CLOSE)


def test_colours_are_the_grouped_convolution_without_norm() -> None:
    """``ToRgb`` mixes channels with the kernels that each style scales."""
    layer = ToRgb(C_IN, STYLE)
    fill(layer)
    x, style = seeded(7, BATCH, C_IN, SIDE, SIDE), seeded(8, BATCH, STYLE)
    expected = grouped(layer.modulated_conv, x, style, norm=False) + layer.bias
    torch.testing.assert_close(layer(x, style), expected, **CLOSE)


def test_faces_of_a_batch_do_not_know_each_other(restorer: Restorer) -> None:
    """A face gives the same picture alone, with another, and in another row; others give others."""
    given = torch.from_numpy(faces(2, np.random.default_rng(1))).permute(0, 3, 1, 2) / HALF_RANGE - 1
    both, swapped, alone = restorer(given), restorer(given.flip(0)), restorer(given[:1])
    torch.testing.assert_close(both.flip(0), swapped, rtol=0, atol=1e-4)
    torch.testing.assert_close(both[:1], alone, rtol=0, atol=1e-4)
    assert (both[0] - both[1]).abs().max() > 0.1


def test_the_served_network_converts_colours(restorer: Restorer) -> None:
    """Bytes in and out are the network's -1..1, rounded and cut off; the folded layer changes nothing."""
    given = torch.from_numpy(faces(1, np.random.default_rng(2)))
    drawn = restorer(given.permute(0, 3, 1, 2) / HALF_RANGE - 1).permute(0, 2, 3, 1)
    expected = ((drawn + 1) * HALF_RANGE).clamp(0, 255)
    served = ServedRestorer(restorer)(given)
    assert served.dtype == torch.uint8
    torch.testing.assert_close(served.float(), expected, rtol=0, atol=0.51)


def test_a_checkpoint_comes_ready(gfpgan_checkpoint: Path) -> None:
    """From the file or its folder: evaluation mode, float32, no gradients, and not taken for the release."""
    loaded = load_checkpoint(gfpgan_checkpoint.parent)
    assert (gfpgan_checkpoint.name, loaded.dims) == (FILE, TINY)
    assert not loaded.restorer.training
    assert not any(p.requires_grad or p.is_meta for p in loaded.restorer.parameters())
    assert {p.dtype for p in loaded.restorer.parameters()} == {torch.float32}
    assert loaded.sha256 == load_checkpoint(gfpgan_checkpoint).sha256 != RELEASED
    assert loaded.about()["released"] is False


def test_the_seed_decides_the_weights(gfpgan_checkpoint: Path, tmp_path: Path) -> None:
    """A seed always gives the same weights; another seed, other ones."""
    states = [torch.load(gfpgan_checkpoint, weights_only=True)[ENTRY]]
    for seed in (1, 2):
        file = write_random(tmp_path / str(seed), seed, TINY)
        states.append(torch.load(file, weights_only=True)[ENTRY])
    name = "final_linear.weight"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0][name], states[2][name])


def test_the_released_layout_has_its_sizes() -> None:
    """The widths of v1.4, of the tensors that a mistaken width shows in."""
    with torch.device("meta"):
        state = Restorer(GfpganDims()).state_dict()
    assert state["conv_body_first.weight"].shape == (32, 3, 1, 1)
    assert state["final_linear.weight"].shape == (8192, 4096)
    assert state["stylegan_decoder.style_convs.13.modulated_conv.weight"].shape == (1, 64, 64, 3, 3)
    assert state["stylegan_decoder.noises.noise14"].shape == (1, 1, 512, 512)
    assert state["condition_scale.6.2.weight"].shape == (32, 32, 3, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.pop("final_linear.bias"), "lacks final_linear.bias"),
        (lambda s: s.update(other=torch.zeros(1)), "unknown tensors, other"),
        (
            lambda s: s.update({"final_linear.bias": torch.zeros(3)}),
            r"final_linear.bias is torch.float32 \[3\]",
        ),
        (lambda s: s.update({"final_linear.bias": s["final_linear.bias"].half()}), "torch.float16"),
        (lambda s: s.update({"final_linear.bias": s["final_linear.bias"] / 0}), "not finite"),
        (lambda s: s.pop("stylegan_decoder.constant_input.weight"), "is not GFPGAN v1.4"),
    ],
)
def test_a_checkpoint_is_taken_whole_or_not(
    gfpgan_checkpoint: Path, tmp_path: Path, spoil: Callable[[State], object], message: str
) -> None:
    """A tensor too few or too many, of another shape or type, or not finite: one line says so."""
    content = torch.load(gfpgan_checkpoint, weights_only=True)
    spoil(content[ENTRY])
    torch.save(content, tmp_path / FILE)
    with pytest.raises(ModelLoadException, match=message) as refusal:
        load_checkpoint(tmp_path)
    assert "\n" not in refusal.value.message


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """A missing file, another pickle, and bytes that are none."""
    with pytest.raises(ModelLoadException, match=f"{FILE} is not there"):
        load_checkpoint(tmp_path)
    torch.save({"params": {}}, tmp_path / FILE)
    with pytest.raises(ModelLoadException, match=f"no entry `{ENTRY}`"):
        load_checkpoint(tmp_path)
    (tmp_path / FILE).write_bytes(b"a page that says 404")
    with pytest.raises(ModelLoadException, match="cannot be read"):
        load_checkpoint(tmp_path)
