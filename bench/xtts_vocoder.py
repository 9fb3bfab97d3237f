"""Time of the vocoder on this CPU, beside the reference's, and how it grows with the sentence.

    python -m bench.xtts_vocoder [seconds of speech ...]

Full size (latents 1,024 wide), random weights, fp32, ``THREADS`` threads each, warm, alone on the
machine. "Whole" decodes a sentence that is all there, ours in the longest windows; "streamed" decodes chunks
of latents as they come, ours in windows, the reference's all from the start for every chunk, as its
``inference_stream`` does. The reference goes first as it comes, and once more with the allocator that
keeps what is freed, which ours is served with. Ends in one JSON line; numbers are seconds of computing per
second of audio, the median of ``REPEATS`` (of one for the reference's streaming: 25 s of speech take it
minutes).
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from bench.runner import Report, run_benchmark
from bench.timing import call_seconds
from lumen.allocator import keep_freed_memory
from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SAMPLE_RATE, XTTS_SPEAKER_WIDTH
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import CODE_SAMPLES, XttsDims
from lumen.families.xtts.vocoder_windows import FRAME_SAMPLES, VocoderContext, Windows, vocoder_frames

THREADS: Final = 2
REPEATS: Final = 3
SECONDS: Final = (2, 10, 25)

CHUNK: Final = 20
"""Latents of a chunk, the reference's default."""

CHUNKS: Final = (6, 10, 20, 40)
"""Sizes of chunks that are compared."""

CHUNKED_SECONDS: Final = 10

Latents = NDArray[np.float32]
Decoder = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""Decodes a window; see ``export.xtts.vocoder``."""

Sentence = Callable[[Sequence[Latents]], None]
"""Decodes a sentence that comes in chunks [n, 1024]."""


def measure(options: argparse.Namespace) -> Report:
    """Decode sentences of each length in every way; the reference also with LUMEN's allocator."""
    seconds, network = options.seconds, _network()
    reference = _reference(network)
    result = {
        "threads": THREADS,
        "onnxruntime": ort.__version__,
        "whole_reference": {s: _cost(reference, s) for s in seconds},
        "streamed_reference": {s: _cost(reference, s, CHUNK, repeats=1) for s in seconds},
    }
    keep_freed_memory()
    ours, onnx = _served(_tiled(network)), _served(_onnx(network))
    return Report(
        {
            **result,
            "whole_reference_memory_kept": {s: _cost(reference, s) for s in seconds},
            "whole_ours": {s: _cost(ours, s) for s in seconds},
            "whole_onnx": {s: _cost(onnx, s) for s in seconds},
            "streamed_ours": {s: _cost(ours, s, CHUNK) for s in seconds},
            "ours_by_chunk": {chunk: _cost(ours, CHUNKED_SECONDS, chunk) for chunk in CHUNKS},
        }
    )


def _network() -> Any:
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    return coqui("TTS.tts.layers.xtts.hifigan_decoder").HifiDecoder(decoder_input_dim=XttsDims().width).eval()


def _tiled(network: Any) -> Decoder:
    from export.xtts.tiled_vocoder import write_tiled
    from export.xtts.vocoder import open_vocoder

    with tempfile.TemporaryDirectory() as folder:
        write_tiled(network.waveform_decoder, Path(folder))
        return open_vocoder(Path(folder))


def _onnx(network: Any) -> Decoder:
    from export.xtts.vocoder_graph import build

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    graph = build(network.waveform_decoder).SerializeToString()
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, dict(inputs))[0]


def _served(decoder: Decoder) -> Sentence:
    """The sentence in windows, as `xtts` asks for them."""
    speaker = np.ones((1, XTTS_SPEAKER_WIDTH), np.float32) / XTTS_SPEAKER_WIDTH**0.5

    def decode(chunks: Sequence[Latents]) -> None:
        cutter = Windows(VocoderContext())
        for windows in (*(cutter.push(chunk) for chunk in chunks), cutter.finish()):
            for window in windows:
                decoder({**window.tensors(), "speaker_embedding": speaker})

    return decode


def _reference(network: Any) -> Sentence:
    import torch

    speaker = torch.ones(1, XTTS_SPEAKER_WIDTH, 1) / XTTS_SPEAKER_WIDTH**0.5

    @torch.inference_mode()
    def decode(chunks: Sequence[Latents]) -> None:
        heard = torch.zeros(0, XttsDims().width)
        for chunk in chunks:
            heard = torch.cat([heard, torch.from_numpy(chunk)])
            network(heard[None], g=speaker)

    return decode


def _cost(decode: Sentence, seconds: int, chunk: int | None = None, repeats: int = REPEATS) -> float:
    """Seconds per second of audio; ``chunk`` is how many latents come at once, None for all."""
    count = round(seconds * XTTS_REFERENCE_RATE / CODE_SAMPLES)
    latents = np.random.default_rng(0).standard_normal((count, XttsDims().width), np.float32)
    chunks = np.split(latents, range(chunk, count, chunk)) if chunk else [latents]
    decode(chunks[:3])
    times = [call_seconds(lambda: decode(chunks)) for _ in range(repeats)]
    return round(median(times) / (vocoder_frames(count) * FRAME_SAMPLES / XTTS_SAMPLE_RATE), 4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("seconds", type=int, nargs="*", default=SECONDS, help="of speech")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
