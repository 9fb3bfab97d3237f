"""The exported networks as the clip engine sees them, over whatever calls models."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Tensors: TypeAlias = Mapping[str, Array]

Call: TypeAlias = Callable[[str, Sequence[str], Tensors], Awaitable[list[Array]]]
"""``await call(model, outputs, tensors)``: one request; its outputs in the order asked for.

Tensors have the batch in front. The arrays belong to the caller. Raises a ``LumenException`` of the model's.
"""


class Calls:
    """Requests of any number of rows, in calls that the models take.

    Args:
        call: reaches the models.
        rows: of one call, at most; the models' ``max_batch_size`` or less.
    """

    def __init__(self, call: Call, rows: int) -> None:
        self._call = call
        self._rows = rows

    async def one(self, model: str, outputs: Sequence[str], tensors: Tensors) -> list[Array]:
        """Call a model with one row; inputs and outputs have no batch in front."""
        answers = await self._call(model, outputs, {name: value[None] for name, value in tensors.items()})
        return [answer[0] for answer in answers]

    async def rows(self, model: str, output: str, tensors: Tensors) -> Array:
        """Call a model for one output [n, ...] of tensors [n, ...], n >= 1.

        A failure is raised once all calls have ended.
        """
        n = len(next(iter(tensors.values())))
        parts = [
            self._call(model, [output], {name: value[i : i + self._rows] for name, value in tensors.items()})
            for i in range(0, n, self._rows)
        ]
        answers = await asyncio.gather(*parts, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return np.concatenate([answer[0] for answer in answers if not isinstance(answer, BaseException)])
