"""Responses of streams, beside what Triton's own client reads in them."""

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferResult, service_pb2
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

from orchestrator.triton.responses import IS_LAST, read_response

OUTPUTS = {
    "frames": np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3),
    "curves": np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6),
    "half": np.array([[0.5], [-2.0]], np.float16),
    "start": np.array([2**40], np.int64),
    "spoken": np.array([True, False]),
    "words": np.array(["naïve".encode(), b"", b"a\0b"], np.object_),
    "none": np.zeros((0, 3), np.float32),
}


def message(outputs: dict[str, Any], is_last: bool | None = None, error: str = "") -> Any:
    made = service_pb2.ModelStreamInferResponse(error_message=error)
    made.infer_response.model_name = "warp"
    if is_last is not None:
        made.infer_response.parameters[IS_LAST].bool_param = is_last
    for name, array in outputs.items():
        datatype = np_to_triton_dtype(array.dtype)
        made.infer_response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        content = serialize_byte_tensor(array).item() if datatype == "BYTES" else array.tobytes()
        made.infer_response.raw_output_contents.append(content)
    return made


@pytest.mark.parametrize("names", [*((name,) for name in OUTPUTS), tuple(OUTPUTS)], ids=" ".join)
def test_tensors_are_those_of_tritons_client(names: tuple[str, ...]) -> None:
    """Outputs of every type, alone and all together, have the names, types, shapes and values it reads."""
    made = message({name: OUTPUTS[name] for name in names})
    theirs = InferResult(made.infer_response)
    ours = read_response(made.SerializeToString()).tensors
    assert tuple(ours) == names
    for name, array in ours.items():
        assert array.dtype == theirs.as_numpy(name).dtype
        np.testing.assert_array_equal(array, theirs.as_numpy(name), strict=True)


def test_large_tensors_are_not_copied() -> None:
    """Frames lie in the bytes of the message that brought them."""
    frames = np.zeros((4, 512, 512, 3), np.uint8)
    sent = message({"frames": frames}, is_last=False).SerializeToString()
    found = read_response(sent).tensors["frames"]
    assert found.shape == frames.shape
    assert np.shares_memory(found, np.frombuffer(sent, np.uint8))


@pytest.mark.parametrize("is_last", [True, False, None])
def test_the_last_one_says_so(is_last: bool | None) -> None:
    """The parameter ends a stream, with outputs or without; a response that lacks it is not the last."""
    for outputs in ({}, {"curves": OUTPUTS["curves"]}):
        found = read_response(message(outputs, is_last).SerializeToString())
        assert found.is_last is bool(is_last)
        assert list(found.tensors) == list(outputs)
        assert not found.refusal


def test_a_refusal_has_no_tensors() -> None:
    """A refusal is told in its words, in any script."""
    found = read_response(message({}, error="no such voice: Ж").SerializeToString())
    assert found.refusal == "no such voice: Ж"
    assert not found.tensors


def test_what_is_no_response_is_refused() -> None:
    """Messages that are cut anywhere, lack an output's bytes or are of another kind give no tensor."""
    whole = message({"curves": OUTPUTS["curves"]}, is_last=True).SerializeToString()
    for end in range(1, len(whole)):
        with pytest.raises(ValueError, match="got"):
            read_response(whole[:end])
    lacking = message({"curves": OUTPUTS["curves"]})
    del lacking.infer_response.raw_output_contents[:]
    with pytest.raises(ValueError, match="zip"):
        read_response(lacking.SerializeToString())
    with pytest.raises(ValueError, match="wire type 0"):
        read_response(b"\x08\x01")
