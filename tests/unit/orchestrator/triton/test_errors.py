"""Triton's errors as the errors that users get."""

from unittest.mock import AsyncMock

import pytest
import tritonclient.grpc.aio as grpc
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # has no stubs

from lumen.errors import GenerationException, ServiceUnavailableException
from lumen.triton.calls import refusal_of
from orchestrator.triton.client import TritonClient
from orchestrator.triton.errors import translate

DEAD = "Stub process 'xtts_gpt_0_0' is not healthy."


@pytest.mark.parametrize(
    "said",
    [
        "Server is stopping, scheduler for model has stopped accepting new inference requests",
        "Request for unknown model: 'xtts' is not found",
        "Model version not ready",
        "Server not ready",
        "Request for unknown model: 'xtts' has no available versions",
        "Failed to process the request(s): 'xtts' has no available versions",
    ],
)
def test_a_triton_that_goes_is_no_bug(said: str) -> None:
    """503, also where a stream has dropped the code, and where one model says it of another."""
    assert type(translate("xtts", InferenceServerException(said))) is ServiceUnavailableException
    assert type(refusal_of("xtts_gpt", said, "")) is ServiceUnavailableException


def test_any_other_failure_stays_one() -> None:
    """A failure that nobody foresaw is not taken for an absence."""
    assert type(translate("xtts", InferenceServerException("onnxruntime: out of memory"))) is (
        GenerationException
    )


@pytest.mark.parametrize(
    "said",
    [
        DEAD,
        f"GenerationException: xtts_gpt: {DEAD}",
        f"ServiceUnavailableException: {refusal_of('xtts_gpt', DEAD, '').message}",
        f"Failed to process the request(s) for model instance 'xtts_gpt_0_0', message: {DEAD}",
    ],
)
async def test_a_dead_process_is_known_however_it_is_told(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the model itself or through another: it counts as not loaded, and is loaded anew."""
    monkeypatch.setattr(
        grpc.InferenceServerClient, "infer", AsyncMock(side_effect=InferenceServerException(said))
    )
    client = TritonClient("127.0.0.1:1", 1.0)
    with pytest.raises(ServiceUnavailableException, match="'xtts_gpt' has stopped"):
        await client.infer("xtts", {})
    await client.close()
