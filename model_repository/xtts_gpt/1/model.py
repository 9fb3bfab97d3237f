"""``xtts_gpt``: the tensors of ``lumen.families.xtts.gpt``: a stream of chunks, or one chunk a request."""

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
from lumen.errors import InvalidInputException
from lumen.families.xtts.artifacts import read_manifest
from lumen.families.xtts.gpt import sampling
from lumen.families.xtts.gpt.chunks import Chunk, GrowingChunks
from lumen.families.xtts.gpt.metrics import GptMetrics
from lumen.families.xtts.gpt.pull_streams import PullStreams
from lumen.families.xtts.gpt.request import GptRequest
from lumen.families.xtts.gpt.scheduler import Scheduler
from lumen.families.xtts.gpt.settings import settings_of
from lumen.families.xtts.gpt.stepper import GptStepper
from lumen.families.xtts.gpt.streams import GptStreams
from lumen.runtime.cpu_lock import cpu_lock_of_server
from lumen.triton.adapter import Adapter, ResponseStream, Tensors
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
        cores = cpu_lock_of_server(bool(settings.cpu_lock), kind)
        self._scheduler = Scheduler(stepper, settings.queue, chunks, cores=cores)
        self._streams, self._callers = GptStreams(self._scheduler), Callers()
        self._kept = PullStreams(self._streams)
        labels = {"model": args["model_name"], "instance": args["model_instance_name"]}
        self._metrics = GptMetrics(pb_utils, labels, self._scheduler.statistics)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(self._serve(each) for each in requests))

    def finalize(self) -> None:
        self._scheduler.close()
        self._metrics.close()

    async def _serve(self, request: Any) -> None:
        caller = _number(request, "caller")
        if caller is None:
            await adapter.stream(request, partial(self._speak, request))
            return
        with self._callers.call(caller) as is_gone:
            await adapter.reply(request, partial(self._reply, request, is_gone), is_gone)

    async def _speak(self, request: Any, stream: ResponseStream) -> None:
        """Sends the chunks of a sentence, or cancels another one."""
        if (stream_id := _number(request, "cancel")) is not None:
            self._streams.cancel(stream_id)
            return
        asked, stream_id = self._asked(request), _number(request, "stream_id")
        try:
            async with contextlib.aclosing(
                self._streams.speak(asked, stream_id, stream.is_cancelled)
            ) as chunks:
                async for chunk in chunks:
                    stream.send(_tensors(chunk))
                    self._metrics.refresh_soon()
        finally:
            self._metrics.refresh_soon()

    async def _reply(self, request: Any, is_gone: Callable[[], bool]) -> Tensors:
        """The next chunk of a sentence; nothing at its end, nor where something else is asked about it."""
        for name, act in (("cancel", self._streams.cancel), ("check", self._kept.check)):
            if (stream_id := _number(request, name)) is not None:
                act(stream_id)
                return {}
        try:
            chunk = await self._next(request, is_gone)
        finally:
            self._metrics.refresh_soon()
        return {} if chunk is None else _tensors(chunk)

    async def _next(self, request: Any, is_gone: Callable[[], bool]) -> Chunk | None:
        if (stream_id := _number(request, "next")) is not None:
            return await self._kept.next(stream_id)
        stream_id = int(_needed(request, "stream_id")[0])
        return await self._kept.begin(self._asked(request), stream_id, is_gone)

    def _asked(self, request: Any) -> GptRequest:
        arrays = {name: adapter.array(request, name) for name in sampling.TENSORS}
        given = {name: array[0] for name, array in arrays.items() if array is not None}
        drawn = sampling.sampling_of({"seed": secrets.randbits(63), **given}, self._defaults, self._dims)
        return GptRequest(_needed(request, "text_ids"), _needed(request, "gpt_cond_latent"), drawn)


def _tensors(chunk: Chunk) -> Tensors:
    return {"latents": chunk.latents, "codes": chunk.codes}


def _number(request: Any, name: str) -> int | None:
    array = adapter.array(request, name)
    return None if array is None else int(array[0])


def _needed(request: Any, name: str) -> Any:
    array = adapter.array(request, name)
    if array is None:
        raise InvalidInputException(f"Got no {name}; expected it where a sentence begins.")
    return array
