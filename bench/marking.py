"""Cost of marks: a signature on a clip, a label in its frames, and the sizes of its speech by format.

``python -m bench.marking clip.mp4`` with a clip that the chain made; the last line is JSON.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.machine import machine
from bench.timing import call_seconds, median_seconds
from lumen.settings import Settings
from orchestrator.marking.certificate import CHAIN, KEY, make_test_chain
from orchestrator.marking.label import Label
from orchestrator.marking.marking import Mark, Marking
from orchestrator.media.decode_audio import decode_audio
from orchestrator.media.sound_files import SUFFIXES, FormatName, sound_file

SIZES: Final = ((256, 256), (512, 512), (1080, 1920))
ROUNDS: Final = 100
SECONDS: Final = 1.0
MAX_AUDIO_SECONDS: Final = 600.0


def signing(clip: Path, mark: Mark, folder: Path) -> dict[str, Any]:
    """Time to sign a clip, and bytes that it grows by."""
    times = []
    for index in range(ROUNDS):
        copy = folder / f"copy-{index}{clip.suffix}"
        shutil.copy(clip, copy)
        times.append(call_seconds(lambda copy=copy: mark.seal(copy, copy)))  # type: ignore[misc]
        grown = copy.stat().st_size - clip.stat().st_size
        copy.unlink()
    p50, p95, p99 = np.percentile(times, (50, 95, 99)) * 1000
    return {"p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "p99_ms": round(p99, 2), "bytes": grown}


def labels() -> dict[str, float]:
    """Milliseconds that a label costs per frame, by the frame's size."""
    found = {}
    for width, height in SIZES:
        label, frame = Label("AI-generated", width, height), np.full((height, width, 3), 120, np.uint8)
        seconds = median_seconds(lambda label=label, frame=frame: label.draw(frame), SECONDS)  # type: ignore[misc]
        found[f"{width}x{height}"] = round(seconds * 1000, 3)
    return found


def sounds(clip: Path, rate: int, tags: dict[str, str], folder: Path) -> dict[str, int]:
    """Bits per second of the clip's speech in each format."""
    pcm = decode_audio(clip.read_bytes(), rate, MAX_AUDIO_SECONDS).pcm
    found = {}
    for kind in SUFFIXES:
        path = folder / f"speech{SUFFIXES[kind]}"
        name: FormatName = kind  # type: ignore[assignment]  # the names of the table are those of the type
        with sound_file(name, path, rate, rate, tags) as write:
            write(pcm)
        found[kind] = round(path.stat().st_size * 8 * rate / len(pcm))
    return found


@contextmanager
def _signing_mark() -> Iterator[tuple[Mark, Path]]:
    with tempfile.TemporaryDirectory(prefix="lumen-marking-") as name:
        folder = Path(name)
        make_test_chain(folder)
        settings = Settings(sign_cert=folder / CHAIN, sign_key=folder / KEY)
        yield Marking(settings).mark("bench", {"writer": "echo", "voice": "hibari", "face": "warp"}), folder


def run(clip: Path) -> dict[str, Any]:
    """All measurements of a clip."""
    with _signing_mark() as (mark, folder):
        return {
            "machine": machine(),
            "clip_bytes": clip.stat().st_size,
            "signing": signing(clip, mark, folder),
            "label_ms": labels(),
            "speech_bits_per_second": sounds(clip, Settings().audio_sample_rate, mark.tags, folder),
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]))) + "\n")
