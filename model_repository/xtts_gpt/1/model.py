"""``xtts_gpt``: the tensors of ``lumen.engines.xtts.gpt.streams``, one response per chunk of codes."""

import asyncio
import contextlib
import json
import logging
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from lumen.engines.xtts.dims import read_manifest
from lumen.engines.xtts.gpt.chunks import GrowingChunks
from lumen.engines.xtts.gpt.metrics import GptMetrics
from lumen.engines.xtts.gpt.request import GptRequest
from lumen.engines.xtts.gpt.sampling import sampling_of
from lumen.engines.xtts.gpt.scheduler import Scheduler
from lumen.engines.xtts.gpt.settings import settings_of
from lumen.engines.xtts.gpt.stepper import GptStepper
from lumen.engines.xtts.gpt.streams import GptStreams
from lumen.errors import InvalidInputException, LumenException, to_wire

log = logging.getLogger(__name__)

SAMPLING = ("temperature", "top_k", "top_p", "repetition_penalty", "seed", "max_codes")


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        settings = settings_of(json.loads(args["model_config"])["parameters"])
        kind, device = args["model_instance_kind"], int(args["model_instance_device_id"])
        stepper = GptStepper.load(folder, settings.slots, settings.intra_op_thread_count, kind, device)
        chunks = GrowingChunks(settings.first_chunk, settings.largest_chunk)
        self._dims, self._defaults = stepper.dims, read_manifest(folder)["defaults"]
        self._scheduler = Scheduler(stepper, settings.queue, chunks)
        self._streams = GptStreams(self._scheduler)
        labels = {"model": args["model_name"], "instance": args["model_instance_name"]}
        self._metrics = GptMetrics(pb_utils, labels, self._scheduler.statistics)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._answer(request) for request in requests))

    def finalize(self) -> None:
        self._scheduler.close()
        self._metrics.close()

    async def _answer(self, request: Any) -> None:
        """Answers one request; whatever happens, its stream ends."""
        sender = request.get_response_sender()
        refusal = None
        try:
            await self._speak(request, sender)
        except LumenException as error:
            refusal = _refusal(to_wire(error), error.triton_code)
        except Exception as error:
            log.exception("xtts_gpt failed")
            refusal = _refusal(f"xtts_gpt failed: {type(error).__name__}", "INTERNAL")
        finally:
            self._metrics.refresh_soon()
            sender.send(refusal, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def _speak(self, request: Any, sender: Any) -> None:
        """Sends the chunks of a sentence, or ends another one."""
        cancelled = _number(request, "cancel")
        if cancelled is not None:
            self._streams.cancel(int(cancelled))
            return
        stream_id = _number(request, "stream_id")
        asked, name = self._asked(request), None if stream_id is None else int(stream_id)
        async with contextlib.aclosing(self._streams.speak(asked, name, request.is_cancelled)) as chunks:
            async for chunk in chunks:
                tensors = (pb_utils.Tensor("latents", chunk.latents), pb_utils.Tensor("codes", chunk.codes))
                sender.send(pb_utils.InferenceResponse(list(tensors)))
                self._metrics.refresh_soon()

    def _asked(self, request: Any) -> GptRequest:
        given = {name: _number(request, name) for name in SAMPLING}
        given = {name: value for name, value in given.items() if value is not None}
        sampling = sampling_of({"seed": secrets.randbits(63), **given}, self._defaults, self._dims)
        return GptRequest(_array(request, "text_ids"), _array(request, "gpt_cond_latent"), sampling)


def _number(request: Any, name: str) -> np.generic | None:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return None if tensor is None else tensor.as_numpy()[0]


def _array(request: Any, name: str) -> Any:
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    if tensor is None:
        raise InvalidInputException(f"Got no {name}; expected it unless the request is a cancel.")
    return tensor.as_numpy()


def _refusal(message: str, code: str) -> Any:
    error = pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    return pb_utils.InferenceResponse(output_tensors=[], error=error)
