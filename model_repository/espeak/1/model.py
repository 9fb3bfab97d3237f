"""``espeak``: the tensors of ``lumen.families.espeak.synthesizer``, one response per sentence."""

import asyncio
from functools import partial
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import ESPEAK
from lumen.families.espeak.synthesizer import DEFAULT_VOICE, Espeak
from lumen.triton.adapter import Adapter, ResponseStream

adapter = Adapter(pb_utils, ESPEAK)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._espeak = Espeak()

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._speak, each)) for each in requests))

    async def _speak(self, request: Any, stream: ResponseStream) -> None:
        for speech in self._espeak.speak_timed(**_arguments(request)):
            if stream.is_cancelled():
                return
            stream.send(speech.tensors())
            await asyncio.sleep(0)  # the other requests' turn


def _arguments(request: Any) -> dict[str, Any]:
    speed = adapter.array(request, "speed")
    return {
        "text": adapter.sentence(request).text,
        "language": adapter.text(request, "language"),
        "voice": adapter.text(request, "voice", DEFAULT_VOICE),
        "rate": 1.0 if speed is None else float(speed[0]),
    }
