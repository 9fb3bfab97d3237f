"""Speaks 0.2 s of a tone per word. Words with a meaning:

WAIT     sends nothing until it is cancelled
BREAK    fails as a bug would
KILL     kills the Triton server
DIE      ends the model's own process
"""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.errors import InvalidInputException
from lumen.triton.adapter import Adapter, ResponseStream

RATE = 22_050
WORD = np.sin(np.arange(RATE // 5) * 2 * np.pi * 220 / RATE).astype(np.float32) / 2
LANGUAGES = ("en", "de")
WAIT_SECONDS = 20

adapter = Adapter(pb_utils, "espeak")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"
        self._note("loaded")

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._answer, each)) for each in requests))

    async def _answer(self, request: Any, stream: ResponseStream) -> None:
        text, language = adapter.text(request, "text"), adapter.text(request, "language")
        if language not in LANGUAGES:
            raise InvalidInputException(f"Unknown language {language!r}")
        for word in text.split():
            await self._speak(word, stream)

    async def _speak(self, word: str, stream: ResponseStream) -> None:
        if "WAIT" in word:
            await self._wait(stream)
        elif "BREAK" in word:
            raise RuntimeError("secret traceback")
        elif "KILL" in word:
            os.kill(os.getppid(), signal.SIGKILL)
        elif "DIE" in word:
            os._exit(1)
        elif not stream.is_cancelled():
            stream.send({"pcm": WORD})
        await asyncio.sleep(0)

    async def _wait(self, stream: ResponseStream) -> None:
        for _ in range(WAIT_SECONDS * 100):
            if stream.is_cancelled():
                self._note("cancelled")
                return
            await asyncio.sleep(0.01)

    def _note(self, event: str) -> None:
        with self._events.open("a") as file:
            file.write(event + "\n")
