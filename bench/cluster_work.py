"""Work per clip with more and more replicas: calls to the models, bytes, processor time, retries.

    python -m bench.cluster_work --tritons 1 2 4 --apis 1 2 --clips 8

Starts the cluster of `bench.cluster` once for each number of replicas and has the same clips made through its
balancer, twice: the second time is told, when each API knows the portrait. Replicas on the same cores are no
faster; this shows that a clip costs no more with many of them. Ends in one line of JSON; the status is 1
where a clip failed, or asks for more or moves more bytes than with the fewest replicas.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.table import Table

from bench.cluster import Cluster, running_cluster
from bench.cluster_trials import SETTINGS, Client
from bench.load import Outcome, Sample, closed_loop
from bench.processes import cpu_seconds
from bench.runner import Report, run_benchmark, table_of
from lumen.contracts import WARP_RENDERER
from lumen.errors import GenerationException

SETTLE_SECONDS: Final = 3.0
"""Rest before and after the clips: Triton's metrics page is up to two seconds late."""

REST_SECONDS: Final = 10.0
"""Time over which the processor time of a cluster at rest is counted."""

SLACK: Final = 1.02
"""Part of the least work up to which more counts as the same: health checks, and their answers."""

INFERENCES: Final = "nv_inference_count_total"
EXECUTIONS: Final = "nv_inference_exec_count_total"
"""Triton's counters; the parser gives every counter the ending that OpenMetrics wants."""

RETRIES: Final = "lumen_triton_retries_total"

SENT: Final = "upstream_cx_tx_bytes_total"
RECEIVED: Final = "upstream_cx_rx_bytes_total"

KINDS: Final = ("triton", "api", "envoy", "redis", "s3")
"""Processes whose processor time is told apart, by the beginning of their names."""


@dataclass(frozen=True)
class Counts:
    """Counts of the whole cluster since it was started.

    Attributes:
        inferences, executions: of each model, in all Tritons together.
        sent, received: bytes from the APIs to the Tritons and back, as Envoy passes them on.
        retries: of the APIs.
        seconds: of processor time by kind of process.
    """

    inferences: Counter[str]
    executions: Counter[str]
    sent: int
    received: int
    retries: int
    seconds: dict[str, float]

    def since(self, before: "Counts", clips: int) -> dict[str, Any]:
        """Work of each clip since an earlier count."""
        return {
            "inferences": _per_clip(before.inferences, self.inferences, clips),
            "executions": _per_clip(before.executions, self.executions, clips),
            "sent_bytes": round((self.sent - before.sent) / clips),
            "received_bytes": round((self.received - before.received) / clips),
            "cpu_s": _per_clip(before.seconds, self.seconds, clips),
            "retries": self.retries - before.retries,
        }


def _per_clip(before: Mapping[str, float], after: Mapping[str, float], clips: int) -> dict[str, float]:
    parts = {name: round((count - before.get(name, 0)) / clips, 3) for name, count in after.items()}
    return {name: part for name, part in sorted(parts.items()) if part}


async def _counts(cluster: Cluster, http: httpx.AsyncClient) -> Counts:
    """Count, when the pages of metrics have caught up."""
    await asyncio.sleep(SETTLE_SECONDS)
    inferences, executions, retries = Counter[str](), Counter[str](), 0
    for address in cluster.metrics.values():
        page = (await http.get(f"http://{address}/metrics")).raise_for_status().text
        for name, model, value in _samples(page):
            if name == INFERENCES:
                inferences[model] += round(value)
            elif name == EXECUTIONS:
                executions[model] += round(value)
            elif name == RETRIES:
                retries += round(value)
    passed = (await http.get(f"{cluster.envoy_url}/stats?filter=^cluster.triton.")).raise_for_status().text
    stats = dict(line.rsplit(": ", 1) for line in passed.splitlines())
    sent, received = (int(stats[f"cluster.triton.{name}"]) for name in (SENT, RECEIVED))
    return Counts(inferences, executions, sent, received, retries, _cpu(cluster))


def _samples(page: str) -> Iterator[tuple[str, str, float]]:
    """Name, model and value of each sample on a page of metrics."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield sample.name, sample.labels.get("model", ""), sample.value


def _cpu(cluster: Cluster) -> dict[str, float]:
    """Processor time by kind of process."""
    seconds = dict.fromkeys(KINDS, 0.0)
    for name, process in cluster.processes.items():
        seconds[next(kind for kind in KINDS if name.startswith(kind))] += cpu_seconds(process.pid)
    return seconds


async def _work(cluster: Cluster, options: argparse.Namespace) -> dict[str, Any]:
    """Work of a clip in a cluster that serves."""
    client = Client(cluster)
    async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
        try:
            await _make(client, options)
            rest = await _at_rest(cluster)
            before = await _counts(cluster, http)
            start = time.monotonic()
            outcome = await _make(client, options)
            seconds = time.monotonic() - start
            work = (await _counts(cluster, http)).since(before, options.clips)
        finally:
            await client.close()
    idle = rest * (seconds + SETTLE_SECONDS) / options.clips
    return {
        **work,
        "failures": list(outcome.errors),
        "seconds": round(seconds, 1),
        "rest_cores": round(rest, 3),
        "cpu_without_rest_s": round(sum(work["cpu_s"].values()) - idle, 3),
    }


async def _at_rest(cluster: Cluster) -> float:
    """Cores that the cluster keeps busy with nothing to do."""
    before = sum(_cpu(cluster).values())
    await asyncio.sleep(REST_SECONDS)
    return (sum(_cpu(cluster).values()) - before) / REST_SECONDS


async def _make(client: Client, options: argparse.Namespace) -> Outcome:
    """Have the clips made, some at once, each with a seed of its own."""
    seeds = iter(range(options.clips))

    async def clip() -> Sample:
        start = time.monotonic()
        if said := await client.clip(next(seeds)):
            raise GenerationException(said)
        return Sample(time.monotonic() - start)

    return await closed_loop(clip, options.clients, options.clips)


def measure(options: argparse.Namespace) -> Report:
    """Measure each number of replicas."""
    rows = []
    for tritons, apis in product(options.tritons, options.apis):
        with (
            tempfile.TemporaryDirectory(prefix="lumen-work-") as folder,
            running_cluster(Path(folder), SETTINGS, tritons, apis) as cluster,
        ):
            rows.append({"tritons": tritons, "apis": apis, **asyncio.run(_work(cluster, options))})
    passed = all(not row["failures"] and no_more(rows[0], row) for row in rows)
    return Report({"clips": options.clips, "clients": options.clients, "work": rows}, [_table(rows)], passed)


def no_more(least: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether a clip asks the models for no more, and moves no more bytes."""
    asked = all(
        row["inferences"][model] <= SLACK * least["inferences"].get(model, 0) for model in row["inferences"]
    )
    return asked and all(row[name] <= SLACK * least[name] for name in ("sent_bytes", "received_bytes"))


def _table(rows: list[dict[str, Any]]) -> Table:
    cells = [
        (
            f"{row['tritons']}, {row['apis']}",
            f"{sum(row['inferences'].values()):g}",
            f"{row['inferences'].get(WARP_RENDERER, 0):g}",
            f"{row['executions'].get(WARP_RENDERER, 0):g}",
            f"{row['sent_bytes'] / 1e6:.2f}",
            f"{row['received_bytes'] / 1e6:.2f}",
            f"{sum(row['cpu_s'].values()):.2f}",
            f"{row['cpu_without_rest_s']:.2f}",
            f"{row['retries']}",
        )
        for row in rows
    ]
    columns = ["calls", "frames", "batches", "MB to", "MB from", "CPU s", "less rest", "retries"]
    caption = "calls of all models; frames and batches of the renderer; megabytes to Triton and from it"
    return table_of("Work per clip", ["Tritons, APIs"], columns, cells, caption)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tritons", type=int, nargs="+", default=(1, 2, 4), help="each number, fewest first")
    parser.add_argument("--apis", type=int, nargs="+", default=(1, 2), help="each number, fewest first")
    parser.add_argument("--clips", type=int, default=8, help="with seeds of their own")
    parser.add_argument("--clients", type=int, default=2, help="clips at once")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
