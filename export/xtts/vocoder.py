"""`xtts_vocoder`: the HiFi-GAN decoder, as an ONNX graph or, for a processor, as TorchScript on tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from export.artifact import Differences, ExportOptions, Precision, difference
from export.graph_file import write
from export.xtts import vocoder_graph
from export.xtts.hifigan import context_of
from lumen.contracts import XTTS_SPEAKER_WIDTH, XTTS_VOCODER
from lumen.errors import ModelLoadException
from lumen.families.xtts.vocoder_windows import VocoderContext, Windows

if TYPE_CHECKING:
    from export.xtts.checkpoint import LoadedXtts

TOLERANCE: Final[dict[Precision, float]] = {"fp32": 1e-3, "fp16": 1e-2}

VERIFY_CHUNKS: Final = (6, 10, 6)
"""Latents of the sentence that an export is verified with, as they are pushed."""

Decoder = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""The model's inputs by name, as in ``Window.tensors`` and the speaker last -> PCM [B, n_samples]."""


class VocoderArtifact:
    """See ``export.artifact.Artifact``."""

    name = XTTS_VOCODER

    def write(self, model: LoadedXtts, folder: Path, options: ExportOptions) -> None:
        """Write the network, tiled as TorchScript or as a graph.

        Raises:
            ModelLoadException: the checkpoint's vocoder hears more around a frame than windows hold.
        """
        generator = model.model.hifigan_decoder.waveform_decoder
        if context_of(generator).frames > VocoderContext().frames:
            raise ModelLoadException(
                f"The checkpoint's vocoder hears {context_of(generator).frames} frames around each, expected "
                f"at most {VocoderContext().frames}: it is not XTTS v2's; take an official checkpoint."
            )
        if options.format == "onnx":
            write(vocoder_graph.build(generator, half=options.precision == "fp16"), folder)
        else:
            from export.xtts.tiled_vocoder import write_tiled

            write_tiled(generator, folder)

    def verify(self, model: LoadedXtts, folder: Path, options: ExportOptions) -> Differences:
        """A sentence in one window, and one in chunks."""
        random = np.random.default_rng()
        latents = random.standard_normal((sum(VERIFY_CHUNKS), model.dims.width), np.float32)
        speaker = random.standard_normal((1, XTTS_SPEAKER_WIDTH), np.float32)
        speaker /= np.linalg.norm(speaker)
        decoder, expected = open_vocoder(folder), reference(model.model.hifigan_decoder, latents, speaker)
        tolerance = TOLERANCE[options.precision]
        chunks = np.split(latents, np.cumsum(VERIFY_CHUNKS)[:-1])
        return Differences(
            (
                difference("pcm", decoded(decoder, [latents], speaker), expected, tolerance),
                difference("pcm in chunks", decoded(decoder, chunks, speaker), expected, tolerance),
            )
        )


def reference(
    decoder: Any, latents: NDArray[np.float32], speaker: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The torch module's PCM [n_samples] of latents [n, W] and a speaker [1, 512]."""
    import torch

    with torch.inference_mode():
        pcm = decoder(torch.from_numpy(latents)[None], g=torch.from_numpy(speaker)[:, :, None])
    found: NDArray[np.float32] = pcm.numpy().reshape(-1)
    return found


def open_vocoder(folder: Path) -> Decoder:
    """The file that was written, on the CPU."""
    import torch

    from export.network_file import open_network

    network = open_network(folder, ("pcm",))

    def decode(inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        pcm: NDArray[np.float32] = network.run_all(tensors)["pcm"].numpy()
        return pcm

    return decode


def decoded(
    decoder: Decoder, chunks: Sequence[NDArray[np.float32]], speaker: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The PCM [n_samples] of a sentence that comes in chunks of latents [n, W]."""
    cutter = Windows(VocoderContext())
    windows = [window for chunk in chunks for window in cutter.push(chunk)] + cutter.finish()
    pcm = [decoder({**window.tensors(), "speaker_embedding": speaker})[0][window.keep] for window in windows]
    return np.concatenate(pcm)
