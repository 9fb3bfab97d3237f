"""`xtts_vocoder` as an ONNX graph: the HiFi-GAN decoder (Kong et al., 2020, arXiv:2010.05646).

The graph is written by hand, because what the reference does not do is most of it: it takes a
window of latents with its place in the sentence, interpolates it with the sentence's phase, and
each stage computes no more frames than the wanted ones need. The deeper a stage, the fewer they
are and the more a frame costs, so that context, which would double the work of a small window, adds
little to it.

Convolutions run in two dimensions, the first of them 1: ONNX Runtime has its blocked layout
(NCHWc) for those only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto

from export.graph import FLOAT, Graph, Value
from export.xtts.hifigan import LAST_SLOPE, SLOPE, blocks, reach
from export.xtts.layers import Layers, array
from lumen.contracts import XTTS_SPEAKER_WIDTH
from lumen.families.xtts.vocoder_windows import DOWN, FRAME_SAMPLES, STEPS, UP

INT64: Final = TensorProto.INT64

TIME: Final = 3
"""Axis of time in [B, C, 1, T]."""


def build(generator: Any, half: bool = False) -> onnx.ModelProto:
    """The graph of a ``HifiganGenerator``; the same weights give the same bytes.

    Inputs: latents float32 [B, n, W]; speaker_embedding float32 [B, 512]; start int64 [B, 1], index
    of the window's first latent in its sentence; keep int64 [B, 2], first and end of the wanted
    frames. Output: pcm float32 [B, n_samples] in -1..1, ``vocoder_frames(n)`` frames of 256 samples; those
    that no row of the batch wants are zeros. The window's last frame is the one that the sentence
    would end with, if it ended with the window.

    Args:
        half: compute in half precision, but for the interpolation and the last convolution.
    """
    return _Vocoder(generator, half).model()


@dataclass(frozen=True)
class _Span:
    """Frames of the window that a tensor holds: [first, end), int64 [1] each."""

    first: Value
    end: Value

    def around(self, frames: int, total: Value) -> _Span:
        """Span with so many more frames on each side, within the window."""
        ints = total.graph.ints
        return _Span((self.first - ints(frames)).max(ints(0)), (self.end + ints(frames)).min(total))

    def cut(self, x: Value, inner: _Span, rate: int) -> Value:
        """Cut ``inner`` out of ``x``, which holds this span; ``rate`` is samples per frame."""
        ints = x.graph.ints
        first, end = (inner.first - self.first) * ints(rate), (inner.end - self.first) * ints(rate)
        return x.graph.op("Slice", x, first, end, ints(TIME))


class _Vocoder:
    """Writes the graph, step by step in the order of the computation."""

    def __init__(self, generator: Any, half: bool) -> None:
        self._net = generator
        self._graph = Graph("xtts_vocoder")
        self._layers = Layers(self._graph, half)

    def model(self) -> onnx.ModelProto:
        g = self._graph
        latents = g.input("latents", FLOAT, ["B", "n", "W"])
        speaker = g.input("speaker_embedding", FLOAT, ["B", XTTS_SPEAKER_WIDTH])
        start = g.input("start", INT64, ["B", 1])
        keep = g.input("keep", INT64, ["B", 2])
        total = _frames(_size(latents, 1))
        wanted = _wanted(keep, total)
        pcm = self._decoded(latents, start, self._layers.narrow(speaker), wanted, total)
        g.output(_surrounded(pcm, wanted, total), "pcm", FLOAT, ["B", "n_samples"])
        return g.model()

    def _decoded(self, latents: Value, start: Value, speaker: Value, wanted: _Span, total: Value) -> Value:
        """Decode latents [B, n, W] into PCM of the wanted frames, float32 [B, n_samples]."""
        net = self._net
        context, *contexts = reach(net)
        span = wanted.around(context, total)
        x = self._layers.narrow(_interpolated(latents, start, span))
        x = self._conv(x, net.conv_pre, bias=False) + self._voice(speaker, net.cond_layer, net.conv_pre)
        rate = 1
        for stage, context in enumerate(contexts):
            rate *= net.ups[stage].stride[0]
            x = self._upsampled(x, stage) + self._voice(speaker, net.conds[stage], net.ups[stage])
            inner = wanted.around(context, total)
            x, span = self._mixed(span.cut(x, inner, rate), stage), inner
        return self._ending(x, span, wanted)

    def _upsampled(self, x: Value, stage: int) -> Value:
        """Leaky ReLU and transposed convolution without bias; its weights divide the last stage's sum."""
        layer = self._net.ups[stage]
        scale = 1.0 / self._net.num_kernels if stage else 1.0
        return self._graph.op(
            "ConvTranspose",
            self._leaky(x),
            self._layers.weights(array(layer.weight)[:, :, np.newaxis] * scale),
            kernel_shape=[1, layer.kernel_size[0]],
            strides=[1, layer.stride[0]],
            pads=_pads(layer.padding[0]),
        )

    def _mixed(self, x: Value, stage: int) -> Value:
        """The sum of a stage's residual blocks, which is ``num_kernels`` times their mean."""
        first, *others = [self._residual(x, block) for block in blocks(self._net, stage)]
        for other in others:
            first = first + other
        return first

    def _residual(self, x: Value, block: Any) -> Value:
        for inner, outer in zip(block.convs1, block.convs2, strict=True):
            x = self._conv(self._leaky(self._conv(self._leaky(x), inner)), outer) + x
        return x

    def _ending(self, x: Value, span: _Span, wanted: _Span) -> Value:
        """The last convolution, in single precision."""
        x = self._layers.wide(self._leaky(x, LAST_SLOPE))
        layer = self._net.conv_post
        weights = array(layer.weight)[:, :, np.newaxis] / self._net.num_kernels
        x = self._graph.op("Conv", x, self._graph.constant(weights), **_conv_attributes(layer))
        return span.cut(self._graph.op("Tanh", x), wanted, FRAME_SAMPLES).reshape(0, -1)

    def _conv(self, x: Value, layer: Any, bias: bool = True) -> Value:
        operands = [self._layers.weights(array(layer.weight)[:, :, np.newaxis])]
        operands += [self._layers.weights(array(layer.bias))] if bias else []
        return self._graph.op("Conv", x, *operands, **_conv_attributes(layer))

    def _voice(self, speaker: Value, layer: Any, beside: Any) -> Value:
        """Speaker's offset of each channel [B, C, 1, 1], and the bias of the layer ``beside`` it."""
        weights = self._layers.weights(array(layer.weight)[:, :, 0])
        bias = self._layers.weights(array(layer.bias) + array(beside.bias))
        added = self._graph.op("Gemm", speaker, weights, bias, transB=1)
        return self._graph.op("Unsqueeze", added, self._graph.ints(2, 3))

    def _leaky(self, x: Value, slope: float = SLOPE) -> Value:
        return self._graph.op("LeakyRelu", x, alpha=slope)


def _interpolated(latents: Value, start: Value, span: _Span) -> Value:
    """Latents [B, n, W] -> the frames of ``span``, [B, W, 1, F].

    Both of the reference's linear interpolations (latents to steps, steps to frames; half-pixel
    centres) as one matrix [n, F] per row.
    """
    ints, op = latents.graph.ints, latents.graph.op
    count = _size(latents, 1)
    origin = _frames(start + count) - _frames(count)
    index = op("Range", span.first.reshape(), span.end.reshape(), ints(1).reshape())
    frame = op("Unsqueeze", (origin + index).cast(FLOAT), ints(1))
    position = ((frame + 0.5) * _step_per_frame(count) - 0.5).max(0.0)
    step = op("Floor", position)
    share = position - step
    last = (count - ints(1)).cast(FLOAT)
    first = op("Unsqueeze", start.cast(FLOAT), ints(1))
    latent = op("Range", ints(0).reshape(), count.reshape(), ints(1).reshape()).cast(FLOAT)
    latent = op("Unsqueeze", latent, ints(1))

    def near(step: Value) -> Value:
        """Share of each latent in a step: [B, n, F]."""
        place = (((step + 0.5) * (1 / STEPS) - 0.5).max(0.0) - first).max(0.0).min(last)
        return (1.0 - (place - latent).magnitude()).max(0.0)

    matrix = near(step) * (1.0 - share) + near(step + 1.0) * share
    return op("Unsqueeze", op("MatMul", latents.transpose(0, 2, 1), matrix), ints(2))


def _step_per_frame(count: Value) -> Value:
    """DOWN / UP; 1 where a window has as many frames as steps: torch leaves alone what keeps its length.

    Two latents or fewer do, so such a window is a whole sentence.
    """
    op = count.graph.op
    same = op("Equal", _frames(count), count * count.graph.ints(STEPS))
    return op("Where", same, 1.0, DOWN / UP)


def _wanted(keep: Value, total: Value) -> _Span:
    """Frames that any row of the batch wants, at least one; [B, 2] -> [1] each."""
    op, ints = keep.graph.op, keep.graph.ints
    first = op("ReduceMin", keep.take(1, [0]), ints(0, 1), keepdims=0).reshape(1)
    end = op("ReduceMax", keep.take(1, [1]), ints(0, 1), keepdims=0).reshape(1)
    first = first.max(ints(0)).min(total - ints(1))
    return _Span(first, end.min(total).max(first + ints(1)))


def _surrounded(pcm: Value, wanted: _Span, total: Value) -> Value:
    """Surround the wanted frames with zeros for the window's other ones."""
    g = pcm.graph
    before, after = wanted.first * g.ints(FRAME_SAMPLES), (total - wanted.end) * g.ints(FRAME_SAMPLES)
    return g.op("Pad", pcm, g.op("Concat", before, after, axis=0), None, g.ints(1))


def _frames(latents: Value) -> Value:
    """int64: see ``vocoder_frames``."""
    return latents * latents.graph.ints(STEPS * UP) / latents.graph.ints(DOWN)


def _size(x: Value, axis: int) -> Value:
    return x.graph.op("Shape", x, start=axis, end=axis + 1)


def _conv_attributes(layer: Any) -> dict[str, list[int]]:
    return {
        "kernel_shape": [1, layer.kernel_size[0]],
        "dilations": [1, layer.dilation[0]],
        "pads": _pads(layer.padding[0]),
    }


def _pads(padding: int) -> list[int]:
    return [0, padding, 0, padding]
