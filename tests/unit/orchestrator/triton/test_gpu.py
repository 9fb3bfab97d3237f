"""The GPUs that Triton's metrics tell of."""

import pytest

from orchestrator.triton.gpu import parse_gpus, read_gpus


@pytest.mark.parametrize("url", ["http://a b:1/metrics", "http://127.0.0.1:1/metrics", "http://[::/metrics"])
def test_metrics_that_are_not_there(url: str) -> None:
    """A Triton address that is none costs the GPUs, not the health check."""
    assert read_gpus(url) == []


def test_gpu_facts_are_read_from_metrics() -> None:
    """Facts about GPUs are read from Triton's metrics; metrics without them give none."""
    metrics = (
        "# HELP nv_gpu_utilization GPU utilization rate [0.0 - 1.0)\n"
        'nv_gpu_utilization{gpu_uuid="GPU-1"} 0.25\n'
        'nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 85520809984.000000\n'
        'nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 1.5e+09\n'
        'nv_gpu_power_usage{gpu_uuid="GPU-1"} 70.1\n'
        'nv_inference_count{model="warp",version="1"} 3\n'
    )
    (gpu,) = parse_gpus(metrics)
    assert (gpu.uuid, gpu.utilization, gpu.power_watts) == ("GPU-1", 0.25, 70.1)
    assert (gpu.memory_total_bytes, gpu.memory_used_bytes) == (85_520_809_984, 1_500_000_000)
    assert parse_gpus("") == []
