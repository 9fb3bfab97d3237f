"""Triton's counts of a model: they grow after it answers, so a test has to wait for them."""

from typing import Any

import tritonclient.grpc as grpc

from tests.support.triton_streams import ANSWER_SECONDS
from tests.support.waiting import wait_until, wait_until_still


def counted(client: grpc.InferenceServerClient, model: str, answered: int = 0) -> Any:
    """The statistics, as soon as at least ``answered`` inferences are in them."""
    wait_until(lambda: statistics(client, model).inference_count >= answered)
    return statistics(client, model)


def settled(client: grpc.InferenceServerClient, model: str) -> int:
    """Count a model's inferences, once none has been added for a second."""
    return wait_until_still(lambda: int(statistics(client, model).inference_count), ANSWER_SECONDS)


def statistics(client: grpc.InferenceServerClient, model: str) -> Any:
    return client.get_inference_statistics(model).model_stats[0]
