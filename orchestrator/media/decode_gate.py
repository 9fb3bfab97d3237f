"""Decoding of uploads, few at once and within bounds.

Decoders take memory and time as a file tells them to: 960 bytes of MP4 make FFmpeg write an index of 1.4 GB.
So each decoding runs in a process of its own, whose memory and CPU time are bounded, and which crashes alone.
"""

import asyncio
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from lumen.aio import Stream
from lumen.errors import (
    BusyException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
)
from lumen.settings import Settings
from orchestrator.request_context import client, share_of

T = TypeVar("T")

PRELOADED: Final = (
    __name__,
    "orchestrator.media.decode_audio",
    "orchestrator.media.decode_image",
    "orchestrator.media.decode_video",
)
"""Modules that the process from which decoders are forked has imported: they start within milliseconds."""

MEMORY_IN_PAGES: Final = Path("/proc/self/statm")
"""Begins with the size of this process's address space."""

NICENESS: Final = 10
"""Niceness of the second decoding of a client and of those after it: they give way to all others."""

TOO_LARGE: Final = "The upload takes too much memory to decode; send a smaller or plainer file."


_starting: Final = threading.Lock()


class DecodeGate:
    """Runs decoders of uploads.

    Args:
        max_decodes: at once.
        max_waiting: that may wait for one of these places.
        max_bytes: of memory that a decoding may take.
        max_seconds: of CPU time that it may take.
        share: of the places that one client may have.
    """

    def __init__(
        self, max_decodes: int, max_waiting: int, max_bytes: int, max_seconds: int, share: float = 1.0
    ) -> None:
        self._places = asyncio.Semaphore(max_decodes)
        self._most = max_decodes + max_waiting
        self._bounds = max_bytes, max_seconds
        self._decodes_of_one, self._most_of_one = share_of(max_decodes, share), share_of(self._most, share)
        self._places_of: dict[str, asyncio.Semaphore] = {}
        self._admitted: Counter[str] = Counter()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return ``function(*arguments)``: a function of a module, and what can be pickled.

        Raises:
            TooLargeException: it takes more memory or time than it may.
            InvalidInputException: the decoder crashed.
            ServiceUnavailableException: too many wait already.
            BusyException: too many of this client wait.
            LumenException: what ``function`` raises.
        """
        async with aclosing(self.stream(_once, function, *arguments)) as results:
            return await anext(results)

    async def stream(self, function: Callable[..., Iterator[T]], *arguments: Any) -> Stream[T]:
        """Yield what ``function(*arguments)`` yields, a bit ahead. Raises as `run` does."""
        async with self._place():
            niceness = NICENESS if self._admitted[client.get()] > 1 else 0
            receiver, process = await self._started(niceness, function, arguments)
            try:
                while isinstance(message := await asyncio.to_thread(_receive, receiver, process), tuple):
                    yield message[0]
            finally:
                process.kill()
                await asyncio.shield(asyncio.to_thread(process.join))
            if message is not None:
                raise message

    async def _started(
        self, niceness: int, function: Callable[..., Iterator[Any]], arguments: tuple[Any, ...]
    ) -> tuple[Connection, ForkServerProcess]:
        """The process and where its messages come from; who is cancelled meanwhile leaves no process."""
        starting = asyncio.create_task(asyncio.to_thread(_start, niceness, function, arguments, self._bounds))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_kill)
            raise

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait for a place among the client's own, then among all. Raises: see `run`."""
        name = client.get()
        if self._admitted.total() >= self._most:
            raise ServiceUnavailableException(
                f"{self._most} uploads are being decoded or wait for it already; try again in a moment."
            )
        if self._admitted[name] >= self._most_of_one:
            raise BusyException(
                f"{self._most_of_one} uploads of yours are being decoded or wait for it already, "
                "which is your share; try again when one is done."
            )
        self._admitted[name] += 1
        own = self._places_of.setdefault(name, asyncio.Semaphore(self._decodes_of_one))
        try:
            async with own, self._places:
                yield
        finally:
            self._admitted[name] -= 1
            if not self._admitted[name]:
                del self._admitted[name], self._places_of[name]


def make_gate(settings: Settings) -> DecodeGate:
    return DecodeGate(
        settings.max_decodes,
        settings.max_waiting_decodes,
        settings.max_decode_bytes,
        settings.max_decode_seconds,
        settings.client_share,
    )


def _once(function: Callable[..., T], *arguments: Any) -> Iterator[T]:
    yield function(*arguments)


def _start(
    niceness: int, function: Callable[..., Iterator[Any]], arguments: tuple[Any, ...], bounds: tuple[int, int]
) -> tuple[Connection, ForkServerProcess]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_serve, args=(sender, niceness, function, arguments, *bounds), daemon=True
    )
    with _without_main_module():
        process.start()
    sender.close()
    return receiver, process


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Hide the program's main module: a new process would import it, which can take longer than decoding."""
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _kill(starting: "asyncio.Task[tuple[Connection, ForkServerProcess]]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result()[1].kill()


def _receive(receiver: Connection, process: ForkServerProcess) -> tuple[Any] | Exception | None:
    """The next message: an item in a tuple, an error, or None at the end."""
    try:
        message: tuple[Any] | Exception | None = pickle.loads(receiver.recv_bytes())
    except EOFError:
        process.join()
        return _failure(process.exitcode)
    return message


def _failure(exit_code: int | None) -> LumenException:
    """Make the error of a decoder that ended without a message."""
    if exit_code == -signal.SIGXCPU:
        return TooLargeException("The upload takes too much time to decode; send a smaller or plainer file.")
    if exit_code == -signal.SIGKILL:
        return TooLargeException(TOO_LARGE)
    return InvalidInputException("The upload is damaged: its decoder failed on it; export it again.")


def _serve(
    sender: Connection,
    niceness: int,
    function: Callable[..., Iterator[Any]],
    arguments: tuple[Any, ...],
    max_bytes: int,
    max_seconds: int,
) -> None:
    """Send items in tuples, then an error or None; the main function of a decoder's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
    used = int(MEMORY_IN_PAGES.read_text().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, used + max_bytes)
    _limit(resource.RLIMIT_CPU, max_seconds)
    _limit(resource.RLIMIT_CORE, 0)
    ending: Exception | None = None
    try:
        for item in function(*arguments):
            _send(sender, (item,))
    except LumenException as error:
        ending = error
    except MemoryError:
        ending = TooLargeException(TOO_LARGE)
    except Exception as error:  # its traceback would be lost with the process
        ending = RuntimeError("".join(traceback.format_exception(error)))
    _send(sender, ending)


def _send(sender: Connection, message: object) -> None:
    with suppress(BrokenPipeError):  # the request is over
        sender.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
