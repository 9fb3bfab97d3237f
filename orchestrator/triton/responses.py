"""Responses of Triton's streams, whose tensors are not copied.

A few frames have megabytes. Protobuf copies them out of the message, and its Python once more out of that:
a third of what a clip of 512 pixels costs the API besides encoding it. So what is no tensor is cut out and
left to Protobuf.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2  # type: ignore[import-untyped]  # has no stubs
from tritonclient.utils import deserialize_bytes_tensor, triton_to_np_dtype  # type: ignore[import-untyped]

IS_LAST: Final = "triton_final_response"
"""Parameter of a response: whether it is the last one."""

_ERROR, _ANSWER = 1, 2
"""Fields of a ModelStreamInferResponse: an error's message, and a ModelInferResponse."""

_CONTENTS: Final = 6
"""Field of a ModelInferResponse: the bytes of each output, in their order."""

_LENGTH_DELIMITED: Final = 2
"""Wire type of strings, bytes and messages, the only ones in both."""


@dataclass(frozen=True)
class StreamResponse:
    """Response of a stream.

    Attributes:
        tensors: outputs by name; they cannot be written to.
        is_last: whether it ends the stream.
        refusal: what the model says in place of outputs, or "".
    """

    tensors: dict[str, npt.NDArray[Any]]
    is_last: bool
    refusal: str


def read_response(message: bytes) -> StreamResponse:
    """Read a serialized ModelStreamInferResponse, whose bytes the tensors keep.

    Raises:
        ValueError, google.protobuf.message.DecodeError: it is none, or has outputs without their bytes.
    """
    parts = {field: payload for field, payload, _ in _fields(memoryview(message))}
    contents, rest = list[memoryview](), bytearray()
    for field, payload, whole in _fields(parts.get(_ANSWER, memoryview(b""))):
        if field == _CONTENTS:
            contents.append(payload)
        else:
            rest += whole
    read = service_pb2.ModelInferResponse.FromString(bytes(rest))
    outputs = zip(read.outputs, contents, strict=True)
    tensors = {output.name: _tensor(output, content) for output, content in outputs}
    is_last = IS_LAST in read.parameters and read.parameters[IS_LAST].bool_param
    return StreamResponse(tensors, is_last, str(parts.get(_ERROR, b""), "utf-8"))


def _tensor(output: Any, content: memoryview) -> npt.NDArray[Any]:
    if output.datatype == "BYTES":
        flat = deserialize_bytes_tensor(content)
    else:
        flat = np.frombuffer(content, triton_to_np_dtype(output.datatype))
    array: npt.NDArray[Any] = flat.reshape(tuple(output.shape))
    return array


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Number, payload and all bytes of each field, as Protobuf's encoding has them.

    https://protobuf.dev/programming-guides/encoding
    """
    at = 0
    while at < len(message):
        tag, start = _varint(message, at)
        if tag & 7 != _LENGTH_DELIMITED:
            raise ValueError(f"got a field of wire type {tag & 7}, expected {_LENGTH_DELIMITED}")
        length, start = _varint(message, start)
        end = start + length
        if end > len(message):
            raise ValueError(f"got {len(message) - start} bytes of a field, expected {length}")
        yield tag >> 3, message[start:end], message[at:end]
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next byte is."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("got a message that ends within a number")
