"""Driving videos: another face's motion, decoded within bounds and read by `sadtalker_driver`.

FFmpeg's libraries decode. They see bytes in memory only and may try the formats of ``CONTAINERS`` only.
"""

import asyncio
import io
import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from lumen.contracts import FACE_FPS, SADTALKER_DRIVER
from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from orchestrator.triton.client import TritonClient

CONTAINERS: Final = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi")
"""FFmpeg's names of what is opened: MP4, QuickTime, Matroska, WebM, AVI."""

EXPECTED: Final = "expected an MP4, MOV, MKV, WebM or AVI file with a picture"

MAX_PIXELS: Final = 4096 * 2304
"""Of a frame: 4K."""

READ_SIDE: Final = 640
"""Pixels of the longer side that a face is read from; larger frames are made smaller."""

SLACK_SECONDS: Final = 0.25
"""How far a whole video may differ from the length in its header."""

PIECE: Final = 50
"""Frames of one request: below 62 MB."""


async def driving_coefficients(
    triton: TritonClient, video: bytes, name: str, max_seconds: float
) -> npt.NDArray[np.float32]:
    """Expression and pose in every frame of a video file: float32 [n, 70], ``FACE_FPS`` a second.

    All pieces begin with the first frame of the video, whose crop is that of all frames.

    Args:
        name: of the control, for messages.

    Raises:
        UnsupportedMediaException: it is no video of a kind that is taken.
        TooLargeException: it is too long, or its frames are too large.
        InvalidInputException: it is damaged, or the first frame has no face that can be read.
    """
    rows: list[npt.NDArray[np.float32]] = []
    first: npt.NDArray[np.uint8] | None = None
    with closing(_pieces(video, name, max_seconds)) as pieces:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            frames = piece if first is None else np.concatenate([first, piece])
            answer = await _read(triton, frames, name)
            rows.append(answer if first is None else answer[1:])
            first = frames[:1] if first is None else first
    if not rows:
        raise InvalidInputException(f"{name}: the video has no frame that can be read; send a whole one")
    return np.concatenate(rows)


async def _read(triton: TritonClient, frames: npt.NDArray[np.uint8], name: str) -> npt.NDArray[np.float32]:
    try:
        return (await triton.infer(SADTALKER_DRIVER, {"frames": frames}))["coefficients"]
    except InvalidInputException as error:
        raise InvalidInputException(f"{name}: in the first frame of the video, {error.message}") from error


def _pieces(video: bytes, name: str, max_seconds: float) -> Generator[npt.NDArray[np.uint8], None, None]:
    """Yield uint8 [n, H, W, 3] RGB, at most ``PIECE`` frames each."""
    frames = driving_frames(video, name, max_seconds)
    while piece := list(itertools.islice(frames, PIECE)):
        yield np.stack(piece)


def driving_frames(video: bytes, name: str, max_seconds: float) -> Iterator[npt.NDArray[np.uint8]]:
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


def _open(video: bytes, name: str) -> InputContainer:
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
    try:
        return av.open(io.BytesIO(video), "r", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedMediaException(
            f"{name}: the upload ({len(video)} bytes) is not a video, or it is cut off before its index; "
            f"{EXPECTED}."
        ) from error


def _picture(container: InputContainer, name: str) -> VideoStream:
    if not container.streams.video:
        raise UnsupportedMediaException(f"{name}: the upload has no picture; {EXPECTED}.")
    return container.streams.video[0]


def _size(stream: VideoStream, name: str) -> tuple[int, int]:
    """Width and height of what is read of the frames."""
    width, height = stream.width, stream.height
    if not 0 < width * height <= MAX_PIXELS:
        raise TooLargeException(
            f"{name}: the video has {width} x {height} pixels; at most {MAX_PIXELS} in all are taken"
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
