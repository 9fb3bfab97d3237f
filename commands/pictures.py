"""Pictures of the answers: saved as MP4, shown by a player, or both."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

PLAYERS: Final = (
    ("ffplay", "-loglevel", "quiet", "-autoexit", "-window_title", "LUMEN", "-i", "-"),
    ("mpv", "--really-quiet", "--title=LUMEN", "-"),
)
"""Commands of players that take a fragmented MP4 on stdin; the first one that is installed is taken."""

LAST_SECONDS: Final = 5.0
"""Time that a player may take to show the rest when an answer is over."""


def find_player() -> tuple[str, ...] | None:
    """The command of a player that is installed."""
    return next((player for player in PLAYERS if shutil.which(player[0])), None)


class Picture:
    """The picture of one answer, which comes piece by piece.

    Args:
        path: of the MP4; None where it is not saved.
        player: command that shows it; None where it is not shown.
    """

    def __init__(self, path: Path | None, player: tuple[str, ...] | None) -> None:
        self._path = path
        self._player = player
        self._file: BinaryIO | None = None
        self._process: Process | None = None
        self.begun = False

    async def write(self, data: bytes) -> None:
        """Take a piece of the MP4; the first one opens file and player."""
        if not self.begun:
            self.begun = True
            self._file = None if self._path is None else self._path.open("wb")
            if self._player is not None:
                self._process = await asyncio.create_subprocess_exec(
                    *self._player, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL
                )
        if self._file is not None:
            await asyncio.to_thread(self._file.write, data)
        if self._process is not None and self._process.stdin is not None:
            with suppress(ConnectionError):  # its window was closed
                self._process.stdin.write(data)
                await self._process.stdin.drain()

    def stop(self) -> None:
        """Let the player fall silent at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def close(self) -> Path | None:
        """Show the rest, and return the path of the file; None where none was written."""
        if self._file is not None:
            self._file.close()
        if self._process is not None and self._process.stdin is not None:
            with suppress(ConnectionError):
                self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), LAST_SECONDS)
            except TimeoutError:
                self.stop()
                await self._process.wait()
        return self._path if self.begun else None


class Pictures:
    """Makes a picture for each answer.

    Args:
        path: of the first answer's MP4; the next ones get numbers. None saves nothing.
        player: see `Picture`.
    """

    def __init__(self, path: Path | None, player: tuple[str, ...] | None) -> None:
        self._path = path
        self._player = player
        self._opened: list[Picture] = []

    def open(self) -> Picture:
        """The picture of the next answer."""
        picture = Picture(self._next_path(), self._player)
        self._opened = [*self._opened, picture]
        return picture

    async def close(self) -> None:
        """Stop all players."""
        for picture in self._opened:
            picture.stop()
            await picture.close()

    def _next_path(self) -> Path | None:
        if self._path is None or not self._opened:
            return self._path
        return self._path.with_stem(f"{self._path.stem}-{len(self._opened) + 1}")
