"""Weights in files: read without running their code, compared with a network, written aside first."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lumen.errors import ModelLoadException

State = Mapping[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


def filled(make: Callable[[], Network], state: State, path: Path) -> Network:
    """Network of ``make`` with ``state`` as its weights, for evaluation; the file's ``path`` is for messages.

    Raises:
        ModelLoadException: a name, shape or type differs, or a value is not finite.
    """
    with torch.device("meta"):
        network = make()
    _compare(network.state_dict(), state, path)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def read_entry(path: Path, entry: str, what: str) -> tuple[dict[str, Any], State]:
    """A pickle of torch that holds dictionaries of tensors: all of it, and the one named ``entry``.

    what: the entry, for messages, such as "a mapping".

    Raises:
        ModelLoadException: the file cannot be read, or has no such entry.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle may raise anything
        raise broken(path, error) from error
    state = content.get(entry) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ModelLoadException(
            f"{path} has no entry `{entry}` with tensors; expected {what}, download it again."
        )
    return content, state


def write_aside(path: Path, save: Callable[[Path], None]) -> None:
    """Write under a temporary name first: readers see the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def broken(path: Path, error: Exception) -> ModelLoadException:
    """Exception for a file that cannot be read."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return ModelLoadException(f"{path} cannot be read ({reason}); download it again.")


def some(names: Iterable[str]) -> str:
    """The first name, and how many more there are."""
    first, *rest = names
    return f"{first} and {len(rest)} more" if rest else first


def _compare(expected: State, state: State, path: Path) -> None:
    """Raise ModelLoadException unless names, shapes and types agree and all values are finite."""
    missing = [name for name in expected if name not in state]
    if missing:
        raise ModelLoadException(f"{path} lacks {some(missing)}; download it again.")
    unknown = [name for name in state if name not in expected]
    if unknown:
        raise ModelLoadException(f"{path} has unknown tensors, {some(unknown)}; download it again.")
    for name, tensor in state.items():
        want = expected[name]
        if (tensor.shape, tensor.dtype) != (want.shape, want.dtype):
            raise ModelLoadException(
                f"{path}: {name} is {tensor.dtype} {list(tensor.shape)}, expected {want.dtype} "
                f"{list(want.shape)}; use files of one release."
            )
        if not torch.isfinite(tensor).all():
            raise ModelLoadException(f"{path}: {name} has values that are not finite; download it again.")
