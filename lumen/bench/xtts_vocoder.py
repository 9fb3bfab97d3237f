"""What the vocoder costs on this CPU, beside the reference's, and how it grows with the sentence.

    python -m lumen.bench.xtts_vocoder

Full size (latents 1,024 wide), random weights, fp32, ``THREADS`` threads each, warm, one run at a time.
"Whole" decodes a sentence at once; "streamed" decodes it as chunks of latents come, ours in windows, the
reference's all from the start for every chunk, as its ``inference_stream`` does. Ends in one JSON line;
numbers are seconds of computing per second of audio, the median of ``REPEATS``.
"""

import json
import sys
from typing import Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.bench.report import machine
from lumen.contracts import XTTS_SPEAKER_WIDTH

THREADS: Final = 2
REPEATS: Final = 3
SECONDS: Final = (2, 10, 25)
CHUNK: Final = 20
"""Latents of a chunk, the reference's default."""

CHUNKS: Final = (6, 10, 20, 40)
"""Sizes of chunks that are compared."""

CHUNKED_SECONDS: Final = 10

Latents = NDArray[np.float32]


def main() -> None:
    decoder = reference()
    session = exported(decoder)
    speaker = np.random.default_rng(0).standard_normal((1, XTTS_SPEAKER_WIDTH), np.float32)
    result = {
        **machine(),
        "threads": THREADS,
        "onnxruntime": ort.__version__,
        "whole_ours": {s: timed(lambda n=n: ours(session, [n], speaker), n) for s, n in lengths()},
        "whole_reference": {s: timed(lambda n=n: theirs(decoder, [n], speaker), n) for s, n in lengths()},
        "streamed_ours": {
            s: timed(lambda n=n: ours(session, chunks(n, CHUNK), speaker), n) for s, n in lengths()
        },
        "streamed_reference": {
            s: timed(lambda n=n: theirs(decoder, chunks(n, CHUNK), speaker), n, 1) for s, n in lengths()
        },
        "ours_by_chunk": by_chunk(session, speaker),
    }
    sys.stdout.write(json.dumps(result) + "\n")
