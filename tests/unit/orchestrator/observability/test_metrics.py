"""Metrics: what the page says is what there is, and nobody outside makes labels."""

import re
import shutil
import subprocess

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lumen.errors import ServiceUnavailableException
from lumen.families.xtts.gpt import metrics as gpt_metrics
from orchestrator.observability.metrics import Metrics, Recent
from orchestrator.observability.metrics_server import served_metrics
from tests.support.api_server import Api
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| (`lumen_\w+`(?:, `lumen_\w+`)*) \|(.*)$", re.MULTILINE)


def rows() -> dict[str, str]:
    """The rest of its row in the page, by the name of each metric."""
    return {
        name: match[2] for match in ROW.finditer(PAGE.read_text()) for name in re.findall(r"\w+", match[1])
    }


def filled() -> Metrics:
    """Metrics with a value of each."""
    metrics = Metrics()
    for kind in ("clips", "speeches", "sessions"):
        metrics.watch_places(kind, lambda: 1, 8)  # type: ignore[arg-type]  # a loop over the literals
    metrics.watch_jobs(lambda: 2, lambda: 3.5)
    metrics.watch_outputs(lambda: 4)
    metrics.watch_webhooks(lambda: 0)
    metrics.answered("/api/status", "GET", 200, 0.01)
    metrics.made("clip", 2.0, 1.0, {"first_audio": 0.1, "first_frame": 0.2, "video": 1.0})
    metrics.drew("clip", 50)
    metrics.wrote("clip", 1000)
    metrics.live_answer("completed", 1)
    metrics.failed("warp", ServiceUnavailableException("away"))
    metrics.retried("warp")
    metrics.webhook("delivered")
    return metrics


def exposed(metrics: Metrics) -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each family of LUMEN's own, under the name that queries use."""
    found = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        if family.name.startswith("lumen_") and not family.name.endswith("_created"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = (family.type, labels)
    return found


def test_the_page_explains_what_there_is() -> None:
    """Names, kinds and labels of the page are those of the registry, and of XTTS's own."""
    known = exposed(filled())
    told = {name: row for name, row in rows().items() if not name.startswith("lumen_xtts")}
    assert told.keys() == known.keys()
    for name, (kind, labels) in known.items():
        cells = told[name].split(" | ")
        assert cells[0].strip() == kind, name
        assert set(re.findall(r"`(\w+)`", cells[1])) == labels, name
    xtts = {name for name in rows() if name.startswith("lumen_xtts")}
    assert xtts == {*gpt_metrics._GAUGES, *gpt_metrics._COUNTERS, gpt_metrics._STEPS}


def test_promtool_has_nothing_to_say() -> None:
    """Names, units and help texts keep Prometheus' conventions."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    text = generate_latest(filled().registry)
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_each_app_has_its_own() -> None:
    """Two apps of one process do not count for each other."""
    one, other = filled(), Metrics()
    assert other.registry.get_sample_value("lumen_triton_retries_total", {"model": "warp"}) is None
    assert one.registry.get_sample_value("lumen_triton_retries_total", {"model": "warp"}) == 1


def test_what_is_made_is_measured() -> None:
    """Lengths, factors and first times come from a job's own; a live answer has no factor."""
    metrics = filled()
    metrics.made("live", 4.0, None, {"first_audio": 0.3})

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"lumen_{name}", labels)

    assert value("speech_seconds_total", kind="clip") == 2.0
    assert value("real_time_factor_sum", kind="clip") == 0.5
    assert value("real_time_factor_count", kind="live") is None
    assert value("first_audio_seconds_bucket", kind="live", le="0.3") == 1.0
    assert value("first_audio_seconds_bucket", kind="live", le="0.2") == 0.0
    assert value("stage_seconds_sum", kind="clip", stage="video") == 1.0


def test_users_make_no_labels(lonely: Api) -> None:
    """Routes are templates, whatever is asked for, and unknown methods are one."""
    counted = "lumen_http_requests_total"
    value, path = lonely.services.metrics.registry.get_sample_value, "/api/voices/{voice}"

    def count(route: str, method: str, status: int) -> float:
        return value(counted, {"route": route, "method": method, "status": str(status)}) or 0.0

    before = count("none", "GET", 404), count("none", "other", 404), count("/outputs", "GET", 404)
    for number in range(3):
        lonely.client.get(f"/nothing/{number}")
        lonely.client.get(f"/outputs/audio/{number}.wav")
        lonely.client.delete(f"/api/voices/{number}")
    lonely.client.request("BREW", "/nothing")
    after = count("none", "GET", 404), count("none", "other", 404), count("/outputs", "GET", 404)
    assert [now - then for now, then in zip(after, before, strict=True)][::2] == [3, 3]
    text = generate_latest(lonely.services.metrics.registry).decode()
    assert "BREW" not in text
    assert "/nothing" not in text
    assert path in text


def test_metrics_have_a_port_of_their_own(lonely: Api) -> None:
    """They are not the API's to tell, and without a port nobody listens."""
    with served_metrics(filled(), "127.0.0.1", 0) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'lumen_made_total{kind="clip"} 1.0' in answer.text
    assert "process_cpu_seconds_total" in answer.text
    assert lonely.client.get("/metrics").status_code == httpx.codes.NOT_FOUND
    with served_metrics(filled(), "127.0.0.1", None) as port:
        assert port is None


def test_what_is_costly_to_read_is_kept() -> None:
    """A scrape every second does not look at every file."""
    now, reads = 0.0, 0

    def read() -> float:
        nonlocal reads
        reads += 1
        return reads

    recent = Recent(read, 60.0, lambda: now)
    assert [recent(), recent()] == [1, 1]
    now = 61.0
    assert recent() == 2
