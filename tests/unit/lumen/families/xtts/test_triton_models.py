"""Calls of the GPT and the vocoder belong to the trace of the request that they are made for."""

from collections.abc import Sequence

import numpy as np
import pytest

from lumen.families.xtts.playout_buffer import PlayoutBuffer
from lumen.families.xtts.speech import Order
from lumen.families.xtts.text.tokenizer import Piece
from lumen.families.xtts.triton_models import Tensors, TritonGpt, TritonVocoder
from lumen.families.xtts.vocoder_windows import Window
from lumen.triton import trace
from lumen.triton.trace import call_span, request_span
from tests.support.otlp import CollectedSpan, TracedRequest, collector
from tests.support.waiting import wait_until

WIDTH = 4
TRACES = ("ab" * 16, "cd" * 16)


class Models:
    """Answers two chunks to each sentence, and sound to each window."""

    def __init__(self) -> None:
        self._left: dict[int, int] = {}

    def infer(self, model: str, outputs: Sequence[str], tensors: Tensors) -> list[np.ndarray]:
        with call_span(model):
            if outputs == ["pcm"]:
                return [np.zeros((1, 10), np.float32)]
            if "stream_id" in tensors:
                self._left[int(tensors["stream_id"][0])] = 2
            stream = int(tensors["next" if "next" in tensors else "stream_id"][0])
            self._left[stream] -= 1
            return [np.zeros((1, WIDTH), np.float32)] if self._left[stream] >= 0 else []


async def speak(models: Models, name: str) -> None:
    """Read a sentence's latents and have a window decoded, as a request in a trace."""
    with request_span("xtts", TracedRequest(traceparent=f"00-{name}-{'ef' * 8}-01")):
        piece = Piece(np.ones(3, np.int32), max_codes=9, ends_sentence=True)
        latents = TritonGpt(models.infer).start(Order(piece, np.zeros((32, WIDTH), np.float32), {}))
        vocoder, playout = TritonVocoder(models.infer, places=1), PlayoutBuffer()
        window = Window(np.zeros((6, WIDTH), np.float32), start=0, frames=(0, 1))
        assert len([chunk async for chunk in latents]) == 2
        with vocoder.speech(playout):
            await vocoder.pcm(window, np.zeros(512, np.float32), playout)


async def test_calls_in_other_threads_are_below_their_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads that read the GPT's chunks and ask the vocoder are of no request themselves."""
    trace._sender.cache_clear()
    models = Models()
    with collector() as found:
        monkeypatch.setenv(trace.URL_VARIABLE, f"{found.url}/v1/traces")
        monkeypatch.setattr(trace, "BATCH_SECONDS", 0.0)
        for name in TRACES:
            await speak(models, name)
        wait_until(lambda: len(found.spans) == 2 * 5)
    for name in TRACES:
        (above,) = [span for span in found.named("xtts") if span.trace == name]
        for model, calls in (("xtts_gpt", 3), ("xtts_vocoder", 1)):
            assert [span.parent for span in of(found.named(model), name)] == calls * [above.id]


def of(spans: list[CollectedSpan], name: str) -> list[CollectedSpan]:
    return [span for span in spans if span.trace == name]
