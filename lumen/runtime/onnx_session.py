"""A model served by ONNX Runtime."""

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

from lumen.errors import InvalidInputException, LumenException, ModelLoadException
from lumen.runtime import onnx_config, onnx_schema
from lumen.runtime.batches import Array, Batches, Request, Tensors, one_line
from lumen.runtime.model_config import batches, check_covered
from lumen.runtime.onnx_file import find_model
from lumen.runtime.onnx_types import graph_of
from lumen.runtime.tensor_types import BFLOAT16, STRING, TensorSpec, configured

_ONNX_BFLOAT16: Final = 16


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
        check_covered(config, "ONNX Runtime")
        self._session = open_session(config, version, kind, device_id)
        graph = graph_of(self._session)
        onnx_schema.check(config, graph)
        self._run_options = onnx_config.run_options(config)
        self._inputs = {spec.name: spec for spec in graph.inputs}
        self._outputs = {spec.name: spec for spec in graph.outputs}
        self._scalars = {
            s.name: s.dims for s in configured(config, "output") if not self._outputs[s.name].dims
        }
        types = {spec.data_type for spec in (*graph.inputs, *graph.outputs)}
        self._has_bfloat16 = BFLOAT16 in types
        if types >= {BFLOAT16, STRING}:
            raise ModelLoadException(
                "the graph has bfloat16 and string tensors: only one of the two is possible"
            )
        required = {s.name for s in configured(config, "input") if not s.optional}
        self._batches = Batches("ONNX Runtime", graph.inputs, required, batches(config), self._run)

    def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
        """See ``Batches.execute``."""
        return self._batches.execute(requests)

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
        raise ModelLoadException(f"ONNX Runtime cannot load {path}: {one_line(error)}") from error
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
