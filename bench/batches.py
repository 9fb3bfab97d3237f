"""Executed batches of a served model, from Triton's statistics."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from lumen.errors import GenerationException
from orchestrator.triton.client import TritonClient

Batches: TypeAlias = dict[int, int]
"""Number of executions by batch size."""


async def executed_batches(client: TritonClient, model: str) -> Batches:
    """Executions of a model since it was loaded, by batch size.

    Raises:
        GenerationException: Triton has not loaded the model.
    """
    for statistics in await client.statistics():
        if statistics.name == model:
            return batches_of(statistics)
    raise GenerationException(f"Triton has not loaded {model}; make one clip first.")


def batches_of(statistics: Any) -> Batches:
    """Executions by batch size in Triton's ``ModelStatistics``."""
    return {int(batch.batch_size): int(batch.compute_infer.count) for batch in statistics.batch_stats}


def batches_since(before: Mapping[int, int], after: Mapping[int, int]) -> Batches:
    """Executions between two readings, by batch size, without the sizes that did not occur."""
    counts = {size: count - before.get(size, 0) for size, count in sorted(after.items())}
    return {size: count for size, count in counts.items() if count}


def batches_text(batches: Mapping[int, int]) -> str:
    """Executions as ``size: count``, for a table."""
    return "  ".join(f"{size}: {count}" for size, count in batches.items()) or "-"
