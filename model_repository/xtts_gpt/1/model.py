"""``xtts_gpt``: the tensors of ``lumen.engines.xtts.gpt.streams``, one response per chunk of codes."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.contracts import XTTS_GPT
from lumen.engines.cores import cores_of_server
from lumen.engines.xtts.artefacts import read_manifest
from lumen.engines.xtts.gpt import sampling
from lumen.engines.xtts.gpt.chunks import GrowingChunks
from lumen.engines.xtts.gpt.metrics import GptMetrics
from lumen.engines.xtts.gpt.request import GptRequest
from lumen.engines.xtts.gpt.scheduler import Scheduler
from lumen.engines.xtts.gpt.settings import settings_of
from lumen.engines.xtts.gpt.stepper import GptStepper
from lumen.engines.xtts.gpt.streams import GptStreams
from lumen.errors import InvalidInputException
from lumen.triton.adapter import Adapter, Send
from lumen.triton.caller import Callers

adapter = Adapter(pb_utils, XTTS_GPT)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        settings = settings_of(json.loads(args["model_config"])["parameters"])
        kind, device = args["model_instance_kind"], int(args["model_instance_device_id"])
        stepper = GptStepper.load(folder, settings.slots, settings.intra_op_thread_count, kind, device)
        chunks = GrowingChunks(settings.first_chunk, settings.largest_chunk)
        self._dims, self._defaults = stepper.dims, read_manifest(folder)["defaults"]
        cores = cores_of_server(bool(settings.take_turns), kind)
        self._scheduler = Scheduler(stepper, settings.queue, chunks, cores=cores)
        self._streams, self._callers = GptStreams(self._scheduler), Callers()
        labels = {"model": args["model_name"], "instance": args["model_instance_name"]}
        self._metrics = GptMetrics(pb_utils, labels, self._scheduler.statistics)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._serve(each) for each in requests))

    def finalize(self) -> None:
        self._scheduler.close()
        self._metrics.close()

    async def _serve(self, request: Any) -> None:
        with self._callers.call(_number(request, "caller")) as is_gone:
            await adapter.stream(request, partial(self._answer, request, is_gone), is_gone)

    async def _answer(self, request: Any, is_gone: Callable[[], bool], send: Send) -> None:
        """Sends the chunks of a sentence, or does what is asked about another one."""
        for name, act in (("cancel", self._streams.cancel), ("check", self._streams.check)):
            if (stream_id := _number(request, name)) is not None:
                act(stream_id)
                return
        try:
            await self._speak(request, lambda: request.is_cancelled() or is_gone(), send)
        finally:
            self._metrics.refresh_soon()

    async def _speak(self, request: Any, is_cancelled: Callable[[], bool], send: Send) -> None:
        asked, stream_id = self._asked(request), _number(request, "stream_id")
        async with contextlib.aclosing(self._streams.speak(asked, stream_id, is_cancelled)) as chunks:
            async for chunk in chunks:
                send({"latents": chunk.latents, "codes": chunk.codes})
                self._metrics.refresh_soon()

    def _asked(self, request: Any) -> GptRequest:
        arrays = {name: adapter.array(request, name) for name in sampling.TENSORS}
        given = {name: array[0] for name, array in arrays.items() if array is not None}
        drawn = sampling.sampling_of({"seed": secrets.randbits(63), **given}, self._defaults, self._dims)
        return GptRequest(_needed(request, "text_ids"), _needed(request, "gpt_cond_latent"), drawn)


def _number(request: Any, name: str) -> int | None:
    array = adapter.array(request, name)
    return None if array is None else int(array[0])


def _needed(request: Any, name: str) -> Any:
    array = adapter.array(request, name)
    if array is None:
        raise InvalidInputException(f"Got no {name}; expected it unless the request is a cancel.")
    return array
