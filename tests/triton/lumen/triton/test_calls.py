"""Requests from one model of Triton to another that answers each with one response."""

import numpy as np

from orchestrator.triton.client import TritonClient
from tests.support.paths import ROOT
from tests.support.triton_server import TritonFactory

SECONDS = 30.0
CALLS = 3000
"""Without what `SingleResponseCaller` does, the process that asks dies or stands still after some 1,000."""


async def test_each_of_a_crowd_has_its_own_answer(triton: TritonFactory) -> None:
    """Sixteen ask at once, thousands of times; some answers are empty, some are refusals."""
    client = TritonClient(triton(ROOT / "tests/support/caller_models", ["asked", "crowd"]).grpc_url, SECONDS)
    answer = await client.infer("crowd", {"n": np.array([CALLS])})
    assert answer["squares"].tolist() == [CALLS]
    await client.close()
