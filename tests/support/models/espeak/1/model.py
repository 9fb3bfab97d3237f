"""Speaks 0.2 s of a tone per word. Words with a meaning:

WAIT     sends nothing until it is cancelled
BREAK    fails as a bug would
KILL     kills the Triton server
DIE      ends the model's own process
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

RATE = 22_050
WORD = np.sin(np.arange(RATE // 5) * 2 * np.pi * 220 / RATE).astype(np.float32) / 2
LANGUAGES = ("en", "de")
WAIT_SECONDS = 20


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._events = Path(args["model_repository"]) / "events"
        self._note("loaded")

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._answer(request) for request in requests))

    async def _answer(self, request: Any) -> None:
        sender, refusal = request.get_response_sender(), None
        try:
            text, language = _string(request, "text"), _string(request, "language")
            if language not in LANGUAGES:
                raise ValueError(f"Unknown language {language!r}")
            for word in text.split():
                await self._speak(word, request, sender)
        except ValueError as error:
            refusal = _refusal(f"InvalidInputException: {error}", pb_utils.TritonError.INVALID_ARG)
        except RuntimeError as error:
            refusal = _refusal(f"secret {error}", pb_utils.TritonError.INTERNAL)
        finally:
            sender.send(refusal, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def _speak(self, word: str, request: Any, sender: Any) -> None:
        if "WAIT" in word:
            await self._wait(request)
        elif "BREAK" in word:
            raise RuntimeError("traceback")
        elif "KILL" in word:
            os.kill(os.getppid(), signal.SIGKILL)
        elif "DIE" in word:
            os._exit(1)
        elif not request.is_cancelled():
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("pcm", WORD)]))
        await asyncio.sleep(0)

    async def _wait(self, request: Any) -> None:
        for _ in range(WAIT_SECONDS * 100):
            if request.is_cancelled():
                self._note("cancelled")
                return
            await asyncio.sleep(0.01)

    def _note(self, event: str) -> None:
        with self._events.open("a") as file:
            file.write(event + "\n")


def _string(request: Any, name: str) -> str:
    return str(pb_utils.get_input_tensor_by_name(request, name).as_numpy()[0].decode())


def _refusal(message: str, code: int) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
