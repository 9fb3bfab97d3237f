"""What Triton has counted of a model: it counts after it answers, so a test has to wait for the numbers."""

import time
from typing import Any

import tritonclient.grpc as grpc

SECONDS = 20.0
QUIET_SECONDS = 0.5


def counted(client: grpc.InferenceServerClient, model: str, answered: int = 0) -> Any:
    """The statistics, once at least ``answered`` inferences are in them and they change no more."""
    deadline = time.monotonic() + SECONDS
    before = None
    while (now := _statistics(client, model)) != before or now.inference_count < answered:
        assert time.monotonic() < deadline, f"{now.inference_count} of {answered} inferences were counted"
        before = now
        time.sleep(QUIET_SECONDS)
    return now


def _statistics(client: grpc.InferenceServerClient, model: str) -> Any:
    return client.get_inference_statistics(model).model_stats[0]
