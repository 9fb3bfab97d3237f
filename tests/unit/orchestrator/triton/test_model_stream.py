"""Streams of models: their end, and how they are left, on a stand-in for gRPC's channel."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from lumen.triton.adapter import LEAVE, STREAM
from orchestrator.triton import model_stream
from orchestrator.triton.model_stream import METHOD, TELL_END, ModelStream
from orchestrator.triton.responses import IS_LAST

LATE = 0.05


def response(count: int = 1, end: bool = False, error: str = "") -> Any:
    """A message of Triton's with so many samples; 0: without an output."""
    message = service_pb2.ModelStreamInferResponse(error_message=error)
    message.infer_response.parameters[IS_LAST].bool_param = end
    if count:
        message.infer_response.outputs.add(name="pcm", datatype="FP32", shape=[count])
        message.infer_response.raw_output_contents.append(np.zeros(count, np.float32).tobytes())
    return message


class Call:
    """gRPC's call, and Triton behind it: it answers, then ends when the client has said its last.

    Args:
        responses: to the request. leaves: whether a client that leaves is heard.
    """

    def __init__(self, responses: list[Any], leaves: bool = True) -> None:
        self.asked: list[Any] = []
        self.cancelled = self.ended = False
        self._responses = responses
        self._leaves = leaves
        self._more: asyncio.Queue[Any] = asyncio.Queue()

    def stream_stream(
        self, method: str, serializer: Any, response_deserializer: Callable[[bytes], Any]
    ) -> Callable[..., "Call"]:
        assert method == METHOD

        def call(requests: AsyncIterator[Any], metadata: Any) -> "Call":
            assert metadata == (("traceparent", "00-1"),)
            self._serving = asyncio.create_task(self._serve(requests))
            return self

        self._read = response_deserializer
        return call

    async def _serve(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            self.asked.append(request)
            if LEAVE not in request.parameters:
                for each in self._responses:
                    self._more.put_nowait(self._read(each.SerializeToString()))
            elif not self._leaves:
                return
        self._more.put_nowait(grpc.aio.EOF)

    async def read(self) -> Any:
        try:
            message = await self._more.get()
            self.ended = message is grpc.aio.EOF
            return message
        except asyncio.CancelledError:
            assert self.cancelled, "who cancels a read cancels the call"
            raise

    def cancel(self) -> None:
        self.cancelled = True
        self._serving.cancel()


def opened(call: Call) -> ModelStream:
    inputs = {"text": np.array([b"Hi"], np.object_), "speed": np.ones(1, np.float32)}
    return ModelStream(call, "espeak", inputs, {"traceparent": "00-1"})


async def read_all(stream: ModelStream) -> list[int]:
    found = []
    while (got := await stream.next()) is not None:
        tensors, refusal = got
        assert refusal is None
        found.append(len(tensors["pcm"]))
    return found


async def test_a_stream_is_read_to_its_end() -> None:
    """Its end is what Triton says it is; nothing is left then, and the call ends by itself."""
    call = Call([response(1), response(2), response(0, end=True)])
    stream = opened(call)
    assert await read_all(stream) == [1, 2]
    await stream.end()
    (request,) = call.asked
    assert request.parameters[TELL_END].bool_param
    assert request.parameters["traceparent"].string_param == "00-1"
    assert [(one.name, one.datatype, list(one.shape)) for one in request.inputs] == [
        ("text", "BYTES", [1]),
        ("speed", "FP32", [1]),
    ]
    assert list(request.raw_input_contents) == [b"\2\0\0\0Hi", np.ones(1, np.float32).tobytes()]


async def test_the_last_response_may_be_the_end_too() -> None:
    """A model may say so with what it sends."""
    stream = opened(Call([response(1), response(2, end=True)]))
    assert await read_all(stream) == [1, 2]
    await stream.end()


async def test_a_refusal_ends_it() -> None:
    """What the model says is told, and the model, which has ended, not left."""
    call = Call([response(1), response(0, error="no such voice")])
    stream = opened(call)
    await stream.next()
    got = await stream.next()
    assert got is not None
    assert got[1] is not None
    assert got[1].message() == "no such voice"
    assert await stream.next() is None
    await stream.end()
    assert len(call.asked) == 1


async def test_a_reader_that_is_cancelled_leaves() -> None:
    """The model is told by the stream's name, and gRPC's call is read out, not cancelled."""
    call = Call([response(1)])
    stream = opened(call)
    await stream.next()
    reading = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert not call.cancelled
    await stream.end()
    asked, left = call.asked
    assert call.ended, "it was cancelled before its end"
    assert left.parameters[LEAVE].string_param == asked.parameters[STREAM].string_param
    assert list(left.raw_input_contents) == list(asked.raw_input_contents)


async def test_a_model_that_does_not_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on for long after it was left is cancelled over gRPC, and nothing waits for it."""
    monkeypatch.setattr(model_stream, "LEAVE_SECONDS", LATE)
    call = Call([response(1)], leaves=False)
    stream = opened(call)
    await stream.next()
    await asyncio.wait_for(stream.end(), 20)
    assert len(call.asked) == 2
    assert call.cancelled


async def test_a_dead_model_is_not_waited_for() -> None:
    """Its call is cancelled at once, and who reads it too."""
    call = Call([])
    stream = opened(call)
    reading = asyncio.create_task(stream.next())
    await asyncio.sleep(0)
    await stream.cancel()
    assert call.cancelled
    with pytest.raises(asyncio.CancelledError):
        await reading
