"""``espeak``: the tensors of ``lumen.engines.espeak``, one response per sentence."""

import asyncio
import logging
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.engines.espeak import DEFAULT_VOICE, Espeak
from lumen.errors import InvalidInputException, LumenException, to_wire

log = logging.getLogger(__name__)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._espeak = Espeak()

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._answer(request) for request in requests))

    async def _answer(self, request: Any) -> None:
        sender = request.get_response_sender()
        refusal = None
        try:
            await self._speak(request, sender)
        except LumenException as error:
            refusal = _refusal(to_wire(error), error.triton_code)
        except Exception as error:
            log.exception("espeak failed")
            refusal = _refusal(f"espeak failed: {type(error).__name__}", "INTERNAL")
        finally:
            sender.send(refusal, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def _speak(self, request: Any, sender: Any) -> None:
        for pcm in self._espeak.speak(**_arguments(request)):
            if request.is_cancelled():
                return
            sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("pcm", pcm)]))
            await asyncio.sleep(0)  # the other requests' turn


def _arguments(request: Any) -> dict[str, Any]:
    rate = pb_utils.get_input_tensor_by_name(request, "rate")
    return {
        "text": _string(request, "text"),
        "language": _string(request, "language"),
        "voice": _string(request, "voice", DEFAULT_VOICE),
        "rate": 1.0 if rate is None else float(rate.as_numpy()[0]),
    }


def _string(request: Any, name: str, default: str = "") -> str:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        return default
    try:
        return str(tensor.as_numpy()[0].decode())
    except UnicodeDecodeError as error:
        raise InvalidInputException(
            f"The {name} is not UTF-8: {error.reason} at byte {error.start}."
        ) from error


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
