"""Driving videos: another face's motion, read by `sadtalker_driver`."""

from contextlib import aclosing
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import SADTALKER_DRIVER
from lumen.errors import InvalidInputException
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.media.decode_video import driving_pieces
from orchestrator.triton.client import TritonClient

PIECE: Final = 50
"""Frames of one request: below 62 MB."""


async def driving_coefficients(
    triton: TritonClient, gate: DecodeGate, video: bytes, name: str, max_seconds: float
) -> npt.NDArray[np.float32]:
    """Expression and pose in every frame of a video file: float32 [n, 70], ``FACE_FPS`` a second.

    All pieces begin with the first frame of the video, whose crop is that of all frames.

    Args:
        gate: where the video is decoded.
        name: of the control, for messages.

    Raises:
        UnsupportedMediaException: it is no video of a kind that is taken.
        TooLargeException: it is too long, or its frames are too large.
        InvalidInputException: it is damaged, or the first frame has no face that can be read.
        ServiceUnavailableException: too many uploads wait for their decoding.
    """
    rows: list[npt.NDArray[np.float32]] = []
    first: npt.NDArray[np.uint8] | None = None
    async with aclosing(gate.stream(driving_pieces, video, name, max_seconds, PIECE)) as pieces:
        async for piece in pieces:
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
