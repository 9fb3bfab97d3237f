"""Small files for requests, good and bad ones."""

import io
import struct
import wave
import zlib
from typing import Any

import numpy as np
from PIL import Image


def tone(seconds: float, rate: int = 22_050) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A tone as 16-bit samples."""
    return (np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 220 / rate) * 12_000).astype(np.int16)


def wav_bytes(seconds: float, rate: int = 22_050) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(tone(seconds, rate).tobytes())
    return buffer.getvalue()


def wav_claiming(seconds: int) -> bytes:
    """The beginning of a WAV whose header says that it is that long."""
    data = wav_bytes(0.1)
    return data[:40] + struct.pack("<I", seconds * 22_050 * 2) + data[44:]


def image_bytes(
    colour: tuple[int, ...] = (10, 200, 30), side: int = 80, kind: str = "PNG", **options: Any
) -> bytes:
    buffer = io.BytesIO()
    mode = "RGBA" if len(colour) == 4 else "RGB"
    Image.new(mode, (side, side), colour).save(buffer, kind, **options)
    return buffer.getvalue()


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A few hundred bytes that say they are a picture of that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
