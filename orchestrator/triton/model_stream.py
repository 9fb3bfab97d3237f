"""Stream of a decoupled model's responses to one request, which is left without gRPC's cancellation.

Where that comes just when the model has sent its last response, Triton's gRPC handler (2.51, and by its code
later ones) waits for that response for ever: the request stays in memory, and the model, which it refers to,
is never unloaded. A unary call that is cancelled then may end the server
(https://github.com/triton-inference-server/server/pull/8078). So who leaves a stream says so to the model in
another request on the same connection, which `lumen.triton.adapter` hears, and reads what still comes.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc  # type: ignore[import-untyped]  # has no stubs
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # has no stubs
from tritonclient.utils import (  # type: ignore[import-untyped]
    InferenceServerException,
    np_to_triton_dtype,
    serialize_byte_tensor,
)

from lumen.aio import cancel, with_timeout
from lumen.triton.adapter import LEAVE, STREAM
from orchestrator.triton.responses import read_response

LEAVE_SECONDS: Final = 2.0
"""Time that a model may take to end a stream that was left; then it is cancelled over gRPC after all.

So it is where the model has several processes and another one was told, and where the model is no adapter's.
"""

TELL_END: Final = "triton_enable_empty_final_response"
"""Parameter that lets Triton say when a stream has ended, as the connection stays open for leaving."""

METHOD: Final = "/inference.GRPCInferenceService/ModelStreamInfer"


class ModelStream:
    """Stream of the responses to one request; `next` reads it, and `end` has to be called in the end.

    Args:
        channel: to Triton.
        model: that is asked.
        inputs: tensors by name.
        headers: of the call; the model sees them as parameters.
    """

    def __init__(
        self, channel: Any, model: str, inputs: Mapping[str, npt.NDArray[Any]], headers: Mapping[str, str]
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._headers = headers
        self._name = secrets.token_hex(8)
        self._left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._answered = False
        stream = channel.stream_stream(
            METHOD, service_pb2.ModelInferRequest.SerializeToString, response_deserializer=read_response
        )
        self._call = stream(self._requests(), metadata=tuple(headers.items()))
        self._reading: asyncio.Task[Any] | None = None

    async def next(self) -> tuple[dict[str, npt.NDArray[Any]], InferenceServerException | None] | None:
        """Tensors of the next response, or the model's refusal in their place; None at the end.

        Raises:
            grpc.RpcError: the connection failed.
        """
        while not self._answered:
            response = await self._read()
            if response is grpc.aio.EOF:
                self._answered = True
            elif response.refusal:
                self._answered = True
                return {}, InferenceServerException(response.refusal)
            else:
                self._answered = response.is_last
                if response.tensors:
                    return response.tensors, None
        return None

    async def end(self) -> None:
        """Tell the model that nobody reads further, where it has not ended, and close the connection."""
        self._left.set_result(not self._answered)
        try:
            await with_timeout(LEAVE_SECONDS, self._read_out())
        except (TimeoutError, grpc.RpcError):
            pass  # it is cancelled, or was
        finally:
            await self.cancel()

    async def cancel(self) -> None:
        """Close the connection at once: the model's process has died."""
        self._call.cancel()
        if self._reading is not None:
            await cancel(self._reading)

    async def _read_out(self) -> None:
        while await self._read() is not grpc.aio.EOF:
            pass

    async def _read(self) -> Any:
        """The next message, for which a cancelled caller has not to wait: that would cancel the call."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._call.read())
        message = await asyncio.shield(self._reading)
        self._reading = None
        return message

    async def _requests(self) -> AsyncIterator[Any]:
        """Messages to Triton: the request, and after it, where the stream is left, that it was."""
        yield self._message({STREAM: self._name})
        if await self._left:
            yield self._message({LEAVE: self._name})

    def _message(self, parameters: Mapping[str, str]) -> Any:
        """A request; what it is for stands in its parameters, and Triton wants all inputs in any case."""
        message = service_pb2.ModelInferRequest(model_name=self._model)
        for name, value in {**self._headers, **parameters}.items():
            message.parameters[name].string_param = value
        message.parameters[TELL_END].bool_param = True
        for name, array in self._inputs.items():
            message.inputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
            message.raw_input_contents.append(_content(np.ascontiguousarray(array)))
        return message


def _content(array: npt.NDArray[Any]) -> bytes:
    if array.dtype != np.object_:
        return array.tobytes()
    return bytes(serialize_byte_tensor(array).item()) if array.size else b""
