"""`xtts_conditioning`: reference audio -> the GPT's conditioning latents, as an ONNX graph.

A mel spectrogram, six attention blocks over its frames, and a Perceiver resampler (Jaegle et al.,
2021, arXiv:2103.03206) that makes a fixed number of vectors of them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.artifact import Difference, Differences, ExportOptions, Precision, difference
from export.graph import FLOAT, Graph, Value, concat
from export.graph_file import GraphFile, noise, write
from export.xtts.layers import NORM_FLOOR, Layers, array, mel_power
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_CONDITIONING, XTTS_REFERENCE_RATE
from lumen.families.xtts.coqui import coqui

if TYPE_CHECKING:
    from export.xtts.checkpoint import LoadedXtts

MEL: Final = {
    "sample_rate": XTTS_REFERENCE_RATE,
    "n_fft": 2048,
    "win_length": 1024,
    "hop_length": 256,
    "f_min": 0.0,
    "f_max": 8000.0,
    "n_mels": 80,
    "power": 2.0,
    "norm": "slaney",
}
"""The spectrogram that XTTS v2 was trained with; checkpoints do not carry it."""

MEL_FLOOR: Final = 1e-5
"""Power below which a mel band counts as silent."""

TOLERANCE: Final[dict[Precision, float]] = {"fp32": 1e-4, "fp16": 1e-2}

VERIFY_SECONDS: Final = (0.34, 1.3, 4.0)
"""Lengths of the recordings that an export is verified with, from the shortest chunk to the longest."""


class ConditioningArtifact:
    """See ``export.artifact.Artifact``."""

    name = XTTS_CONDITIONING

    def write(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> None:
        write(build(model.model, half=options.precision == "fp16"), folder)

    def verify(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> Differences:
        graph, random = GraphFile(folder), np.random.default_rng()
        audios = [noise(seconds, XTTS_REFERENCE_RATE, random) for seconds in VERIFY_SECONDS]
        return Differences(tuple(self._difference(model.model, graph, audio, options) for audio in audios))

    def _difference(
        self, model: Any, graph: GraphFile, audio: NDArray[np.float32], options: ExportOptions
    ) -> Difference:
        import torch

        chunk = int(max(VERIFY_SECONDS))
        expected = model.get_gpt_cond_latents(
            torch.from_numpy(audio)[None], XTTS_REFERENCE_RATE, chunk_length=chunk
        )[0]
        got = graph.run({"audio": audio})
        return difference("gpt_cond_latent", got, expected.numpy(), TOLERANCE[options.precision])


def build(model: Any, half: bool = False) -> onnx.ModelProto:
    """The graph of the reference's ``Xtts``; the same weights give the same bytes.

    Input: audio float32 [n_samples] in -1..1 at 22.05 kHz, more than 512 samples. Output:
    gpt_cond_latent float32 [32, W].

    Args:
        half: compute in half precision, but for the spectrogram, norms and softmaxes.
    """
    g = Graph("xtts_conditioning")
    layers = Layers(g, half)
    audio = g.input("audio", FLOAT, ["n_samples"])
    x = layers.narrow(_mel(g.op("Unsqueeze", audio, g.ints(0)), model.mel_stats))
    x = _encoded(layers, x, model.gpt.conditioning_encoder)
    x = _resampled(layers, x.transpose(0, 2, 1), model.gpt.conditioning_perceiver)
    g.output(_open(x, audio), "gpt_cond_latent", FLOAT, [XTTS_CONDITION_LATENTS, "W"])
    return g.model()


def _mel(audio: Value, stats: Any) -> Value:
    """[1, n_samples] -> normalised log mel spectrogram [1, 80, T]."""
    transforms = coqui("TTS.tts.models.xtts").torchaudio.transforms
    power = mel_power(audio, transforms.MelSpectrogram(**MEL))
    return audio.graph.op("Log", power.max(MEL_FLOOR)) / audio.graph.constant(array(stats)[:, None])


def _encoded(layers: Layers, x: Value, encoder: Any) -> Value:
    """[1, 80, T] -> [1, W, T]."""
    x = layers.conv(x, encoder.init)
    for block in encoder.attn:
        x = _group_norm(layers, x, block.norm)
        x = x + layers.conv(_attention(layers, layers.conv(x, block.qkv), block), block.proj_out)
    return x


def _group_norm(layers: Layers, x: Value, norm: Any) -> Value:
    """Normalise over time and the channels of each group, in single precision."""
    g = layers.graph
    ones = g.op("ConstantOfShape", g.ints(norm.num_groups)) + 1.0
    grouped = layers.wide(x).reshape(1, norm.num_groups, -1)
    normal = g.op("InstanceNormalization", grouped, ones, ones - 1.0, epsilon=norm.eps)
    normal = normal.reshape(1, norm.num_channels, -1)
    scale, shift = (g.constant(array(part)[:, None]) for part in (norm.weight, norm.bias))
    return layers.narrow(normal * scale + shift)


def _attention(layers: Layers, qkv: Value, block: Any) -> Value:
    """[1, 3 W, T], heads first and q, k, v inside each -> [1, W, T]."""
    width = block.channels // block.num_heads
    q, k, v = qkv.reshape(block.num_heads, 3 * width, -1).split(1, 3)
    share = _share(layers, q.transpose(0, 2, 1), k, width)
    return layers.graph.op("MatMul", v, share.transpose(0, 2, 1)).reshape(1, block.channels, -1)


def _share(layers: Layers, q: Value, k: Value, width: int) -> Value:
    """Attention of queries [H, Q, width] to keys [H, width, K]; both are scaled, as half precision needs."""
    scale = layers.weights(np.array(width**-0.25))
    return layers.softmax(layers.graph.op("MatMul", q * scale, k * scale))


def _resampled(layers: Layers, context: Value, perceiver: Any) -> Value:
    """[1, T, W] -> float32 [1, 32, W]; every layer's latents attend to themselves and to the context."""
    x = layers.weights(array(perceiver.latents)[np.newaxis])
    for attention, feed_forward in perceiver.layers:
        x = x + _cross_attention(layers, x, concat(1, x, context), attention)
        x = x + _feed_forward(layers, x, feed_forward)
    x = layers.wide(x)
    norm = perceiver.norm
    length = layers.graph.op("ReduceL2", x, layers.graph.ints(-1)).max(NORM_FLOOR)
    return x / length * layers.graph.constant(array(norm.gamma) * norm.scale)


def _open(x: Value, audio: Value) -> Value:
    """[1, 32, W] -> [32, W], of a width that nobody can infer.

    Triton wants the width open in the graph where the configuration, which serves checkpoints of
    every width, leaves it open. Hence a number of rows that comes with the audio: it is 32.
    """
    g = x.graph
    rows = g.ints(XTTS_CONDITION_LATENTS).min(g.op("Shape", audio))
    return g.op("Reshape", x, concat(0, rows, g.ints(-1)))


def _cross_attention(layers: Layers, x: Value, context: Value, attention: Any) -> Value:
    heads = attention.heads
    q = layers.linear(x, attention.to_q)
    k, v = layers.linear(context, attention.to_kv).split(2, 2)
    q, k, v = (part.reshape(0, 0, heads, -1) for part in (q, k, v))
    width = attention.to_q.out_features // heads
    share = _share(layers, q.transpose(0, 2, 1, 3), k.transpose(0, 2, 3, 1), width)
    mixed = layers.graph.op("MatMul", share, v.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    return layers.linear(mixed.reshape(0, 0, -1), attention.to_out)


def _feed_forward(layers: Layers, x: Value, module: Any) -> Value:
    """Linear, x * gelu(gate), linear (GEGLU; Shazeer, 2020, arXiv:2002.05202)."""
    first, _, last = module
    x, gate = layers.linear(x, first).split(2, 2)
    return layers.linear(x * layers.graph.op("Gelu", gate), last)
