"""A Triton client that compares all that passes with the ``config.pbtxt`` files."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import numpy.typing as npt
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import np_to_triton_dtype

from lumen import contracts
from orchestrator.triton.client import Tensors, TritonClient
from tests.support.paths import ROOT

REPOSITORY = ROOT / "model_repository"


MODELS = (
    contracts.ESPEAK,
    contracts.HIBARI,
    contracts.FACE_LANDMARKS,
    contracts.WARP_PORTRAIT,
    contracts.MOUTH,
    contracts.MOUTH,
    contracts.WARP_RENDERER,
    contracts.WARP,
)


def config_of(model: str) -> Any:
    text = (REPOSITORY / model / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def check(model: str, specs: Iterable[Any], tensors: Tensors) -> None:
    """Compare names, types and shapes of ``tensors`` with the ``specs`` of a configuration."""
    known = {spec.name: spec for spec in specs}
    optional = {name for name, spec in known.items() if getattr(spec, "optional", False)}
    assert known.keys() - optional <= tensors.keys() <= known.keys()
    for name, array in tensors.items():
        found = np_to_triton_dtype(array.dtype).replace("BYTES", "STRING")
        assert f"TYPE_{found}" == model_config_pb2.DataType.Name(known[name].data_type), f"{model}.{name}"
        assert fits(array.shape, known[name].dims), f"{model}.{name}: {array.shape} is not {known[name].dims}"


def fits(shape: Sequence[int], dims: Sequence[int]) -> bool:
    return len(shape) == len(dims) and all(d in (-1, n) for n, d in zip(shape, dims, strict=True))


class CheckedClient(TritonClient):
    """Compares everything that passes with the configurations, and notes which models were asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=60.0)
        self.asked: set[str] = set()

    async def infer(
        self, model: str, inputs: Tensors, timeout: float | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        self._check_inputs(model, inputs)
        answer = await super().infer(model, inputs, timeout)
        check(model, config_of(model).output, answer)
        return answer

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
        span_name: str = "stream",
    ) -> AsyncGenerator[dict[str, npt.NDArray[Any]], None]:
        self._check_inputs(model, inputs)
        async for answer in super().stream(model, inputs, first_timeout, next_timeout, probe, span_name):
            check(model, config_of(model).output, answer)
            yield answer

    def _check_inputs(self, model: str, inputs: Tensors) -> None:
        assert config_of(model).max_batch_size == 0, "what is sent has no batch dimension"
        self.asked.add(model)
        check(model, config_of(model).input, inputs)
