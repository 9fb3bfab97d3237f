"""Adapter of every ``model.py``, on a strict stand-in for Triton's module."""

import asyncio
import json
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest

from lumen.errors import BusyException, InvalidInputException, LumenException
from lumen.triton.adapter import LEAVE, REFUSAL, STREAM, Adapter, ResponseStream, Tensors

FINAL = 1


class TritonError:
    INTERNAL, INVALID_ARG, UNAVAILABLE = range(3)

    def __init__(self, message: str, code: int) -> None:
        self.message, self.code = message, code


@dataclass
class Tensor:
    name: str
    values: Any

    def as_numpy(self) -> Any:
        return self.values


@dataclass
class InferenceResponse:
    tensors: list[Tensor]
    error: TritonError | None = None


@dataclass
class Sender:
    sent: list[InferenceResponse] = field(default_factory=list)
    ended: bool = False

    def send(self, response: InferenceResponse | None, flags: int = 0) -> None:
        assert not self.ended, "something came after the end"
        self.ended = flags == FINAL
        if response is not None:
            self.sent.append(response)


@dataclass
class Request:
    inputs: dict[str, Any] = field(default_factory=dict)
    sender: Sender = field(default_factory=Sender)
    wanted: tuple[str, ...] = ()
    told: dict[str, str] = field(default_factory=dict)
    cancelled: bool = False

    def parameters(self) -> str:
        return json.dumps(self.told) if self.told else ""

    def is_cancelled(self) -> bool:
        return self.cancelled

    def get_response_sender(self) -> Sender:
        return self.sender

    def requested_output_names(self) -> list[str]:
        return list(self.wanted)


class PbUtils:
    """The names of ``triton_python_backend_utils`` that are used."""

    TRITONSERVER_RESPONSE_COMPLETE_FINAL = FINAL
    TritonError = TritonError
    Tensor = Tensor
    InferenceResponse = InferenceResponse

    @staticmethod
    def get_input_tensor_by_name(request: Request, name: str) -> Tensor | None:
        return Tensor(name, request.inputs[name]) if name in request.inputs else None


@pytest.fixture
def adapter() -> Adapter:
    return Adapter(PbUtils, "speaker")


async def test_a_stream_has_its_responses_and_an_end(adapter: Adapter) -> None:
    """Tensors go out under their names, one response for each time."""
    request = Request()

    async def answer(stream: ResponseStream) -> None:
        for n in range(3):
            stream.send({"pcm": np.arange(n)})

    await adapter.stream(request, answer)
    assert [(r.tensors[0].name, len(r.tensors[0].values)) for r in request.sender.sent] == [
        ("pcm", 0),
        ("pcm", 1),
        ("pcm", 2),
    ]
    assert request.sender.ended


async def test_only_outputs_that_were_asked_for_are_sent(adapter: Adapter) -> None:
    """Triton would free the others in another thread's time."""
    request = Request(wanted=("pcm",))

    async def answer(stream: ResponseStream) -> None:
        stream.send({"pcm": np.zeros(1), "codes": np.zeros(2)})

    await adapter.stream(request, answer)
    assert [tensor.name for tensor in request.sender.sent[0].tensors] == ["pcm"]


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (InvalidInputException("no such voice"), "InvalidInputException: no such voice", "INVALID_ARG"),
        (BusyException("no slot"), "BusyException: no slot", "UNAVAILABLE"),
        (KeyError("a secret"), "speaker failed: KeyError", "INTERNAL"),
    ],
)
async def test_a_stream_that_fails_ends_too(
    adapter: Adapter, error: Exception, message: str, code: str
) -> None:
    """A stream that fails keeps what was sent, then says class and code; unforeseen errors tell no detail."""
    request = Request()

    async def answer(stream: ResponseStream) -> None:
        stream.send({"pcm": np.zeros(1)})
        raise error

    await adapter.stream(request, answer)
    assert request.sender.ended
    (_, refusal) = request.sender.sent
    assert refusal.error is not None
    assert (refusal.error.message, refusal.error.code) == (message, getattr(TritonError, code))


async def test_a_stream_is_left_by_its_name(adapter: Adapter) -> None:
    """Its model hears so, others go on, and who says so gets an end; so it is when the stream has ended."""
    left, other = Request(told={STREAM: "a"}), Request(told={STREAM: "b"})
    leaving = [Request(told={LEAVE: "a"}) for _ in range(2)]
    going = {"a": True, "b": True}

    async def speak(name: str, stream: ResponseStream) -> None:
        while going[name] and not stream.is_cancelled():
            stream.send({"pcm": np.zeros(1)})
            await asyncio.sleep(0)

    async def refuse(stream: ResponseStream) -> None:
        raise AssertionError("nothing was asked for")

    streams = [
        asyncio.create_task(adapter.stream(request, partial(speak, name)))
        for request, name in ((left, "a"), (other, "b"))
    ]
    await asyncio.sleep(0)
    for request in leaving:
        await adapter.stream(request, refuse)
        await streams[0]
    assert left.sender.ended
    assert not other.sender.ended
    assert [(request.sender.sent, request.sender.ended) for request in leaving] == [([], True)] * 2
    going["b"] = False
    await streams[1]
    assert len(other.sender.sent) > len(left.sender.sent) > 0


async def test_a_stream_that_is_cancelled_over_grpc_is_left_too(adapter: Adapter) -> None:
    """A client that dies says nothing."""
    request, seen = Request(), []

    async def answer(stream: ResponseStream) -> None:
        seen.append(stream.is_cancelled())
        request.cancelled = True
        seen.append(stream.is_cancelled())

    await adapter.stream(request, answer)
    assert seen == [False, True]


async def test_a_reply_is_one_response_and_the_end(adapter: Adapter) -> None:
    """With nothing in it, too; nobody is told who is gone."""
    for tensors in ({"latents": np.arange(2)}, {}):
        here, gone = Request(), Request()
        for request, is_gone in ((here, False), (gone, True)):
            await adapter.reply(request, partial(asyncio.sleep, 0, tensors), lambda gone=is_gone: gone)
        assert here.sender.ended
        (response,) = here.sender.sent
        assert [(one.name, one.values.tolist()) for one in response.tensors] == [
            (name, values.tolist()) for name, values in tensors.items()
        ]
        assert not gone.sender.ended
        assert gone.sender.sent == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BusyException("no slot"), "BusyException: no slot"),
        (KeyError("a secret"), "GenerationException: speaker failed: KeyError"),
    ],
)
async def test_a_reply_tells_a_refusal_as_an_output(adapter: Adapter, error: Exception, told: str) -> None:
    """An error of Triton's would lose its request."""
    request = Request()

    async def fail() -> Tensors:
        raise error

    await adapter.reply(request, fail, lambda: False)
    (response,) = request.sender.sent
    assert request.sender.ended
    assert response.error is None
    assert [(one.name, one.values.tolist()) for one in response.tensors] == [(REFUSAL, [told.encode()])]


@pytest.mark.parametrize(
    ("error", "message"),
    [(InvalidInputException("no face"), "no face"), (KeyError("a secret"), "speaker failed: KeyError")],
)
def test_one_request_fails_alone(adapter: Adapter, error: Exception, message: str) -> None:
    """A refusal is a response beside the others'; Triton keeps its code, so the class is left out."""

    def fail() -> dict[str, Any]:
        raise error

    good, bad = adapter.answer(lambda: {"out": np.ones(2)}), adapter.answer(fail)
    assert good.error is None
    assert good.tensors[0].values.tolist() == [1, 1]
    assert bad.error.message == message


def test_text_is_utf8_or_left_out(adapter: Adapter) -> None:
    """Bytes that are no text are refused by the input's name."""
    request = Request(
        {"text": np.array(["häh".encode()], np.object_), "voice": np.array([b"\xff"], np.object_)}
    )
    assert adapter.text(request, "text") == "häh"
    assert adapter.text(request, "language", "en") == "en"
    assert adapter.array(request, "language") is None
    with pytest.raises(LumenException, match="The voice is not UTF-8"):
        adapter.text(request, "voice")
