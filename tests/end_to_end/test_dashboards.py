"""The dashboards, asked of a real Prometheus that watched a real LUMEN at work."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from PIL import Image

from bench.service import Served, serving
from lumen.triton.ports import own_port
from orchestrator.webhooks.signing import new_secret
from tests.support.live_client import talking
from tests.support.paths import ROOT
from tests.support.prometheus import Prometheus, prometheus
from tests.support.waiting import wait_until
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.heavy

WORDS: Final = "Good morning."

WITHOUT_DATA: Final = {
    "nv_gpu_utilization": "needs a GPU",
    "sum by (model) (rate(lumen_triton_retries_total[5m]))": "needs a Triton that goes away in the middle",
}
"""Queries that a proper run on a machine without a GPU gives no data for, and why."""

SECONDS: Final = 60.0


def targets() -> Iterator[tuple[str, str]]:
    """Query and legend of each graph."""
    for path in sorted((ROOT / "deploy" / "chart" / "files" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield target["expr"], target["legendFormat"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus, when LUMEN has done some of everything twice, with a look between."""
    folder, page = tmp_path_factory.mktemp("lumen"), own_port()
    with receiving() as receiver, serving(folder, settings(folder, page, receiver.url)) as served:
        pages = [f"127.0.0.1:{page}", served.metrics_url.split("/")[2]]
        with prometheus(tmp_path_factory.mktemp("prometheus"), pages) as watching:
            for times in (1, 2):
                work(served)
                wait_until(lambda times=times: len(receiver.received) == times, SECONDS)  # type: ignore[misc]
                wait_until(lambda times=times: seen(watching, times), SECONDS)  # type: ignore[misc]
            yield watching


def settings(folder: Path, page: int, hooks: str) -> dict[str, str]:
    paths = {f"{name}_PATH": str(folder / name.lower()) for name in ("JOBS", "WEBHOOKS", "AVATARS")}
    told = {"WEBHOOK_URLS": hooks, "WEBHOOK_SECRETS": new_secret(), "WEBHOOK_ALLOW_HOSTS": "127.0.0.1"}
    return {**paths, **told, "METRICS_PORT": str(page)}


def work(served: Served) -> None:
    """A clip, a speech, a live answer, a job with its webhook, and a portrait that is refused in Triton."""
    with httpx.Client(base_url=served.url, timeout=120, trust_env=False) as client:
        for path, body in (("full", {"prompt": WORDS, "size": 256}), ("tts", {"text": WORDS})):
            client.post(f"/api/generate/{path}", json=body).raise_for_status()
        with talking(served.url) as live:
            live.ask(WORDS)
            live.until("output_audio_buffer.stopped", SECONDS)  # played, or it would count as cut off
        job: dict[str, Any] = client.post("/v1/videos", json={"prompt": WORDS}).raise_for_status().json()
        wait_until(lambda: client.get(f"/v1/videos/{job['id']}").json()["status"] == "completed", SECONDS)
        refused = client.post("/api/avatars", files={"portrait_file": ("grey.png", grey())})
        assert refused.status_code == 400, refused.text


def grey() -> bytes:
    """A picture without a face."""
    with io.BytesIO() as data:
        Image.new("RGB", (300, 300), (128, 128, 128)).save(data, "PNG")
        return data.getvalue()


def seen(watching: Prometheus, times: int) -> bool:
    """Whether what was done so often is on both pages, and was asked for."""
    made = {labels["kind"]: value for labels, value in watching.ask("lumen_made_total")}
    drawn = watching.ask('nv_inference_count{model="warp_renderer"}')
    hooks = watching.ask('lumen_webhooks_total{outcome="delivered"}')
    return (
        made == {"clip": 2 * times, "speech": times, "live": times}
        and sum(value for _, value in drawn) > 0
        and [value for _, value in hooks] == [times]
    )


@pytest.mark.parametrize(("query", "legend"), list(targets()), ids=lambda each: each[:60])
def test_each_query_has_data(watched: Prometheus, query: str, legend: str) -> None:
    """A graph is not empty, and every label that its legend names is there."""
    if query in WITHOUT_DATA:
        pytest.skip(WITHOUT_DATA[query])
    wait_until(lambda: watched.ask(query))
    for labels, _ in watched.ask(query):
        assert set(re.findall(r"{{(\w+)}}", legend)) <= set(labels)


def test_queries_without_data_are_of_the_dashboards() -> None:
    """The list of those that are left out names none that was changed or removed since."""
    assert set(WITHOUT_DATA) <= {query for query, _ in targets()}
