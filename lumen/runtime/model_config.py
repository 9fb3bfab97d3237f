"""Triton's model configuration, as far as backends read it beside its tensors."""

from collections.abc import Sequence
from typing import Any, Final

from lumen.errors import ModelLoadException

_NOT_COVERED: Final = ("batch_input", "batch_output", "sequence_batching")


def parameters(config: dict[str, Any]) -> dict[str, str]:
    return {key: str(value["string_value"]) for key, value in config.get("parameters", {}).items()}


def batches(config: dict[str, Any]) -> bool:
    """Whether the first dimension of every tensor is that of the batch."""
    return int(config.get("max_batch_size", 0)) > 0


def check_covered(config: dict[str, Any], runtime: str, others: Sequence[str] = ()) -> None:
    """Refuse what the project's backends do not do.

    Args:
        runtime: whose backend it is.
        others: what the configuration wants, and this backend in particular does not do.

    Raises:
        ModelLoadException: the configuration wants any of it.
    """
    wanted = [key for key in _NOT_COVERED if config.get(key)]
    if any(tensor.get("allow_ragged_batch") for tensor in config.get("input", [])):
        wanted.append("allow_ragged_batch")
    if wanted := [*wanted, *others]:
        raise ModelLoadException(
            f"this {runtime} backend does not do {', '.join(wanted)}: leave it out, or use the native backend"
        )
