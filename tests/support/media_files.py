"""Small files for requests, good and bad ones."""

import io
import struct
import wave
import zlib
from typing import Any

import av
import numpy as np
from PIL import Image


def tone(seconds: float, rate: int = 22_050) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A tone as 16-bit samples."""
    return (np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 220 / rate) * 12_000).astype(np.int16)


def pitch(pcm: Any, rate: int) -> float:
    """The loudest frequency of samples, in hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(pcm)))) * rate / len(pcm)


def heard(data: bytes) -> tuple[np.ndarray[Any, np.dtype[np.float32]], int]:
    """An audio file as FFmpeg decodes it: float32 [n_samples], mono, and its rate."""
    with av.open(io.BytesIO(data)) as file:
        rate = file.streams.audio[0].rate
        to_float = av.AudioResampler(format="fltp", layout="mono")
        frames = [part for frame in file.decode(audio=0) for part in to_float.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]), rate


def recording(
    hertz: float = 400.0,
    seconds: float = 4.0,
    *,
    rate: int = 22_050,
    layout: str = "mono",
    container: str = "wav",
    codec: str = "pcm_s16le",
    sample_format: str = "s16",
    right: float = 1.0,
) -> bytes:
    """A tone as a file of any kind that FFmpeg writes, with ``right`` times the left channel on the right."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        samples = np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * hertz / rate).astype(np.float32) / 2
        planes = np.stack([samples, right * samples]) if layout == "stereo" else samples[None]
        planes = planes.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate
        to_codec = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        for part in (*to_codec.resample(frame), *to_codec.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def silent_film() -> bytes:
    """A video without sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=10, width=64, height=64, pix_fmt="yuv420p")
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    return buffer.getvalue()


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
