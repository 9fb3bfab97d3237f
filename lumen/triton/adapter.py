"""Common adapter of every ``model.py``: tensors out of requests, answers and refusals back.

Importable without Triton, whose module comes as an argument.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from lumen.errors import GenerationException, InvalidInputException, LumenException, to_wire
from lumen.triton.trace import request_span
from lumen.utterance import Sentence

log = logging.getLogger(__name__)

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

STREAM: Final = "client_stream"
"""Parameter of a request: name that its client gives to the stream of its responses."""

LEAVE: Final = "left_client_stream"
"""Parameter of a request that asks for nothing: the stream that its client has left, on the same connection.

For gRPC's cancellation in its place see `orchestrator.triton.model_stream`.
"""

REFUSAL: Final = "refusal"
"""The output, string [1], that says why another model's request has no answer, as :func:`to_wire` does."""


class ResponseStream:
    """Stream of the responses to one request.

    Args:
        send: sends one of them.
        is_cancelled: whether gRPC's stream was cancelled.
    """

    def __init__(self, send: Callable[[Tensors], None], is_cancelled: Callable[[], bool]) -> None:
        self.send = send
        self._is_cancelled = is_cancelled
        self._left = False

    def leave(self) -> None:
        """Hear that the client reads no further."""
        self._left = True

    def is_cancelled(self) -> bool:
        """Whether nobody reads it any more."""
        return self._left or self._is_cancelled()


class Adapter:
    """Reads and answers the requests of one model.

    Args:
        pb_utils: Triton's ``triton_python_backend_utils``.
        model: its name, for errors that nobody foresaw.
    """

    def __init__(self, pb_utils: Any, model: str) -> None:
        self._pb_utils = pb_utils
        self._model = model
        self._streams: dict[str, ResponseStream] = {}

    def array(self, request: Any, name: str) -> Any:
        """An input; None where it was left out."""
        tensor = self._pb_utils.get_input_tensor_by_name(request, name)
        return None if tensor is None else tensor.as_numpy()

    def text(self, request: Any, name: str, default: str = "") -> str:
        """The one string of an input.

        Raises:
            InvalidInputException: it is not UTF-8.
        """
        array = self.array(request, name)
        if array is None:
            return default
        try:
            return str(array[0].decode())
        except UnicodeDecodeError as error:
            raise InvalidInputException(
                f"The {name} is not UTF-8: {error.reason} at byte {error.start}."
            ) from error

    def sentence(self, request: Any) -> Sentence:
        """The sentence that a voice is asked to speak; its place in an utterance may be left out.

        Raises:
            InvalidInputException: its text is not UTF-8, or its index is below 0.
        """
        index, last = self.array(request, "sentence"), self.array(request, "last")
        sentence = Sentence(
            text=self.text(request, "text"),
            utterance=self.text(request, "utterance"),
            index=0 if index is None else int(index[0]),
            last=last is None or bool(last[0]),
        )
        if sentence.index < 0:
            raise InvalidInputException(f"Got the sentence {sentence.index}, expected 0 or more.")
        return sentence

    def answer_traced(self, request: Any, make: Callable[[Any], Tensors]) -> Any:
        """:meth:`answer` with ``make`` of the request, whose calls of other models belong to its trace."""
        with request_span(self._model, request):
            return self.answer(lambda: make(request))

    def answer(self, make: Callable[[], Tensors]) -> Any:
        """The one response to a request: what ``make`` gives, or a refusal for what it raises."""
        try:
            return self._response(make())
        except LumenException as error:
            return self._refusal(error.message, error.triton_code)
        except Exception as error:
            return self._failure(error)

    async def stream(self, request: Any, answer: Callable[[ResponseStream], Awaitable[None]]) -> None:
        """Let ``answer`` send the responses to a request; whatever happens, its stream ends.

        What it raises goes out as :func:`to_wire`'s text, with the end of the stream. A request that says
        that another stream was left is for that one, and has no answer.
        """
        sender = request.get_response_sender()
        refusal = None
        try:
            parameters = json.loads(request.parameters() or "{}")
            if LEAVE in parameters:
                self._leave(parameters[LEAVE])
                return
            stream = ResponseStream(
                lambda tensors: sender.send(self._asked_for(request, tensors)), request.is_cancelled
            )
            with self._known(parameters.get(STREAM), stream), request_span(self._model, request):
                await answer(stream)
        except LumenException as error:
            refusal = self._refusal(to_wire(error), error.triton_code)
        except Exception as error:
            refusal = self._failure(error)
        finally:
            sender.send(refusal, flags=self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def reply(
        self, request: Any, answer: Callable[[], Awaitable[Tensors]], is_gone: Callable[[], bool]
    ) -> None:
        """The one response to another model's request, which ends its stream too.

        What ``answer`` raises goes out as the output ``REFUSAL``. For the reasons see `SingleResponseCaller`.

        Args:
            is_gone: whether the process of the model that asks has died. Nothing is sent to that one.
        """
        sender = request.get_response_sender()
        tensors: Tensors = {}
        try:
            tensors = await answer()
        except LumenException as error:
            tensors = _told(error)
        except Exception as error:
            log.error("%s failed", self._model, exc_info=error)
            tensors = _told(GenerationException(f"{self._model} failed: {type(error).__name__}"))
        finally:
            if not is_gone():
                final = self._pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
                sender.send(self._asked_for(request, tensors), flags=final)

    @contextmanager
    def _known(self, name: str | None, stream: ResponseStream) -> Iterator[None]:
        """Let the stream be left by its name while the block runs."""
        if name is None:
            yield
            return
        self._streams[name] = stream
        try:
            yield
        finally:
            self._streams.pop(name, None)

    def _leave(self, name: str) -> None:
        """Tell the stream of that name; one that has ended is not known any more."""
        if name in self._streams:
            self._streams[name].leave()

    def _asked_for(self, request: Any, tensors: Tensors) -> Any:
        """Only outputs that were asked for: Triton 2.51 would free others without the interpreter's lock."""
        wanted = request.requested_output_names()
        return self._response({name: a for name, a in tensors.items() if name in wanted or not wanted})

    def _response(self, tensors: Tensors) -> Any:
        outputs = [self._pb_utils.Tensor(name, np.ascontiguousarray(a)) for name, a in tensors.items()]
        return self._pb_utils.InferenceResponse(outputs)

    def _failure(self, error: Exception) -> Any:
        log.error("%s failed", self._model, exc_info=error)
        return self._refusal(f"{self._model} failed: {type(error).__name__}", "INTERNAL")

    def _refusal(self, message: str, code: str) -> Any:
        error = self._pb_utils.TritonError(message, getattr(self._pb_utils.TritonError, code))
        return self._pb_utils.InferenceResponse([], error=error)


def _told(error: LumenException) -> Tensors:
    return {REFUSAL: np.array([to_wire(error).encode()], np.object_)}
