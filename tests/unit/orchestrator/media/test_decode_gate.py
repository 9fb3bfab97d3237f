"""Bounds of decoding: memory, time, places, and what decoders do besides."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from lumen.errors import (
    BusyException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
    UnsupportedMediaException,
)
from orchestrator.media.decode_audio import decode_audio
from orchestrator.media.decode_gate import NICENESS, DecodeGate
from orchestrator.media.decode_image import decode_image
from orchestrator.request_context import client
from tests.support.decoders import UNLUCKY, count, crash, fail, hog, say_pid, say_pid_and_yield, spin
from tests.support.media_files import image_bytes, png_bomb, recording
from tests.support.paths import ROOT
from tests.support.waiting import wait_until

MIB: Final = 2**20

PEAK: Final = """
import resource, sys
from pathlib import Path
from lumen.errors import InvalidInputException
from orchestrator.media.decode_audio import decode_audio
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode_audio(data, 22_050, float(sys.argv[2]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
"""Prints the MiB by which decoding a file lets the process grow at its peak."""


MAIN: Final = """
import asyncio
from orchestrator.media.decode_gate import DecodeGate
print("imported", flush=True)
if __name__ == "__main__":
    print(asyncio.run(DecodeGate(1, 1, 2**28, 20).run(len, b"abc")), flush=True)
"""


@pytest.fixture
def gate() -> DecodeGate:
    return DecodeGate(max_decodes=2, max_waiting=4, max_bytes=256 * MIB, max_seconds=20)


def peak_mib(path: Path, max_seconds: float) -> int:
    command = [sys.executable, "-c", PEAK, str(path), str(max_seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def png(side: int) -> bytes:
    """A black PNG, RGBA of 16 bits: a thousandth of the memory that it takes decoded."""
    deflate = zlib.compressobj(9)
    rows = b"".join([deflate.compress(bytes(1 + 8 * side)) for _ in range(side)]) + deflate.flush()
    head = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def with_cover(mp3: bytes, picture: bytes) -> bytes:
    """An MP3 with a cover (ID3v2.3, frame APIC)."""
    content = b"\0image/png\0\3\0" + picture
    frame = b"APIC" + struct.pack(">I", len(content)) + b"\0\0" + content
    size = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + frame + mp3


def index_bomb(packets: int) -> bytes:
    """An M4A of a few bytes whose tables tell of so many packets of one byte (ISO 14496-12, 8.6 and 8.7)."""
    data = bytearray(recording(seconds=1.0, rate=16_000, container="ipod", codec="aac", sample_format="fltp"))
    struct.pack_into(">II", data, data.index(b"stsz") + 8, 1, packets)
    struct.pack_into(">I", data, data.index(b"stsc") + 16, packets)
    struct.pack_into(">II", data, data.index(b"stts") + 12, packets, 1024)
    return bytes(data)


def test_a_cover_is_not_decoded(tmp_path: Path) -> None:
    """A picture of 100 million bytes in a sound file takes no memory: only the sound is opened."""
    mp3 = recording(seconds=1.0, container="mp3", codec="libmp3lame", sample_format="s16p")
    file = tmp_path / "cover.mp3"
    file.write_bytes(with_cover(mp3, png(3_600)))
    assert peak_mib(file, 120.0) < 40
    assert len(decode_audio(file.read_bytes(), 22_050, 120.0).pcm) / 22_050 == pytest.approx(1.0, abs=0.1)


def test_memory_grows_with_the_result_alone(tmp_path: Path) -> None:
    """Four minutes take their result (20 MiB), the room in which it grows, and little else."""
    file = tmp_path / "long.wav"
    file.write_bytes(recording(seconds=240.0))
    result = 240 * 22_050 * 4 // MIB
    assert peak_mib(file, 240.0) < 3 * result


def test_an_index_in_a_sound_file_is_bounded(gate: DecodeGate) -> None:
    """A thousand bytes that make FFmpeg write an index of 1.4 GB are refused within the bound."""
    with pytest.raises(LumenException) as refused:
        asyncio.run(gate.run(decode_audio, index_bomb(40_000_000), 22_050, 120.0))
    assert refused.value.status in (400, 413, 415)


def test_what_is_decoded_comes_back(gate: DecodeGate) -> None:
    """Sound and pictures are the same through the process as without it."""
    wav, picture = recording(), image_bytes((200, 100, 50))
    audio = asyncio.run(gate.run(decode_audio, wav, 22_050, 120.0))
    np.testing.assert_array_equal(audio.pcm, decode_audio(wav, 22_050, 120.0).pcm)
    pixels = asyncio.run(gate.run(decode_image, picture, 10_000)).pixels
    np.testing.assert_array_equal(pixels, decode_image(picture, 10_000).pixels)


@pytest.mark.parametrize(
    ("function", "data", "kind", "message"),
    [
        (decode_audio, b"a text", UnsupportedMediaException, "expected a WAV"),
        (decode_audio, recording()[:5_000], InvalidInputException, "cut off"),
        (decode_image, png_bomb(), TooLargeException, "50000 x 50000 pixels"),
        (decode_image, png_bomb(1, 40_000_000), TooLargeException, "32768 a side"),
    ],
)
def test_refusals_come_back(
    gate: DecodeGate, function: Callable[..., Any], data: bytes, kind: type[Exception], message: str
) -> None:
    """The error of a decoder is the caller's error, class and message."""
    arguments = (22_050, 120.0) if function is decode_audio else (64_000_000,)
    with pytest.raises(kind, match=message):
        asyncio.run(gate.run(function, data, *arguments))


@pytest.mark.parametrize(
    ("function", "argument", "kind", "message"),
    [
        (hog, 512 * MIB, TooLargeException, "too much memory"),
        (spin, 0, TooLargeException, "too much time"),
        (crash, signal.SIGKILL, TooLargeException, "too much memory"),
        (crash, signal.SIGSEGV, InvalidInputException, "its decoder failed"),
        (fail, 0, RuntimeError, "a bug"),
    ],
)
def test_decoders_that_misbehave(
    function: Callable[[int], Any], argument: int, kind: type[Exception], message: str
) -> None:
    """Too much memory, too much time, a crash, a bug: each ends its process, and only that."""
    gate = DecodeGate(max_decodes=1, max_waiting=1, max_bytes=256 * MIB, max_seconds=2)
    with pytest.raises(kind, match=message):
        asyncio.run(gate.run(function, argument))
    assert asyncio.run(gate.run(hog, 10)) == 10


def test_the_program_is_not_imported_again(tmp_path: Path) -> None:
    """A decoder's process imports what decodes, and not the program that was started."""
    program = tmp_path / "program.py"
    program.write_text(MAIN)
    command = [sys.executable, str(program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["imported", "3"], done.stderr


async def test_streams_come_in_order_and_end_with_their_error(gate: DecodeGate) -> None:
    """Items of a generator come in order; its error is raised after them."""
    assert [item async for item in gate.stream(count, 5)] == [0, 1, 2, 3, 4]
    unlucky = gate.stream(count, UNLUCKY)
    assert [await anext(unlucky) for _ in range(UNLUCKY)] == list(range(UNLUCKY))
    with pytest.raises(InvalidInputException, match="thirteen"):
        await anext(unlucky)


async def test_few_decode_at_once_and_few_wait(tmp_path: Path) -> None:
    """Work over the places waits; over the waiting places it is refused at once, before it begins."""
    gate = DecodeGate(max_decodes=1, max_waiting=1, max_bytes=256 * MIB, max_seconds=20)
    first, second = (gate.stream(say_pid_and_yield, tmp_path / name) for name in ("first", "second"))
    await anext(first)
    waiting = asyncio.ensure_future(anext(second))
    await appears(tmp_path / "first")
    with pytest.raises(ServiceUnavailableException, match="2 uploads are being decoded"):
        await gate.run(hog, 10)
    assert not waiting.done()
    await first.aclose()
    await waiting
    await second.aclose()
    assert await gate.run(hog, 10) == 10


async def test_a_client_does_not_wait_behind_the_uploads_of_another(tmp_path: Path) -> None:
    """A client that sends many has half of the places; what is over its share is told so, 429."""
    gate = DecodeGate(max_decodes=2, max_waiting=2, max_bytes=256 * MIB, max_seconds=20, share=0.5)
    first, second = (gate.stream(say_pid_and_yield, tmp_path / name) for name in ("first", "second"))
    await anext(first)
    waiting = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0)
    with pytest.raises(BusyException, match="2 uploads of yours"):
        await gate.run(hog, 10)
    token = client.set("another")
    assert await gate.run(hog, 10) == 10
    client.reset(token)
    assert not waiting.done()
    await first.aclose()
    await waiting
    await second.aclose()


async def test_a_clients_further_decodings_give_way(tmp_path: Path) -> None:
    """The second decoding of a client runs at a lower priority than its first."""
    gate = DecodeGate(max_decodes=2, max_waiting=0, max_bytes=256 * MIB, max_seconds=20)
    streams = [gate.stream(say_pid_and_yield, tmp_path / name) for name in ("first", "second")]
    pids = [await anext(stream) for stream in streams]
    first, second = (os.getpriority(os.PRIO_PROCESS, pid) for pid in pids)
    assert second == first + NICENESS
    for stream in streams:
        await stream.aclose()


async def test_who_leaves_ends_the_decoding(tmp_path: Path) -> None:
    """A request that is cancelled leaves no process behind, and its place is free."""
    gate = DecodeGate(max_decodes=1, max_waiting=0, max_bytes=256 * MIB, max_seconds=20)
    task = asyncio.create_task(gate.run(say_pid, tmp_path / "pid"))
    pid = await appears(tmp_path / "pid")
    assert is_running(pid)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(pid)
    assert await gate.run(hog, 10) == 10


async def appears(path: Path) -> int:
    """The process's id in a file, once it is there."""
    await asyncio.to_thread(wait_until, path.exists)
    return int(await asyncio.to_thread(path.read_text))


def is_running(pid: int) -> bool:
    """Whether a process is there that has not ended."""
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" not in status.read_text()
    except FileNotFoundError:
        return False
