"""An ONNX model that answers batches of requests, each with a result or an error of its own."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lumen.engines import onnx_config, onnx_schema
from lumen.engines.onnx_file import find_model
from lumen.engines.onnx_types import BFLOAT16, NUMPY_TYPES, STRING, TensorSpec, configured, graph_of
from lumen.errors import GenerationException, InvalidInputException, LumenException, ModelLoadException

Array = NDArray[Any]
Tensors = dict[str, Array]

_ONNX_BFLOAT16: Final = 16


@dataclass(frozen=True)
class Request:
    """One caller's part of a batch.

    Attributes:
        inputs: name -> array, [B, ...] where the model batches; dtypes as in ``NUMPY_TYPES``.
        outputs: names of the wanted outputs.
    """

    inputs: Tensors
    outputs: tuple[str, ...]


class OnnxModel:
    """A loaded model; `execute` is its only verb."""

    def __init__(self, config: dict[str, Any], version: Path, kind: str, device_id: int) -> None:
        """Load and check the model.

        Args:
            config: Triton's model configuration.
            version: directory of the model's version.
            kind: "CPU" or "GPU"; `device_id` counts for the latter.

        Raises:
            ModelLoadException: the file, the configuration or the device is not as it should be.
        """
        onnx_config.check_covered(config)
        self._session = open_session(config, version, kind, device_id)
        graph = graph_of(self._session)
        onnx_schema.check(config, graph)
        self._run_options = onnx_config.run_options(config)
        self._batches = int(config.get("max_batch_size", 0)) > 0
        self._inputs = {spec.name: spec for spec in graph.inputs}
        self._outputs = {spec.name: spec for spec in graph.outputs}
        self._required = {s.name for s in configured(config, "input") if not s.optional}
        self._scalars = {
            s.name: s.dims for s in configured(config, "output") if not self._outputs[s.name].dims
        }
        types = {spec.data_type for spec in (*graph.inputs, *graph.outputs)}
        self._has_bfloat16 = BFLOAT16 in types
        if types >= {BFLOAT16, STRING}:
            raise ModelLoadException(
                "the graph has bfloat16 and string tensors: only one of the two is possible"
            )

    def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
        """One answer per request, in order: its wanted outputs, or why it was refused.

        What could not even be read comes in as the error that says so, and goes out again.
        """
        checked = [self._checked(request) for request in requests]
        groups: dict[object, dict[int, Request]] = {}
        for index, request in enumerate(checked):
            if isinstance(request, Request):
                groups.setdefault(self._group(index, request), {})[index] = request
        answers: dict[int, Tensors | LumenException] = {}
        for group in groups.values():
            answers.update(zip(group, self._run_group([*group.values()]), strict=True))
        return [r if isinstance(r, LumenException) else answers[i] for i, r in enumerate(checked)]

    def _checked(self, request: Request | LumenException) -> Request | LumenException:
        try:
            if isinstance(request, Request):
                self._check(request)
        except InvalidInputException as error:
            return error
        return request

    def _check(self, request: Request) -> None:
        for name in sorted(self._required - request.inputs.keys()):
            raise InvalidInputException(
                f"input {name!r} is missing; send it, its shape is {self._shape(name)}"
            )
        for name, array in request.inputs.items():
            _check_array(array, self._inputs[name])
        if self._batches and len({len(array) for array in request.inputs.values()}) != 1:
            sizes = {name: len(array) for name, array in request.inputs.items()}
            raise InvalidInputException(f"inputs have different batch sizes: {sizes}; send equal ones")

    def _shape(self, name: str) -> list[int]:
        return list(self._inputs[name].dims)

    def _group(self, index: int, request: Request) -> object:
        """A key that is equal for requests that can run as one."""
        if not self._batches:
            return index
        return frozenset((name, array.shape[1:]) for name, array in request.inputs.items())

    def _run_group(self, requests: list[Request]) -> list[Tensors | LumenException]:
        try:
            return [*self._run_together(requests)]
        except Exception as error:
            if len(requests) == 1:
                return [_as_lumen(error)]
        # Somebody's values upset the model: find out whose.
        return [self._run_group([request])[0] for request in requests]

    def _run_together(self, requests: list[Request]) -> list[Tensors]:
        wanted = sorted({name for request in requests for name in request.outputs})
        feeds = {name: _joined([r.inputs[name] for r in requests]) for name in requests[0].inputs}
        results = self._run(wanted, feeds)
        if not self._batches:
            return [results]
        sizes = [len(next(iter(request.inputs.values()))) for request in requests]
        parts = {name: _divided(name, array, sizes) for name, array in results.items()}
        return [{n: parts[n][i] for n in request.outputs} for i, request in enumerate(requests)]

    def _run(self, wanted: list[str], feeds: Tensors) -> Tensors:
        ready = {name: _to_runtime(array, self._inputs[name]) for name, array in feeds.items()}
        results = (self._run_values if self._has_bfloat16 else self._run_arrays)(wanted, ready)
        return {name: self._shaped(name, array) for name, array in zip(wanted, results, strict=True)}

    def _run_arrays(self, wanted: list[str], feeds: Tensors) -> list[Array]:
        results: list[Array] = self._session.run(wanted, feeds, self._run_options)
        return results

    def _run_values(self, wanted: list[str], feeds: Tensors) -> list[Array]:
        values = {name: to_value(array, self._inputs[name].data_type) for name, array in feeds.items()}
        results = self._session.run_with_ort_values(wanted, values, self._run_options)
        return [from_value(value) for value in results]

    def _shaped(self, name: str, array: Array) -> Array:
        return array.reshape(self._scalars[name]) if name in self._scalars else array


def open_session(config: dict[str, Any], version: Path, kind: str, device_id: int) -> ort.InferenceSession:
    """The session of a model.

    Raises:
        ModelLoadException: there is no such device, or the file is not a model that can run there.
    """
    path = find_model(version, str(config.get("default_model_filename", "")))
    wanted = onnx_config.providers(config, kind, device_id)
    options = onnx_config.session_options(config)
    try:
        session = ort.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:
        # ONNX Runtime's exceptions share no base class of their own.
        raise ModelLoadException(f"ONNX Runtime cannot load {path}: {_one_line(error)}") from error
    if wanted[0][0] not in session.get_providers():
        raise ModelLoadException(
            f"ONNX Runtime fell back to {session.get_providers()[0]} for {path}: {wanted[0][0]} did not "
            "start; check that its CUDA and cuDNN libraries are installed"
        )
    return session


def to_value(array: Array, data_type: str) -> ort.OrtValue:
    """`array` as ONNX Runtime's own tensor; bit patterns of bfloat16 become bfloat16."""
    if data_type == BFLOAT16:
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array, _ONNX_BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(array)


def from_value(value: ort.OrtValue) -> Array:
    """The reverse of `to_value`."""
    if value.element_type() != _ONNX_BFLOAT16:
        array: Array = value.numpy()
        return array
    shape = value.shape()
    count = int(np.prod(shape))
    if not count:
        return np.empty(shape, np.uint16)
    return (
        np.ctypeslib.as_array((ctypes.c_uint16 * count).from_address(value.data_ptr())).reshape(shape).copy()
    )


def _check_array(array: Array, spec: TensorSpec) -> None:
    expected = np.dtype(NUMPY_TYPES[spec.data_type])
    if array.dtype != expected:
        raise InvalidInputException(f"input {spec.name!r} has dtype {array.dtype}, expected {expected}")
    fits = len(array.shape) == len(spec.dims) and all(
        d in (-1, n) for n, d in zip(array.shape, spec.dims, strict=True)
    )
    if not fits and not (array.size == 1 and not spec.dims):
        raise InvalidInputException(
            f"input {spec.name!r} has shape {list(array.shape)}, expected {list(spec.dims)} (-1: any)"
        )


def _to_runtime(array: Array, spec: TensorSpec) -> Array:
    shaped = array if spec.dims else array.reshape(())
    return _decoded(shaped, spec.name) if spec.data_type == STRING else shaped


def _decoded(array: Array, name: str) -> Array:
    """Bytes -> str, the only thing that the Python binding takes."""
    try:
        texts = [item.decode() if isinstance(item, bytes) else item for item in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidInputException(
            f"input {name!r} holds a string that is not UTF-8: {error.reason}"
        ) from None
    decoded = np.empty(len(texts), np.object_)
    decoded[:] = texts
    return decoded.reshape(array.shape)


def _joined(arrays: list[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _divided(name: str, array: Array, sizes: list[int]) -> list[Array]:
    if array.ndim == 0 or len(array) != sum(sizes):
        raise GenerationException(
            f"output {name!r} has shape {list(array.shape)} for a batch of {sum(sizes)}: the graph does not "
            "keep the batch dimension; set max_batch_size to 0"
        )
    return np.split(array, np.cumsum(sizes)[:-1])


def _as_lumen(error: Exception) -> LumenException:
    return (
        error
        if isinstance(error, LumenException)
        else GenerationException(f"ONNX Runtime: {_one_line(error)}")
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
