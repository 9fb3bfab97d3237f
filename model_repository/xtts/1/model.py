"""``xtts``: the tensors of ``lumen.engines.xtts.speech``; the models that it calls are Triton's."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.engines.xtts.calls import Calls, TritonGpt, TritonVocoder
from lumen.engines.xtts.speech import Manner, Speech, Voice
from lumen.engines.xtts.streams import unless
from lumen.engines.xtts.text.tokenizer import Tokenizer
from lumen.errors import GenerationException, InvalidInputException, LumenException, from_wire, to_wire

log = logging.getLogger(__name__)

NUMBERS = ("speed", "temperature", "top_k", "top_p", "repetition_penalty", "seed")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        tokenizer = Tokenizer(Path(args["model_repository"]) / args["model_version"] / "vocab.json")
        tokenizer.warm_up()
        places = int(json.loads(args["model_config"])["parameters"]["vocoder_windows"]["string_value"])
        calls = Calls(_infer)
        self._speech = Speech(tokenizer, TritonGpt(calls), TritonVocoder(calls, places))

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._answer(request) for request in requests))

    async def _answer(self, request: Any) -> None:
        """Answers one request; whatever happens, its stream ends."""
        sender = request.get_response_sender()
        refusal = None
        try:
            await unless(request.is_cancelled, self._speak(request, sender))
        except LumenException as error:
            refusal = _refusal(to_wire(error), error.triton_code)
        except Exception as error:
            log.exception("xtts failed")
            refusal = _refusal(f"xtts failed: {type(error).__name__}", "INTERNAL")
        finally:
            sender.send(refusal, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def _speak(self, request: Any, sender: Any) -> None:
        async with contextlib.aclosing(self._speech.speak(**_arguments(request))) as speech:
            async for pcm in speech:
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("pcm", pcm)]))


def _arguments(request: Any) -> dict[str, Any]:
    numbers = {name: _array(request, name) for name in NUMBERS}
    given = {name: value[0].item() for name, value in numbers.items() if value is not None}
    speed, seed = given.pop("speed", 1.0), given.pop("seed", None)
    return {
        "text": _string(request, "text"),
        "language": _string(request, "language"),
        "voice": Voice(_array(request, "gpt_cond_latent"), _array(request, "speaker_embedding")),
        "manner": Manner(speed, seed, given),
    }


def _array(request: Any, name: str) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()


def _string(request: Any, name: str) -> str:
    try:
        return str(_array(request, name)[0].decode())
    except UnicodeDecodeError as error:
        raise InvalidInputException(
            f"The {name} is not UTF-8: {error.reason} at byte {error.start}."
        ) from error


def _infer(model: str, output: str, tensors: Any) -> Iterator[Any]:
    """The output of each response of another model, copied out of the shared memory.

    Raises:
        LumenException: of the class that the model gave it; GenerationException when it gave none.
    """
    inputs = [pb_utils.Tensor(name, np.ascontiguousarray(value)) for name, value in tensors.items()]
    request = pb_utils.InferenceRequest(model_name=model, requested_output_names=[output], inputs=inputs)
    refusal = None
    for response in request.exec(decoupled=True):  # to its end: Triton keeps what is not read
        refusal = response.error() if response.has_error() else refusal
        for tensor in () if response.has_error() else response.output_tensors():
            yield tensor.as_numpy().copy()
    if refusal is not None:
        raise from_wire(refusal.message()) or GenerationException(f"{model}: {refusal.message()}")


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
