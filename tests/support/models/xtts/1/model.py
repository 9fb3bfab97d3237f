"""Speaks 0.2 s of a tone per word. The tone is the voice: 100 Hz times what its latents are full of.

It checks what it is told and writes it down. Words with a meaning:

WAIT     sends nothing until it is cancelled
GATE     waits until there is a file "gate" beside "events"
BREAK    fails as a bug would
BUSY     has no room for one more request
"""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.errors import BusyException, InvalidInputException
from lumen.triton.adapter import Adapter, ResponseStream

RATE = 24_000
WORD_SAMPLES = RATE // 5
LANGUAGES = set("en es fr de it pt pl tr ru nl cs ar zh-cn ja hu ko hi".split())  # noqa: SIM905
WAIT_SECONDS = 20

adapter = Adapter(pb_utils, "xtts")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._folder = Path(args["model_repository"])
        self._note("loaded")

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._answer, each)) for each in requests))

    async def _answer(self, request: Any, stream: ResponseStream) -> None:
        told = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        try:
            _check(told)
            self._note("told " + json.dumps(_plain(told), sort_keys=True))
            for index, word in enumerate(_text(told, "text").split()):
                await self._speak(word, index, told, stream)
        finally:
            self._note("ended")

    async def _speak(self, word: str, index: int, told: dict[str, Any], stream: ResponseStream) -> None:
        if "WAIT" in word:
            await self._until(stream, lambda: False)
        elif "GATE" in word:
            await self._until(stream, (self._folder / "gate").is_file)
        elif "BREAK" in word:
            raise RuntimeError("secret traceback")
        elif "BUSY" in word:
            raise BusyException("All 8 slots and 32 places in the queue are taken; try again in a moment.")
        elif not stream.is_cancelled():
            stream.send({"pcm": _tone(100.0 * float(told["gpt_cond_latent"][0, 0]), index)})
        await asyncio.sleep(0)

    async def _until(self, stream: ResponseStream, done: Any) -> None:
        for _ in range(WAIT_SECONDS * 100):
            if stream.is_cancelled():
                self._note("cancelled")
                return
            if done():
                return
            await asyncio.sleep(0.01)

    def _note(self, event: str) -> None:
        with (self._folder / "events").open("a") as file:
            file.write(event + "\n")


def _check(told: dict[str, Any]) -> None:
    """Raises InvalidInputException: one thing that is told is not of the voice, or not in its range."""
    latent, embedding = told["gpt_cond_latent"], told["speaker_embedding"]
    if not (latent == latent[0, 0]).all() or not (embedding == embedding[0]).all():
        raise InvalidInputException("the latents are of several voices")
    if embedding[0] != latent[0, 0]:
        raise InvalidInputException(f"latents of {latent[0, 0]} with an embedding of {embedding[0]}")
    if _text(told, "language") not in LANGUAGES:
        raise InvalidInputException(f"unknown language {_text(told, 'language')!r}")
    if not 0.5 <= told["speed"][0] <= 2:
        raise InvalidInputException(f"speed {told['speed'][0]}")
    if "seed" not in told:
        raise InvalidInputException("there is no seed")


def _tone(hertz: float, index: int) -> Any:
    """Word ``index`` of a tone that goes on without a step."""
    position = np.arange(index * WORD_SAMPLES, (index + 1) * WORD_SAMPLES)
    return (np.sin(position * 2 * np.pi * hertz / RATE) / 2).astype(np.float32)


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in told if name not in ("gpt_cond_latent", "speaker_embedding")]
    return {name: _text(told, name) if told[name].dtype == object else told[name].tolist() for name in names}


def _text(told: dict[str, Any], name: str) -> str:
    return str(told[name][0].decode())
