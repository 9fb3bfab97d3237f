"""Layers of torch modules as nodes of an ONNX graph, in single or half precision."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.graph import FLOAT, Graph, Value

HALF: Final = TensorProto.FLOAT16

NORM_FLOOR: Final = 1e-12
"""Least length that a vector is divided by."""


class Layers:
    """Adds layers to a graph; weights are constants of the type that it computes in."""

    def __init__(self, graph: Graph, half: bool = False) -> None:
        self.graph = graph
        self._half = half

    def weights(self, array: NDArray[np.float32]) -> Value:
        return self.graph.constant(array.astype(np.float16 if self._half else np.float32))

    def narrow(self, x: Value) -> Value:
        """float32 -> the type that is computed in."""
        return x.cast(HALF) if self._half else x

    def wide(self, x: Value) -> Value:
        """The type that is computed in -> float32."""
        return x.cast(FLOAT) if self._half else x

    def conv(self, x: Value, layer: Any) -> Value:
        """A ``Conv1d`` or ``Conv2d``."""
        operands = [self.weights(array(layer.weight))]
        operands += [] if layer.bias is None else [self.weights(array(layer.bias))]
        return self.graph.op(
            "Conv",
            x,
            *operands,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            dilations=list(layer.dilation),
            pads=[*layer.padding, *layer.padding],
        )

    def linear(self, x: Value, layer: Any) -> Value:
        """A ``Linear`` on the last axis."""
        product = self.graph.op("MatMul", x, self.weights(array(layer.weight).T))
        return product if layer.bias is None else product + self.weights(array(layer.bias))

    def batch_norm(self, x: Value, layer: Any) -> Value:
        """Normalise with the training's statistics; ONNX Runtime folds it into a convolution before it."""
        numbers = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        parts = [self.weights(array(number)) for number in numbers]
        return self.graph.op("BatchNormalization", x, *parts, epsilon=layer.eps)

    def relu(self, x: Value) -> Value:
        return self.graph.op("Relu", x)

    def softmax(self, x: Value, axis: int = -1) -> Value:
        """Softmax in single precision."""
        return self.narrow(self.graph.op("Softmax", self.wide(x), axis=axis))


def array(parameter: Any) -> NDArray[np.float32]:
    """A torch tensor's numbers; a weight under weight norm is the product that it stands for."""
    numbers: NDArray[np.float32] = parameter.detach().cpu().float().numpy()
    return numbers


def mel_power(audio: Value, transform: Any) -> Value:
    """A ``torchaudio.transforms.MelSpectrogram`` of power 2: float32 [1, n_samples] -> [1, mels, frames].

    The Fourier transform is a convolution with the window's sines and cosines, as far up as the
    mel bands reach. Frames are centred on multiples of the hop, the signal is reflected at its ends.
    """
    g = audio.graph
    filters = array(transform.mel_scale.fb)
    used = int(np.flatnonzero(filters.any(axis=1))[-1]) + 1
    window = array(transform.spectrogram.window)
    ends = g.ints(0, len(window) // 2, 0, len(window) // 2)
    signal = g.op("Unsqueeze", g.op("Pad", audio, ends, mode="reflect"), g.ints(1))
    bases = g.constant(_bases(window, transform.n_fft, used))
    parts = g.op("Conv", signal, bases, kernel_shape=[len(window)], strides=[transform.hop_length])
    real, imaginary = parts.split(1, 2)
    return g.op("MatMul", g.constant(filters[:used].T), real.square() + imaginary.square())


def _bases(window: NDArray[np.float32], n_fft: int, bins: int) -> NDArray[np.float32]:
    """[2 * bins, 1, len(window)]: cosines, then sines."""
    time = np.arange(len(window), dtype=np.float64)
    angles = 2 * np.pi / n_fft * np.outer(np.arange(bins), time)
    waves = np.concatenate([np.cos(angles), np.sin(angles)]) * window
    bases: NDArray[np.float32] = waves[:, np.newaxis].astype(np.float32)
    return bases
