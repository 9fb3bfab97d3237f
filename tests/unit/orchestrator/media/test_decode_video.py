"""Files of driving videos: whole ones of every kind are read, cut ones are refused."""

import io
import struct
from fractions import Fraction
from functools import cache
from typing import Final

import av
import numpy as np
import pytest

from lumen.errors import LumenException, TooLargeException, UnsupportedMediaException
from orchestrator.media.decode_video import driving_frames

KINDS: Final = {
    "mp4": ("libx264", "aac"),
    "mov": ("libx264", "aac"),
    "webm": ("libvpx", "libopus"),
    "matroska": ("libx264", "aac"),
    "avi": ("mpeg4", "libmp3lame"),
}
"""Containers with codecs for picture and sound."""

SOUND_RATE: Final = 48_000
STEADY: Final = (40,) * 25
UNSTEADY: Final = (20, 60, 200, 40, 80, 1000)
"""Milliseconds that each frame stands."""

TICK: Final = Fraction(20, 1000)
"""Seconds; all stand for whole ticks, each of which takes room in an AVI."""

every_kind = pytest.mark.parametrize(
    ("container", "sound"), [(kind, sound) for kind in KINDS for sound in (False, True)]
)


@cache
def video(container: str, sound: bool, stands: tuple[int, ...]) -> bytes:
    """Noise that changes when a frame has stood for its time, with or without a quiet sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        picture, noise = KINDS[container]
        stream = file.add_stream(picture, rate=25, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.time_base = TICK
        audio = file.add_stream(noise, rate=SOUND_RATE, layout="mono") if sound else None
        packets = [packet for frame in frames(stands) for packet in stream.encode(frame)]
        packets += stream.encode(None)
        packets[-1].duration = round(stands[-1] / 1000 / packets[-1].time_base)
        if audio is not None:
            packets += audio.encode(silence(sum(stands)))
            packets += audio.encode(None)
        for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
            file.mux(packet)
    return buffer.getvalue()


def frames(stands: tuple[int, ...]) -> list[av.VideoFrame]:
    source = np.random.default_rng(0)
    made = []
    for begin in np.cumsum([0, *stands[:-1]]):
        pixels = source.integers(0, 256, (48, 64, 3)).astype(np.uint8)
        made.append(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
        made[-1].pts, made[-1].time_base = int(begin) // 20, TICK
    return made


def silence(milliseconds: int) -> av.AudioFrame:
    samples = np.zeros((1, milliseconds * SOUND_RATE // 1000), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate = SOUND_RATE
    return frame


def count(data: bytes) -> int:
    return sum(1 for _ in driving_frames(data, "ref_pose", 10.0))


@pytest.mark.parametrize(
    ("quarters", "corner"), [(0, (0, 0)), (1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))], ids=str
)
@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_videos_are_turned_as_they_are_shown(container: str, quarters: int, corner: tuple[int, int]) -> None:
    """A telephone that is held upright writes its pictures lying, and how far they are to be turned."""
    data = video(container, False, STEADY)
    upright, shown = (
        next(iter(driving_frames(file, "ref_pose", 10.0))) for file in (data, turned(data, quarters))
    )
    assert shown.shape == ((64, 48, 3) if quarters % 2 else (48, 64, 3))
    assert (shown[corner] == upright[0, 0]).all()
    assert (np.rot90(shown, quarters) == upright).all()


def turned(data: bytes, quarters: int) -> bytes:
    """An MP4 or MOV that says of its first track that it is shown turned clockwise (ISO 14496-12, 8.3.2)."""
    plain, matrix = (
        struct.pack(">9i", right << 16, down << 16, 0, -down << 16, right << 16, 0, 0, 0, 1 << 30)
        for right, down in ((1, 0), ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters])
    )
    place = data.index(plain, data.index(b"tkhd"))
    return data[:place] + matrix + data[place + len(matrix) :]


@every_kind
@pytest.mark.parametrize("stands", [STEADY, UNSTEADY], ids=["steady", "unsteady"])
def test_whole_videos_are_read(container: str, sound: bool, stands: tuple[int, ...]) -> None:
    """A whole video gives frames until its last one, also where that one stands for long."""
    expected = (sum(stands[:-1]) + 40) / 40
    assert count(video(container, sound, stands)) == pytest.approx(expected, abs=1)


@every_kind
@pytest.mark.parametrize("stands", [STEADY, UNSTEADY], ids=["steady", "unsteady"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_cut_videos_are_refused(container: str, sound: bool, stands: tuple[int, ...], share: float) -> None:
    """A video that was cut in the middle, with sound or without, is refused, and the message says so."""
    data = video(container, sound, stands)
    with pytest.raises(LumenException, match=r"^ref_pose: .*cut off") as refused:
        count(data[: int(len(data) * share)])
    assert refused.value.status in (400, 415)


def test_other_codecs_are_refused_by_name() -> None:
    """A picture of a codec that is not on the list is not decoded, whatever container it comes in."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as file:
        stream = file.add_stream("ffv1", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for frame in frames(STEADY):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(UnsupportedMediaException, match="ref_pose: the video of the codec ffv1 cannot be"):
        count(buffer.getvalue())


def test_large_frames_are_refused_unread() -> None:
    """Frames over 4K are not decoded, neither while FFmpeg looks at the streams nor afterwards."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as file:
        stream = file.add_stream("mjpeg", rate=25, width=4096, height=2400, pix_fmt="yuvj420p")
        file.mux(stream.encode(av.VideoFrame(4096, 2400, "yuvj420p")))
        file.mux(stream.encode(None))
    with pytest.raises(TooLargeException, match=f"pixels; at most {4096 * 2304} in all"):
        count(buffer.getvalue())
