"""``xtts``: the tensors of ``lumen.families.xtts.speech``; the models that it calls are Triton's."""

import asyncio
import contextlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from lumen.aio import cancel_when
from lumen.contracts import XTTS, XTTS_CONDITIONING, XTTS_GPT, XTTS_SPEAKER, XTTS_VOCODER
from lumen.families.xtts.artifacts import VOCABULARY, check_files, check_one_checkpoint, read_manifest
from lumen.families.xtts.family import XttsOptions
from lumen.families.xtts.speech import Speech, SpeechOptions, Voice
from lumen.families.xtts.text.tokenizer import Tokenizer
from lumen.families.xtts.triton_models import TritonGpt, TritonVocoder
from lumen.options import from_tensors, given
from lumen.triton.adapter import Adapter, ResponseStream
from lumen.triton.calls import SingleResponseCaller, triton_call_now

adapter = Adapter(pb_utils, XTTS)


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        folder = Path(args["model_repository"]) / args["model_version"]
        check_files(folder, read_manifest(folder))
        check_one_checkpoint(folder, (XTTS_CONDITIONING, XTTS_SPEAKER, XTTS_VOCODER, XTTS_GPT))
        tokenizer = Tokenizer(folder / VOCABULARY)
        tokenizer.warm_up()
        places = int(json.loads(args["model_config"])["parameters"]["vocoder_windows"]["string_value"])
        gpt = TritonGpt(SingleResponseCaller(pb_utils))
        vocoder = TritonVocoder(partial(triton_call_now, pb_utils), places)
        self._speech = Speech(tokenizer, gpt, vocoder)

    async def execute(self, requests: list[Any]) -> None:
        await asyncio.gather(*(adapter.stream(each, partial(self._answer, each)) for each in requests))

    async def _answer(self, request: Any, stream: ResponseStream) -> None:
        await cancel_when(stream.is_cancelled, self._speak(request, stream))

    async def _speak(self, request: Any, stream: ResponseStream) -> None:
        async with contextlib.aclosing(self._speech.speak(**_arguments(request))) as speech:
            async for pcm in speech:
                stream.send({"pcm": pcm})


def _arguments(request: Any) -> dict[str, Any]:
    array = partial(adapter.array, request)
    speed, seed = array("speed"), array("seed")
    return {
        "sentence": adapter.sentence(request),
        "language": adapter.text(request, "language"),
        "voice": Voice(array("gpt_cond_latent"), array("speaker_embedding")),
        "options": SpeechOptions(
            1.0 if speed is None else speed[0].item(),
            None if seed is None else seed[0].item(),
            given(from_tensors(XttsOptions, array)),
        ),
    }
