"""Driving videos: another face's motion, decoded within bounds and read by `sadtalker_driver`.

FFmpeg's libraries decode. They see bytes in memory only and may try the formats of ``CONTAINERS`` only.
"""

import asyncio
import io
import itertools
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from lumen.contracts import FACE_FPS, SADTALKER_DRIVER
from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from orchestrator.triton import TritonClient

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


async def rows_of(
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
        return (await triton.infer(SADTALKER_DRIVER, {"frames": frames}))["rows"]
    except InvalidInputException as error:
        raise InvalidInputException(f"{name}: in the first frame of the video, {error.message}") from error


def _pieces(video: bytes, name: str, max_seconds: float) -> Generator[npt.NDArray[np.uint8], None, None]:
    """Yield uint8 [n, H, W, 3] RGB, at most ``PIECE`` frames each."""
    frames = driving_frames(video, name, max_seconds)
    while piece := list(itertools.islice(frames, PIECE)):
        yield np.stack(piece)


def driving_frames(video: bytes, name: str, max_seconds: float) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the frames of a video, uint8 [H, W, 3] RGB, ``FACE_FPS`` a second by repeating or leaving out."""
    with _open(video, name) as container:
        stream = _picture(container, name)
        size = _size(stream, name)
        made = 0
        for number, frame in enumerate(_decoded(container, stream, name)):
            seconds = number / FACE_FPS if frame.time is None else frame.time - _start(stream)
            if seconds >= max_seconds:
                raise TooLargeException(
                    f"{name}: the video is over {max_seconds:g} s long; send a shorter one"
                )
            pixels = np.asarray(frame.reformat(*size, format="rgb24").to_ndarray(), np.uint8)
            while made < seconds * FACE_FPS + 0.5:
                made += 1
                yield pixels
        _check_whole(made / FACE_FPS, _declared_seconds(container, stream), name)


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


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Length of the picture according to the file; 0 where it does not say, or only of all its streams."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return container.duration / av.time_base
    return 0.0


def _check_whole(seconds: float, declared: float, name: str) -> None:
    if declared - seconds > SLACK_SECONDS:
        raise InvalidInputException(
            f"{name}: the video is cut off: {seconds:.2f} s of its {declared:.2f} s could be read; "
            "send the whole file"
        )


def _decoded(container: InputContainer, stream: VideoStream, name: str) -> Iterator[av.VideoFrame]:
    try:
        yield from container.decode(stream)
    except (av.FFmpegError, ValueError) as error:
        raise InvalidInputException(
            f"{name}: the video is damaged or cut off; send the whole file"
        ) from error
