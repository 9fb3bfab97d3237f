"""Uploaded videos become frames of a driving face.

FFmpeg's libraries decode (`ffmpeg_input` bounds what they may open). For uploads, `DecodeGate` runs this
within bounds of memory and time.
"""

import io
import itertools
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from lumen.contracts import FACE_FPS
from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from orchestrator.media.ffmpeg_input import Allowed, open_input
from orchestrator.media.file_kinds import description

EXPECTED: Final = "expected an MP4, MOV, MKV, WebM or AVI file with a picture"

MAX_PIXELS: Final = 4096 * 2304
"""Pixels of a frame: 4K."""

PICTURE: Final = Allowed(
    demuxers=("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi"),
    decoders=(
        *("h264", "hevc", "mpeg4", "msmpeg4v2", "msmpeg4v3", "h263", "mpeg2video", "mpeg1video"),
        *("vp8", "vp9", "libvpx", "libvpx-vp9", "libdav1d", "av1", "mjpeg", "prores", "dvvideo"),
    ),
    max_pixels=MAX_PIXELS,
)
"""Demuxers and decoders of a video's pictures: MP4, QuickTime, Matroska, WebM, AVI; never its sound."""

READ_SIDE: Final = 640
"""Pixels of the longer side that a face is read from; larger frames are made smaller."""

SLACK_SECONDS: Final = 0.25
"""Seconds by which a whole video may differ from the length in its header."""


def driving_pieces(video: bytes, name: str, max_seconds: float, size: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield what `driving_frames` yields, stacked: uint8 [n, H, W, 3] with at most ``size`` frames each."""
    frames = driving_frames(video, name, max_seconds)
    while piece := list(itertools.islice(frames, size)):
        yield np.stack(piece)


def driving_frames(
    video: bytes, name: str, max_seconds: float
) -> Generator[npt.NDArray[np.uint8], None, None]:
    """Yield the frames of a video, uint8 [H, W, 3] RGB, ``FACE_FPS`` a second by repeating or leaving out.

    They are turned as the file says that they are shown.
    """
    with _open(video, name) as container:
        stream = _picture(container, name)
        size = _size(stream, name)
        made = turns = 0
        for number, frame in enumerate(_decoded(container, stream, name)):
            seconds = number / FACE_FPS if frame.time is None else frame.time - _start(stream)
            if seconds >= max_seconds:
                raise TooLargeException(
                    f"{name}: the video is over {max_seconds:g} s long; send a shorter one"
                )
            if number == 0:
                turns = round(frame.rotation / 90)
            pixels = np.asarray(frame.reformat(*size, format="rgb24").to_ndarray(), np.uint8)
            pixels = np.rot90(pixels, turns)
            while made < seconds * FACE_FPS + 0.5:
                made += 1
                yield pixels


def first_picture(video: bytes, name: str) -> bytes:
    """The first frame of a video as a JPEG file. Raises as `driving_frames` does, and where there is none."""
    with closing(driving_frames(video, name, math.inf)) as frames:
        frame = next(frames, None)
    if frame is None:
        raise InvalidInputException(f"{name}: the video has no frame that can be read; send a whole one")
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG")
    return file.getvalue()


def _open(video: bytes, name: str) -> InputContainer:
    try:
        return open_input(video, PICTURE)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedMediaException(
            f"{name}: the upload, {description(video)}, is not a video that is taken, or it is cut off "
            f"before its index; {EXPECTED}."
        ) from error


def _picture(container: InputContainer, name: str) -> VideoStream:
    if not container.streams.video:
        raise UnsupportedMediaException(f"{name}: the upload has no picture; {EXPECTED}.")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name not in PICTURE.decoders:
        found = "of an unknown codec" if context is None else f"of the codec {context.name}"
        raise UnsupportedMediaException(f"{name}: the video {found} cannot be decoded; {EXPECTED}.")
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = 1  # each thread would reserve memory
    return stream


def _size(stream: VideoStream, name: str) -> tuple[int, int]:
    """Width and height of what is read of the frames."""
    width, height = stream.width, stream.height
    if not 0 < width * height <= MAX_PIXELS:
        # FFmpeg leaves out the size of frames that are over its bound.
        came = f"{width} x {height}" if width * height else "too many, or an unknown number of"
        raise TooLargeException(
            f"{name}: the video's frames have {came} pixels; at most {MAX_PIXELS} in all are taken"
        )
    share = min(1.0, READ_SIDE / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def _start(stream: VideoStream) -> float:
    """Seconds at which a video says that it begins."""
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _decoded(container: InputContainer, stream: VideoStream, name: str) -> Iterator[av.VideoFrame]:
    """The picture's frames, to the end of the file, which has to be where the file says."""
    ends = [0.0] * len(container.streams)
    try:
        for packet in container.demux():
            index = packet.stream.index
            ends[index] = max(ends[index], _end(packet))
            if index == stream.index:
                yield from stream.decode(packet)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise InvalidInputException(
            f"{name}: the video is damaged or cut off; send the whole file"
        ) from error
    _check_whole(*_lengths(container, stream, ends), name)


def _end(packet: "av.Packet[Any]") -> float:
    """Second at which what is in a packet ends; 0 where that is not known."""
    if packet.pts is None or packet.time_base is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _lengths(container: InputContainer, stream: VideoStream, ends: Sequence[float]) -> tuple[float, float]:
    """Seconds that came, and that the file says: of the picture, or of all streams where it says only that.

    Args:
        ends: of what came of each stream.
    """
    came, tick = ends[stream.index] - _start(stream), float(stream.time_base or 0)
    length = (stream.duration or 0) * tick
    if container.format.name == "avi":
        # FFmpeg shortens the length of one that is cut, but not the count of its frames, a tick each.
        # Nothing need come for the last ticks of a whole one: they repeat its last frame.
        return max(came, length), stream.frames * tick
    if length:
        return came, length
    return max(ends), (container.duration or 0) / av.time_base


def _check_whole(came: float, said: float, name: str) -> None:
    if said - came > SLACK_SECONDS:
        raise InvalidInputException(
            f"{name}: the video is cut off: {came:.2f} s of its {said:.2f} s could be read; "
            "send the whole file"
        )
