"""The name of a cloned voice, and what is told of its recordings."""

import asyncio
import io
import wave

import numpy as np

from orchestrator.media.decode_gate import DecodeGate
from orchestrator.voices.references import decode, fingerprint


def test_ids_name_all_that_a_voice_is_made_of() -> None:
    """Other bytes, another order, another cut between the files: another voice."""
    ids = {fingerprint(files) for files in ([b"ab", b"c"], [b"c", b"ab"], [b"a", b"bc"], [b"abc"], [b"ab"])}
    assert len(ids) == 5
    assert fingerprint([b"ab", b"c"]) in ids


def stereo(right: float) -> bytes:
    """Two seconds of a tone as a WAV, with ``right`` times the left channel on the right."""
    left = 12_000 * np.sin(2 * np.pi * 220 * np.arange(2 * 22_050) / 22_050)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(np.stack([left, right * left], axis=1).astype("<i2").tobytes())
    return buffer.getvalue()


def test_what_spoils_a_recording_is_told_of_that_one() -> None:
    """A warning names the one of several recordings that it is about."""
    gate = DecodeGate(max_decodes=1, max_waiting=1, max_bytes=2**28, max_seconds=20)
    files = [stereo(1.0), stereo(-1.0)]
    recordings, warnings = asyncio.run(decode(gate, files, 60.0))
    assert [len(recording) for recording in recordings] == [2 * 22_050] * 2
    assert len(warnings) == 1
    assert warnings[0].startswith("Recording 2: The audio's channels cancel each other out")
