"""Decoders that misbehave, for `DecodeGate`; light to import, for each runs in a process of its own."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from lumen.errors import InvalidInputException

UNLUCKY = 13


def hog(size: int) -> int:
    """Take memory."""
    return len(bytearray(size))


def spin(_: int) -> None:
    """Take time."""
    while True:
        pass


def crash(number: int) -> None:
    """End by a signal."""
    os.kill(os.getpid(), number)


def fail(_: int) -> None:
    """Have a bug."""
    raise KeyError("a bug")


def count(until: int) -> Iterator[int]:
    """Yield numbers, and raise after ``UNLUCKY`` of them."""
    yield from range(until)
    if until == UNLUCKY:
        raise InvalidInputException("thirteen")


def say_pid(path: Path) -> int:
    """Write the process's id into a file, then wait for the end."""
    part = path.with_suffix(".part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    signal.pause()
    return 0


def say_pid_and_yield(path: Path) -> Iterator[int]:
    """Yield once, then do as `say_pid`."""
    yield os.getpid()
    say_pid(path)
