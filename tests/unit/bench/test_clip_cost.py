"""The benchmark of a clip's cost: what it reads of files and processes."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bench.clip_cost import seconds_of
from bench.processes import processor_seconds
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.sinks import FragmentedMp4Sink

BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"


def test_processor_time_of_children_is_counted() -> None:
    """What a child has computed is in the sum, by its name, while it lives."""
    before = sum(processor_seconds(os.getpid()).values())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", BUSY], **pipes) as child:  # type: ignore[call-overload]
        child.stdout.readline()
        assert sum(processor_seconds(os.getpid()).values()) >= before + 0.25
        child.stdin.write(b"\n")


def test_length_of_a_fragmented_clip() -> None:
    """The sound's length is read from what a client received, whose header names none."""
    sink = FragmentedMp4Sink({})
    with encoding(ClipFormat(64, 64, 25, 24_000, live=True), sink) as clip:
        clip.write_audio(np.zeros(24_000, np.float32))
        clip.write_frames(np.zeros((25, 64, 64, 3), np.uint8))
    assert seconds_of(sink.take()) == pytest.approx(1.0, abs=0.1)  # with the encoder's delay and padding
