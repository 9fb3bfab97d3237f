"""Many sentences at once, some left, some invalid: no slot lost, nothing mixed up, memory flat."""

import sys

import pytest

from bench.xtts_soak import SoakPlan, SoakResult, soak
from lumen.triton.server import TritonServer

WIDTH = 64
GROWTH_MIB = 8.0
"""Memory that the allocator may keep of a crowd."""


async def soaked(server: TritonServer, plan: SoakPlan) -> SoakResult:
    result = await soak(server.grpc_url, server.metrics_url, server.prefix, WIDTH, plan)
    sys.stdout.write(f"{result}\n")
    assert result.failures == []
    assert (result.slots_in_use, result.queued) == (0, 0)
    assert result.clean
    assert result.outcomes.total() == plan.requests
    assert set(result.outcomes) == {"spoken", "cancelled", "refused"}
    assert sum(rows * count for rows, count in result.steps.items()) > 1.2 * sum(result.steps.values())
    return result


@pytest.mark.heavy
async def test_a_crowd_loses_nothing(xtts_server: TritonServer) -> None:
    """150 sentences: the same codes as alone, every refusal a refusal, all slots free at the end."""
    await soaked(xtts_server, SoakPlan(requests=150, clients=12, sentences=10))


@pytest.mark.heavy
async def test_a_thousand_sentences_leave_the_memory_flat(xtts_server: TritonServer) -> None:
    """1,000 sentences: as above, and the second half takes no more memory than the first did."""
    result = await soaked(xtts_server, SoakPlan(requests=1000, clients=12))
    _, half, end = result.resident_mib
    assert end - half <= GROWTH_MIB
