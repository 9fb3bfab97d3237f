"""What the vocoder costs on this CPU, beside the reference's, and how it grows with the sentence.

    python -m lumen.bench.xtts_vocoder [seconds of speech ...]

Full size (latents 1,024 wide), random weights, fp32, ``THREADS`` threads each, warm, alone on the
machine. "Whole" decodes a sentence at once, "streamed" as chunks of latents come: ours in windows, the
reference's all from the start for every chunk, as its ``inference_stream`` does. Ends in one JSON
line; numbers are seconds of computing per second of audio, the median of ``REPEATS`` (of one for the
reference's streaming: 25 s of speech take it minutes).
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.bench.report import machine
from lumen.contracts import XTTS_REFERENCE_RATE, XTTS_SAMPLE_RATE, XTTS_SPEAKER_WIDTH
from lumen.engines.onnx_file import DEFAULT_FILE
from lumen.engines.xtts.coqui import coqui
from lumen.engines.xtts.dims import CODE_SAMPLES, XttsDims
from lumen.engines.xtts.windows import FRAME_SAMPLES, VocoderContext, Windows, frames_of

THREADS: Final = 2
REPEATS: Final = 3
SECONDS: Final = (2, 10, 25)

CHUNK: Final = 20
"""Latents of a chunk, the reference's default."""

CHUNKS: Final = (6, 10, 20, 40)
"""Sizes of chunks that are compared."""

CHUNKED_SECONDS: Final = 10

Latents = NDArray[np.float32]
Decoder = Callable[[Sequence[Latents]], None]
"""Decodes a sentence that comes in chunks [n, 1024]."""


def main(seconds: Sequence[int]) -> None:
    reference = _network()
    ours, theirs = _ours(_session(reference)), _theirs(reference)
    result = {
        **machine(),
        "threads": THREADS,
        "onnxruntime": ort.__version__,
        "whole_ours": {s: _cost(ours, s) for s in seconds},
        "whole_reference": {s: _cost(theirs, s) for s in seconds},
        "streamed_ours": {s: _cost(ours, s, CHUNK) for s in seconds},
        "streamed_reference": {s: _cost(theirs, s, CHUNK, repeats=1) for s in seconds},
        "ours_by_chunk": {chunk: _cost(ours, CHUNKED_SECONDS, chunk) for chunk in CHUNKS},
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _network() -> Any:
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    return coqui("TTS.tts.layers.xtts.hifigan_decoder").HifiDecoder(decoder_input_dim=XttsDims().width).eval()


def _session(network: Any) -> ort.InferenceSession:
    from export.graph_file import write
    from export.xtts import vocoder

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder:
        write(vocoder.build(network.waveform_decoder), Path(folder))
        path = str(Path(folder) / DEFAULT_FILE)
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _ours(session: ort.InferenceSession) -> Decoder:
    speaker = np.ones((1, XTTS_SPEAKER_WIDTH), np.float32) / XTTS_SPEAKER_WIDTH**0.5

    def decode(chunks: Sequence[Latents]) -> None:
        cutter = Windows(VocoderContext())
        for windows in (*(cutter.push(chunk) for chunk in chunks), cutter.finish()):
            for window in windows:
                session.run(None, {**window.tensors(), "speaker_embedding": speaker})

    return decode


def _theirs(network: Any) -> Decoder:
    import torch

    speaker = torch.ones(1, XTTS_SPEAKER_WIDTH, 1) / XTTS_SPEAKER_WIDTH**0.5

    @torch.inference_mode()
    def decode(chunks: Sequence[Latents]) -> None:
        heard = torch.zeros(0, XttsDims().width)
        for chunk in chunks:
            heard = torch.cat([heard, torch.from_numpy(chunk)])
            network(heard[None], g=speaker)

    return decode


def _cost(decode: Decoder, seconds: int, chunk: int | None = None, repeats: int = REPEATS) -> float:
    """Seconds per second of audio; ``chunk`` is how many latents come at once, None for all."""
    count = round(seconds * XTTS_REFERENCE_RATE / CODE_SAMPLES)
    latents = np.random.default_rng(0).standard_normal((count, XttsDims().width), np.float32)
    chunks = np.split(latents, range(chunk, count, chunk)) if chunk else [latents]
    decode(chunks[:3])
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        decode(chunks)
        times.append(time.perf_counter() - started)
    return round(median(times) / (frames_of(count) * FRAME_SAMPLES / XTTS_SAMPLE_RATE), 4)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SECONDS)
