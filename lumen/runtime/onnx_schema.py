"""A model's configuration against its graph: completed where it is silent, refused where it differs.

The rules are those of Triton's native ONNX Runtime backend, so that a model that loads here loads
there.
"""

from dataclasses import dataclass
from typing import Any, Final

from lumen.errors import ModelLoadException
from lumen.runtime.onnx_types import Graph
from lumen.runtime.tensor_types import TensorSpec, configured

DEFAULT_MAX_BATCH: Final = 4
"""The native backend's default where a graph can be batched and the configuration does not say how far."""


@dataclass(frozen=True)
class Completion:
    """Additions of the graph to a configuration without inputs or without outputs."""

    max_batch_size: int
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]


def complete(config: dict[str, Any], graph: Graph) -> Completion | None:
    """The missing parts of `config`, or None when it names both inputs and outputs.

    Raises:
        ModelLoadException: batching is asked for and the graph cannot.
    """
    if config.get("input") and config.get("output"):
        return None
    size = _max_batch_size(int(config.get("max_batch_size", 0)), graph)
    required = [spec for spec in graph.inputs if not spec.optional]
    return Completion(
        size,
        [] if config.get("input") else [_described(spec, size) for spec in required],
        [] if config.get("output") else [_described(spec, size) for spec in graph.outputs],
    )


def check(config: dict[str, Any], graph: Graph) -> None:
    """Compare a configuration with a graph.

    Raises:
        ModelLoadException: `config` does not describe `graph`.
    """
    batched = int(config.get("max_batch_size", 0)) > 0
    inputs = configured(config, "input")
    _check_none_missing(inputs, graph)
    for spec in inputs:
        if spec.optional and batched:
            raise ModelLoadException(
                f"optional input {spec.name!r} is not supported for a model with max_batch_size > 0"
            )
        _check_tensor(spec, _named(spec, graph.inputs, "input"), batched, exact=False)
    for spec in configured(config, "output"):
        _check_tensor(spec, _named(spec, graph.outputs, "output"), batched, exact=True)


def _max_batch_size(wanted: int, graph: Graph) -> int:
    required = [spec for spec in graph.inputs if not spec.optional]
    can_batch = all(spec.dims[:1] == (-1,) for spec in (*required, *graph.outputs))
    if can_batch:
        return wanted or DEFAULT_MAX_BATCH
    if wanted:
        raise ModelLoadException(
            f"max_batch_size is {wanted}, but the graph has a tensor without a variable first dimension"
        )
    return 0


def _described(spec: TensorSpec, max_batch_size: int) -> dict[str, Any]:
    dims = list(spec.dims[1:] if max_batch_size else spec.dims)
    described: dict[str, Any] = {"name": spec.name, "data_type": spec.data_type, "dims": dims or [1]}
    if not dims and max_batch_size:
        described["reshape"] = {"shape": []}
    return described


def _check_none_missing(inputs: list[TensorSpec], graph: Graph) -> None:
    known = {spec.name for spec in inputs}
    missing = [spec.name for spec in graph.inputs if not spec.optional and spec.name not in known]
    if missing:
        raise ModelLoadException(f"the graph needs inputs that the configuration lacks: {', '.join(missing)}")


def _named(spec: TensorSpec, tensors: tuple[TensorSpec, ...], kind: str) -> TensorSpec:
    for tensor in tensors:
        if tensor.name == spec.name:
            return tensor
    raise ModelLoadException(
        f"the configuration has {kind} {spec.name!r}; the graph's are: {', '.join(t.name for t in tensors)}"
    )


def _check_tensor(spec: TensorSpec, tensor: TensorSpec, batched: bool, exact: bool) -> None:
    if spec.data_type != tensor.data_type:
        raise ModelLoadException(
            f"tensor {spec.name!r} is {spec.data_type} in the configuration and "
            f"{tensor.data_type or 'of a type unknown to Triton'} in the graph"
        )
    if spec.optional and not tensor.optional:
        raise ModelLoadException(f"input {spec.name!r} is optional, but the graph has no value for it")
    dims = ((-1,) if batched else ()) + spec.dims
    if not _compatible(dims, tensor.dims, batched, exact):
        raise ModelLoadException(
            f"tensor {spec.name!r} has shape {list(dims)} in the configuration"
            f"{' (batch first)' if batched else ''} and {list(tensor.dims)} in the graph"
        )


def _compatible(dims: tuple[int, ...], graph: tuple[int, ...], batched: bool, exact: bool) -> bool:
    if not graph and not batched:
        return all(d == 1 for d in dims)
    if len(dims) != len(graph) or (batched and graph[0] != -1):
        return False
    return all(d == g or (g == -1 and not exact) for d, g in zip(dims, graph, strict=True))
