"""Common adapter of the project's backends: requests in, batches through a model, responses out.

Importable without Triton, whose module comes as an argument.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from lumen.errors import InvalidInputException, LumenException
from lumen.runtime.batches import Array, Request, Tensors
from lumen.runtime.bfloat16 import bits_of, capsule_of
from lumen.runtime.cpu_lock import cpu_lock_of_server
from lumen.runtime.model_config import parameters
from lumen.runtime.tensor_types import BFLOAT16, configured


class Model(Protocol):
    """A loaded network."""

    def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
        """See ``Batches.execute``."""


class BackendAdapter:
    """Serves one instance of a model.

    Args:
        pb_utils: Triton's ``triton_python_backend_utils``.
        config: the model's configuration in Triton's JSON.
        model: what answers.
        kind: of the instance, "CPU" or "GPU".
    """

    def __init__(self, pb_utils: Any, config: dict[str, Any], model: Model, kind: str) -> None:
        self._pb_utils = pb_utils
        self._model = model
        tensors = [*configured(config, "input"), *configured(config, "output")]
        self._bfloat16 = {spec.name for spec in tensors if spec.data_type == BFLOAT16}
        self._cores = cpu_lock_of_server(parameters(config).get("CPU_LOCK") == "true", kind)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer Triton's requests in order, with a Triton response each."""
        parsed = [*map(self._parsed, requests)]
        with self._cores.hold():
            answers = self._model.execute(parsed)
        return [*map(self._response, answers)]

    def _parsed(self, request: Any) -> Request | LumenException:
        try:
            inputs = {tensor.name(): self._array(tensor) for tensor in request.inputs()}
        except (ValueError, TypeError, self._pb_utils.TritonModelException) as error:
            return InvalidInputException(f"an input cannot be read: {error}; check its dtype and bytes")
        return Request(inputs, tuple(request.requested_output_names()))

    def _array(self, tensor: Any) -> Any:
        return bits_of(tensor) if tensor.name() in self._bfloat16 else tensor.as_numpy()

    def _response(self, answer: Tensors | LumenException) -> Any:
        if isinstance(answer, LumenException):
            code = getattr(self._pb_utils.TritonError, answer.triton_code)
            error = self._pb_utils.TritonError(answer.message, code)
            return self._pb_utils.InferenceResponse([], error=error)
        return self._pb_utils.InferenceResponse([self._tensor(name, array) for name, array in answer.items()])

    def _tensor(self, name: str, array: Array) -> Any:
        if name in self._bfloat16:
            return self._pb_utils.Tensor.from_dlpack(name, capsule_of(array))
        return self._pb_utils.Tensor(name, array)
