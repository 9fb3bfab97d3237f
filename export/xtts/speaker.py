"""`xtts_speaker`: reference audio -> speaker embedding, as an ONNX graph.

A ResNet with squeeze-and-excitation over a log mel spectrogram and attentive statistics pooling
(H/ASP; Heo et al., 2020, arXiv:2009.14153). Normalisation and pooling run over all of the time, so
recordings go one by one and unpadded. Always in single precision: it runs once per voice.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from export.artifact import Difference, Differences, ExportOptions, difference
from export.graph import FLOAT, Graph, Value, concat
from export.graph_file import GraphFile, noise, write
from export.xtts.layers import NORM_FLOOR, Layers, array, mel_power
from lumen.contracts import XTTS_SPEAKER, XTTS_SPEAKER_RATE, XTTS_SPEAKER_WIDTH

if TYPE_CHECKING:
    from export.xtts.checkpoint import LoadedXtts

LOG_FLOOR: Final = 1e-6
"""Added to a mel band's power before its logarithm."""

VARIANCE_FLOOR: Final = 1e-5
"""Least variance over time that the pooling gives."""

TOLERANCE: Final = 1e-4

VERIFY_SECONDS: Final = (0.34, 3.0)
"""Lengths of the recordings that an export is verified with."""


class SpeakerArtifact:
    """See ``export.artifact.Artifact``."""

    name = XTTS_SPEAKER

    def write(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> None:
        write(build(model.model.hifigan_decoder.speaker_encoder), folder)

    def verify(self, model: "LoadedXtts", folder: Path, options: ExportOptions) -> Differences:
        graph, random = GraphFile(folder), np.random.default_rng()
        audios = [noise(seconds, XTTS_SPEAKER_RATE, random) for seconds in VERIFY_SECONDS]
        encoder = model.model.hifigan_decoder.speaker_encoder
        return Differences(tuple(self._difference(encoder, graph, audio) for audio in audios))

    def _difference(self, encoder: Any, graph: GraphFile, audio: NDArray[np.float32]) -> Difference:
        import torch

        with torch.inference_mode():
            expected = encoder(torch.from_numpy(audio)[None], l2_norm=True)[0]
        return difference("speaker_embedding", graph.run({"audio": audio}), expected.numpy(), TOLERANCE)


def build(encoder: Any) -> onnx.ModelProto:
    """The graph of a ``ResNetSpeakerEncoder``; the same weights give the same bytes.

    Input: audio float32 [n_samples] in -1..1 at 16 kHz, more than 200 samples. Output:
    speaker_embedding float32 [512] of length 1.
    """
    g = Graph("xtts_speaker")
    layers = Layers(g)
    audio = g.input("audio", FLOAT, ["n_samples"])
    x = _spectrogram(g.op("Unsqueeze", audio, g.ints(0)), *encoder.torch_spec)
    x = _features(layers, g.op("Unsqueeze", _instance_norm(x, encoder.instancenorm), g.ints(1)), encoder)
    x = layers.linear(_pooled(layers, x.reshape(1, encoder.fc.in_features // 2, -1), encoder), encoder.fc)
    length = g.op("ReduceL2", x, g.ints(-1)).max(NORM_FLOOR)
    g.output((x / length).reshape(-1), "speaker_embedding", FLOAT, [XTTS_SPEAKER_WIDTH])
    return g.model()


def _spectrogram(audio: Value, emphasis: Any, transform: Any) -> Value:
    """[1, n_samples] -> log mel spectrogram [1, 64, T] of the signal with its treble raised."""
    g = audio.graph
    signal = g.op("Unsqueeze", g.op("Pad", audio, g.ints(0, 1, 0, 0), mode="reflect"), g.ints(1))
    emphasised = g.op("Conv", signal, g.constant(array(emphasis.filter)))
    return g.op("Log", mel_power(emphasised.reshape(1, -1), transform) + LOG_FLOOR)


def _instance_norm(x: Value, norm: Any) -> Value:
    g = x.graph
    ones = g.op("ConstantOfShape", g.ints(norm.num_features)) + 1.0
    return g.op("InstanceNormalization", x, ones, ones - 1.0, epsilon=norm.eps)


def _features(layers: Layers, x: Value, encoder: Any) -> Value:
    """[1, 1, 64, T] -> [1, C, 8, T / 8]."""
    x = layers.batch_norm(layers.relu(layers.conv(x, encoder.conv1)), encoder.bn1)
    for stage in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        for block in stage:
            x = _block(layers, x, block)
    return x


def _block(layers: Layers, x: Value, block: Any) -> Value:
    y = layers.batch_norm(layers.relu(layers.conv(x, block.conv1)), block.bn1)
    y = _excited(layers, layers.batch_norm(layers.conv(y, block.conv2), block.bn2), block.se)
    if block.downsample is not None:
        convolution, norm = block.downsample
        x = layers.batch_norm(layers.conv(x, convolution), norm)
    return layers.relu(x + y)


def _excited(layers: Layers, x: Value, module: Any) -> Value:
    """Every channel by a factor that all channels' means decide (Hu et al., 2018, arXiv:1709.01507)."""
    op = layers.graph.op
    first, _, second, _ = module.fc
    mean = op("GlobalAveragePool", x).reshape(1, -1)
    factor = op("Sigmoid", layers.linear(layers.relu(layers.linear(mean, first)), second))
    return x * factor.reshape(1, -1, 1, 1)


def _pooled(layers: Layers, x: Value, encoder: Any) -> Value:
    """[1, C, T] -> [1, 2 C]: mean and standard deviation over time, weighted by attention."""
    first, _, norm, second, _ = encoder.attention
    hidden = layers.batch_norm(layers.relu(layers.conv(x, first)), norm)
    share = layers.softmax(layers.conv(hidden, second), axis=2)
    mean = (x * share).sum(2)
    variance = (x.square() * share).sum(2) - mean.square()
    return concat(1, mean, variance.max(VARIANCE_FLOOR).sqrt()).reshape(1, -1)
