"""``hibari``: the tensors of ``lumen.families.hibari.synthesizer``, one response per sentence."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import HIBARI
from lumen.families.hibari.synthesizer import DEFAULT_VOICE, Hibari
from lumen.timed_speech import TimedSpeech
from lumen.triton.adapter import Adapter, ResponseStream

adapter = Adapter(pb_utils, HIBARI)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._hibari = Hibari(Path(args["model_repository"]) / args["model_version"])
        next(self._hibari.speak("Ready.", "en"))  # the first sentence takes half a second longer
        threads = int(json.loads(args["model_config"])["parameters"]["threads"]["string_value"])
        self._threads = ThreadPoolExecutor(threads, HIBARI)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._speak, each)) for each in requests))

    async def _speak(self, request: Any, stream: ResponseStream) -> None:
        """Ask for one sentence after the other, each behind those that others asked for before."""
        sentences = self._hibari.speak(**_arguments(request))
        following = partial(asyncio.get_running_loop().run_in_executor, self._threads, _next, sentences)
        while not stream.is_cancelled() and (speech := await following()) is not None:
            stream.send(speech.tensors())

    def finalize(self) -> None:
        self._threads.shutdown()


def _next(sentences: Iterator[TimedSpeech]) -> TimedSpeech | None:
    return next(sentences, None)


def _arguments(request: Any) -> dict[str, Any]:
    speed, seed = adapter.array(request, "speed"), adapter.array(request, "seed")
    return {
        "text": adapter.sentence(request).text,
        "language": adapter.text(request, "language"),
        "voice": adapter.text(request, "voice", DEFAULT_VOICE),
        "rate": 1.0 if speed is None else float(speed[0]),
        "seed": None if seed is None else int(seed[0]),
    }
