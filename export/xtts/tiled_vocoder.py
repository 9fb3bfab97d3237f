"""The HiFi-GAN decoder for a processor: the windows of ``vocoder_graph`` with a third of the multiplications.

Sound is [samples, channels] here, one window at a time, and every filter becomes products of matrices
(``minimal_filtering``): per 12 samples the filters of 3, 7 and 11 taps take 16, 28 and 35 products where
the plain way takes 36, 84 and 132. A dilated filter is the same one over every ``dilation``-th sample, so
its input is laid out as so many sounds, one after the other.
"""

import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.minimal_filtering import nested, toom_cook
from export.xtts.hifigan import LAST_SLOPE, SLOPE, blocks, reach
from lumen.errors import ModelLoadException
from lumen.families.xtts.vocoder_windows import DOWN, FRAME_SAMPLES, STEPS, UP
from lumen.runtime.torch_file import SCRIPT_FILE

POINTS: Final = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0)
"""Points for four outputs of four taps; with one more, for six outputs of three."""

FOUR: Final = toom_cook(POINTS, 4)

FORMS: Final = {
    3: toom_cook((*POINTS, -2.0), 3),
    7: nested(toom_cook((0.0, 1.0, -1.0), 2), FOUR),
    11: nested(toom_cook((0.0, 1.0, -1.0, 2.0), 3), FOUR),
}
"""Algorithms by the taps of a filter; the nested ones have a tap more, which is zero."""

SPARE: Final = max(form.step for form in FORMS.values())
"""Rows behind a sound, for the whole tiles of outputs that end there and the samples that fill a row of
``dilated``."""


def write_tiled(generator: Any, folder: Path) -> None:
    """Write a ``HifiganGenerator`` as ``model.pt``.

    Raises:
        ModelLoadException: it has filters of other lengths than the released one.
    """
    layers = [layer for block in generator.resblocks for layer in (*block.convs1, *block.convs2)]
    taps = {layer.kernel_size[0] for layer in layers}
    strides = [(layer.kernel_size[0], layer.stride[0]) for layer in generator.ups]
    if not taps <= FORMS.keys() or any(length != 2 * stride for length, stride in strides):
        raise ModelLoadException(
            f"The vocoder's filters have {sorted(taps)} taps and it upsamples by (taps, stride) {strides}, "
            f"expected {sorted(FORMS)} and twice as many taps as the stride; export it with --format onnx."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript's age
        torch.jit.save(torch.jit.script(TiledVocoder(generator).eval()), str(folder / SCRIPT_FILE))


class TiledVocoder(nn.Module):
    """Windows of latents -> PCM; see ``vocoder_graph.build`` for inputs and output."""

    def __init__(self, generator: Any) -> None:
        """generator: a ``HifiganGenerator`` with filters of ``FORMS``, upsampling by twice the stride."""
        super().__init__()
        self.contexts = reach(generator)
        self.strides = [int(layer.stride[0]) for layer in generator.ups]
        self.frame_samples, self.slope = FRAME_SAMPLES, LAST_SLOPE
        self.frames = Frames()
        self.voice = _voice(generator.cond_layer, generator.conv_pre)
        self.stages = nn.ModuleList(Stage(generator, i) for i in range(generator.num_upsamples))
        self.before = nn.Parameter(generator.conv_pre.weight.detach().clone(), requires_grad=False)
        after = generator.conv_post.weight.detach() / generator.num_kernels
        self.after = nn.Parameter(after, requires_grad=False)

    def forward(self, latents: Tensor, start: Tensor, keep: Tensor, speaker_embedding: Tensor) -> Tensor:
        """latents: [B, n, W]. start: int64 [B, 1]. keep: int64 [B, 2]. speaker_embedding: [B, 512].

        Returns [B, n_samples]; frames that a row does not want are zeros.
        """
        total = self.frames.count(latents.shape[1])
        pcm = latents.new_zeros([latents.shape[0], total * self.frame_samples])
        for i in range(latents.shape[0]):
            first = min(max(int(keep[i, 0]), 0), total - 1)
            end = max(min(int(keep[i, 1]), total), first + 1)
            wanted = self.window(latents[i], speaker_embedding[i], int(start[i, 0]), first, end)
            pcm[i, first * self.frame_samples : end * self.frame_samples] = wanted
        return pcm

    def window(self, latents: Tensor, speaker: Tensor, start: int, first: int, end: int) -> Tensor:
        """Latents [n, W], ``start`` before them in their sentence -> PCM of the frames first..end."""
        total = self.frames.count(latents.shape[0])
        low, high = max(first - self.contexts[0], 0), min(end + self.contexts[0], total)
        frames = self.frames(latents, start, low, high)
        x = F.conv1d(frames.T[None], self.before, padding="same")[0].T + self.voice(speaker)
        rate = 1
        for i, stage in enumerate(self.stages):
            rate *= self.strides[i]
            low_there = max(first - self.contexts[i + 1], 0)
            high_there = min(end + self.contexts[i + 1], total)
            x = stage(x, speaker, (low_there - low) * rate, (high_there - low) * rate)
            low = low_there
        x = F.leaky_relu(x, self.slope)
        pcm = F.conv1d(x.T[None], self.after, padding="same")[0, 0]
        return pcm[(first - low) * rate : (end - low) * rate].tanh()


class Frames(nn.Module):
    """Latents -> the decoder's frames: both of the reference's linear interpolations.

    Latents to steps, steps to frames, with half-pixel centres.
    """

    def __init__(self) -> None:
        super().__init__()  # TorchScript knows a module's numbers, but not those of its file
        self.steps, self.up, self.down = STEPS, UP, DOWN

    def forward(self, latents: Tensor, start: int, low: int, high: int) -> Tensor:
        """Latents [n, W], ``start`` before them in their sentence -> frames low..high of the window, [m, W].

        The window's last frame is the one that the sentence would end with, if it ended there.
        """
        n = latents.shape[0]
        total = self.count(n)
        origin = self.count(start + n) - total
        ratio = 1.0 if total == n * self.steps else self.down / self.up  # torch leaves what keeps its length
        frame = torch.arange(origin + low, origin + high, dtype=torch.float64)
        position = ((frame + 0.5) * ratio - 0.5).clamp(min=0)
        step = position.floor()
        share = (position - step).unsqueeze(1).to(latents.dtype)
        return torch.lerp(self.at(latents, start, step), self.at(latents, start, step + 1), share)

    def at(self, latents: Tensor, start: int, step: Tensor) -> Tensor:
        """Latents of the steps [m], [m, W]."""
        last = latents.shape[0] - 1
        place = (((step + 0.5) / self.steps - 0.5).clamp(min=0) - start).clamp(0, last)
        before = place.floor()
        share = (place - before).unsqueeze(1).to(latents.dtype)
        index = before.long()
        return torch.lerp(latents[index], latents[(index + 1).clamp(max=last)], share)

    def count(self, latents: int) -> int:
        """See ``vocoder_frames``."""
        return latents * self.steps * self.up // self.down


class Stage(nn.Module):
    """Upsampling, and the residual blocks side by side."""

    def __init__(self, generator: Any, index: int) -> None:
        super().__init__()
        layer = generator.ups[index]
        self.stride, self.crop, self.slope = int(layer.stride[0]), int(layer.padding[0]), SLOPE
        weight = layer.weight.detach() / (generator.num_kernels if index else 1)
        matrix = weight.transpose(1, 2).flatten(1).contiguous()
        self.matrix = nn.Parameter(matrix, requires_grad=False)
        self.voice = _voice(generator.conds[index], layer)
        self.blocks = nn.ModuleList(Residual(block) for block in blocks(generator, index))

    def forward(self, x: Tensor, speaker: Tensor, first: int, end: int) -> Tensor:
        """[n, C] -> [end - first, C_out], of the n * stride samples that there are.

        The sum of the blocks, which is ``num_kernels`` times their mean.
        """
        x = (self.upsampled(x) + self.voice(speaker))[first:end]
        total = torch.zeros_like(x)
        for block in self.blocks:
            total += block(x)
        return total

    def upsampled(self, x: Tensor) -> Tensor:
        """[n, C] -> [n * stride, C_out]: an input adds to two strides of outputs, its own and the next."""
        n = x.shape[0]
        added = (F.leaky_relu(x, self.slope) @ self.matrix).view(n, 2, -1)
        strides = F.pad(added[:, 0], [0, 0, 0, 1])
        strides[1:] += added[:, 1]
        return strides.view((n + 1) * self.stride, -1)[self.crop :][: n * self.stride]


class Residual(nn.Module):
    """Pairs of filters, each added to its input."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.spare = SPARE
        self.pairs = nn.ModuleList(map(Pair, block.convs1, block.convs2))

    def forward(self, x: Tensor) -> Tensor:
        """[n, C]."""
        n = x.shape[0]
        total = F.pad(x, [0, 0, 0, self.spare])
        for pair in self.pairs:
            pair(total, n)
        return total[:n]


class Pair(nn.Module):
    """A dilated filter and a plain one."""

    def __init__(self, inner: Any, outer: Any) -> None:
        super().__init__()
        self.inner, self.outer = Filter(inner), Filter(outer)

    def forward(self, x: Tensor, n: int) -> None:
        """x: [n + SPARE, C], zeros behind n; it is added to."""
        self.outer.add(self.inner.dilated(x, n), n, x)
        x[n:] = 0


class Filter(nn.Module):
    """Leaky ReLU and a convolution that keeps the length, with zeros around."""

    to_products: Tensor
    to_outputs: Tensor
    kernels: Tensor
    bias: Tensor

    def __init__(self, layer: Any) -> None:
        super().__init__()
        form = FORMS[layer.kernel_size[0]]
        self.slope = SLOPE
        self.dilation, self.reach = int(layer.dilation[0]), int(layer.kernel_size[0] // 2)
        self.step, self.cells, self.ones = form.step, form.inputs.shape[1], form.ones
        weight = F.pad(layer.weight.detach().double(), [0, form.kernels.shape[1] - layer.kernel_size[0]])
        kernels = torch.einsum("pr,oir->pio", form.kernels, weight)
        self.register_buffer("to_products", form.inputs.float())
        self.register_buffer("to_outputs", form.outputs.float())
        self.register_buffer("kernels", kernels.float().contiguous())
        self.register_buffer("bias", layer.bias.detach().clone())

    def dilated(self, x: Tensor, n: int) -> Tensor:
        """x: [n + SPARE, C], zeros behind n. Returns [u, dilation, C_out], as many samples or a few more."""
        d, channels = self.dilation, x.shape[1]
        u = -(-n // d)
        each = self.tiles(u + self.reach) * self.step
        sounds = x.new_zeros([d * each + self.cells, channels])
        place = sounds[: d * each].view(d, each, channels)[:, self.reach : self.reach + u].transpose(0, 1)
        torch.ops.aten.leaky_relu(x[: u * d].view(u, d, channels), self.slope, out=place)
        tiles = d * each // self.step
        outputs = self.to_outputs.expand(tiles, -1, -1)
        y = torch.bmm(outputs, self.products(sounds, tiles))
        return y.view(d, each, -1)[:, :u].transpose(0, 1)

    def add(self, x: Tensor, n: int, total: Tensor) -> None:
        """Add what it makes of the first n samples of ``x`` [u, d, C] to ``total`` [n + SPARE, C_out]."""
        rows, channels = x.shape[0] * x.shape[1], x.shape[2]
        tiles = self.tiles(n)
        sound = x.new_zeros([tiles * self.step + self.cells, channels])
        place = sound[self.reach : self.reach + rows].view(x.shape)
        torch.ops.aten.leaky_relu(x, self.slope, out=place)
        sound[self.reach + n :] = 0
        outputs = self.to_outputs.expand(tiles, -1, -1)
        total[: tiles * self.step].view(tiles, self.step, -1).baddbmm_(outputs, self.products(sound, tiles))

    def tiles(self, outputs: int) -> int:
        return -(-outputs // self.step)

    def products(self, sound: Tensor, tiles: int) -> Tensor:
        """[tiles, p, C_out] of the tiles that begin at every step."""
        channels = sound.shape[1]
        seen = sound.as_strided([tiles, self.cells, channels], [self.step * channels, channels, 1])
        inputs = torch.bmm(self.to_products.expand(tiles, -1, -1), seen)
        made = torch.bmm(inputs.transpose(0, 1), self.kernels)
        made[self.ones] += self.bias
        return made.transpose(0, 1)


def _voice(layer: Any, beside: Any) -> nn.Linear:
    """Speaker's offset of each channel, and the bias of the layer ``beside`` it."""
    voice = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    voice.weight.data = layer.weight.detach()[:, :, 0].clone()
    voice.bias.data = (layer.bias + beside.bias).detach().clone()
    return voice.requires_grad_(False)
