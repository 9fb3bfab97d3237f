"""A real Prometheus that asks pages of metrics every second."""

import json
import math
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from lumen.triton.ports import own_port
from tests.support.programs import program
from tests.support.waiting import wait_until

Series = list[tuple[dict[str, str], float]]


class Prometheus:
    """Client of a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def ready(self) -> bool:
        try:
            return self._client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def ask(self, query: str) -> Series:
        """Labels and value of each series of a query's answer that has one: not those of no number."""
        answer: Any = self._client.get("/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", answer
        found = [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]
        return [(labels, value) for labels, value in found if not math.isnan(value)]


@contextmanager
def prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """Run it for the pages at ``targets``, each host:port; skips the test where it is not installed."""
    address = f"127.0.0.1:{own_port()}"
    asked = {"job_name": "lumen", "static_configs": [{"targets": list(targets)}]}
    config = folder / "prometheus.yaml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [asked]}))
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command = [program("prometheus"), *options, f"--web.listen-address={address}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    client = Prometheus(f"http://{address}")
    try:
        wait_until(client.ready)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)
