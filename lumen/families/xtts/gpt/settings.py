"""Settings of an operator in ``xtts_gpt``'s configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from lumen.errors import ModelLoadException


@dataclass(frozen=True)
class GptSettings:
    """The ``parameters`` of ``config.pbtxt``; all of them have to be there.

    Attributes:
        slots: sentences that are spoken at once.
        queue: sentences that may wait for a slot; more are refused.
        first_chunk: codes of the first response.
        largest_chunk: codes of the later responses at most.
        intra_op_thread_count: threads of one step; 0 takes a thread per core.
        cpu_lock: 1 where steps wait for other models that share the cores one after the other, 0 where not.
    """

    slots: int
    queue: int
    first_chunk: int
    largest_chunk: int
    intra_op_thread_count: int
    cpu_lock: int


def settings_of(parameters: Mapping[str, Mapping[str, str]]) -> GptSettings:
    """The settings in the ``parameters`` of a model configuration, as Triton gives it as JSON.

    Parameters in capitals are Triton's own, as ``EXECUTION_ENV_PATH``, and are left alone.

    Raises:
        ModelLoadException: one is missing, unknown or out of range.
    """
    values = {key: value["string_value"] for key, value in parameters.items() if not key.isupper()}
    names = {field.name for field in fields(GptSettings)}
    if set(values) != names:
        raise ModelLoadException(
            f"Got the parameters {', '.join(sorted(values)) or 'none'} in config.pbtxt, "
            f"expected {', '.join(sorted(names))}."
        )
    return GptSettings(**{name: _count(name, values[name]) for name in names})


def _count(name: str, text: str) -> int:
    least = 0 if name in ("queue", "intra_op_thread_count", "cpu_lock") else 1
    if not text.isdecimal() or int(text) < least:
        raise ModelLoadException(f"Got {name} {text!r} in config.pbtxt, expected a number from {least}.")
    return int(text)
