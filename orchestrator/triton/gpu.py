"""Facts about Triton's GPUs, read from its metrics."""

import re
from collections import defaultdict
from http.client import HTTPException
from typing import Final
from urllib.request import ProxyHandler, build_opener

from orchestrator.schemas.health import GpuHealth

TIMEOUT: Final = 2.0
"""Seconds that the metrics may take."""

FIELDS: Final = {
    "nv_gpu_utilization": "utilization",
    "nv_gpu_memory_used_bytes": "memory_used_bytes",
    "nv_gpu_memory_total_bytes": "memory_total_bytes",
    "nv_gpu_power_usage": "power_watts",
}

_OPENER: Final = build_opener(ProxyHandler({}))
"""Asks without a proxy, like all that talks to Triton."""

_METRIC: Final = re.compile(r'^(nv_gpu_\w+)\{gpu_uuid="([^"]+)"\} (\S+)$', re.MULTILINE)


def read_gpus(url: str) -> list[GpuHealth]:
    """The GPUs in the metrics at ``url``; none when there are no metrics. Blocks up to ``TIMEOUT``."""
    try:
        with _OPENER.open(url, timeout=TIMEOUT) as response:
            return parse_gpus(response.read().decode())
    except (OSError, HTTPException, ValueError):
        return []


def parse_gpus(metrics: str) -> list[GpuHealth]:
    """The GPUs in a text in Prometheus's format."""
    gpus: dict[str, dict[str, float]] = defaultdict(dict)
    for name, uuid, value in _METRIC.findall(metrics):
        if name in FIELDS:
            gpus[uuid][FIELDS[name]] = float(value)
    return [GpuHealth.model_validate({"uuid": uuid, **values}) for uuid, values in sorted(gpus.items())]
