"""A microphone for the command line: a sound file, or raw samples on stdin, at the pace of speech."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import av
from av.error import FFmpegError

from lumen.errors import InvalidInputException

RATE: Final = 24_000
PIECE_SECONDS: Final = 0.04
PIECE_BYTES: Final = 2 * round(RATE * PIECE_SECONDS)

SILENT_END: Final = (bytes(PIECE_BYTES),) * round(1.5 / PIECE_SECONDS)
"""Silence after the sound, by which the server knows that the speech has ended."""

STDIN: Final = Path("-")


class SoundSource:
    """Sound in pieces of 40 ms: PCM16, mono, 24 kHz; a sync context manager.

    Args:
        path: of a file that FFmpeg's libraries read, or "-" for samples in this form on stdin.

    Raises:
        InvalidInputException: there is no sound in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container: Any = None
        if path != STDIN:
            try:
                self._container = av.open(str(path))
                self._stream = self._container.streams.audio[0]
            except (OSError, FFmpegError, IndexError) as error:
                raise InvalidInputException(f"{path} has no sound that can be read: {error}") from error

    def __enter__(self) -> "SoundSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is not None:
            self._container.close()

    def pieces(self) -> Iterator[bytes]:
        """Read the pieces; the last one may be shorter."""
        if self._container is None:
            while data := sys.stdin.buffer.read(PIECE_BYTES):
                yield data[: len(data) // 2 * 2]
            return
        waiting = bytearray()
        for data in self._decoded():
            waiting += data
            while len(waiting) >= PIECE_BYTES:
                yield bytes(waiting[:PIECE_BYTES])
                del waiting[:PIECE_BYTES]
        yield bytes(waiting)

    def _decoded(self) -> Iterator[bytes]:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in self._container.decode(self._stream):
            for part in resampler.resample(frame):
                yield part.to_ndarray().tobytes()
        for part in resampler.resample(None):
            yield part.to_ndarray().tobytes()


async def paced(pieces: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield pieces no faster than they are spoken; reading them does not hold anything up."""
    loop, source = asyncio.get_running_loop(), iter(pieces)
    begun = loop.time()
    sent = 0
    while (piece := await asyncio.to_thread(next, source, None)) is not None:
        await asyncio.sleep(begun + sent / (2 * RATE) - loop.time())
        sent += len(piece)
        yield piece
