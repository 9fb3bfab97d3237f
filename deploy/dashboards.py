"""Writes Grafana's dashboards of LUMEN: python deploy/dashboards.py

A panel is a line below: title, unit, and queries with their legends. docs/metrics.md explains the metrics.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER: Final = Path(__file__).parent / "chart" / "files" / "dashboards"

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
"""The reader of a dashboard chooses the Prometheus that it asks."""

PANEL_WIDTH: Final = 8
"""Columns that a panel takes, of a dashboard's 24."""


class Panel(NamedTuple):
    """A graph. unit: Grafana's name of it. queries: (PromQL, legend)."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]


def quantiles(metric: str, by: str = "kind") -> list[tuple[str, str]]:
    """p50 and p95 of a histogram over five minutes."""
    return [
        (f"histogram_quantile({q}, sum by (le, {by}) (rate({metric}_bucket[5m])))", f"p{q[2:]} {{{{{by}}}}}")
        for q in ("0.50", "0.95")
    ]


USERS: Final = (
    Panel("Time to the first sound", "s", quantiles("lumen_first_audio_seconds")),
    Panel("Time to the first frame", "s", quantiles("lumen_first_frame_seconds")),
    Panel("Real-time factor (over 1 a player runs dry)", "none", quantiles("lumen_real_time_factor")),
    Panel(
        "Requests by status",
        "reqps",
        [("sum by (status) (rate(lumen_http_requests_total[5m]))", "{{status}}")],
    ),
    Panel(
        "Requests that fail",
        "reqps",
        [('sum(rate(lumen_http_requests_total{status=~"5.."}[5m])) or vector(0)', "5xx")],
    ),
    Panel("Made", "ops", [("sum by (kind) (rate(lumen_made_total[5m]))", "{{kind}}")]),
    Panel(
        "Live answers by outcome",
        "ops",
        [("sum by (outcome) (rate(lumen_live_answers_total[5m]))", "{{outcome}}")],
    ),
    Panel("Live players that ran dry", "ops", [("rate(lumen_live_underruns_total[5m])", "{{instance}}")]),
    Panel("Time of requests", "s", quantiles("lumen_http_request_duration_seconds", "route")),
)

CAPACITY: Final = (
    Panel(
        "Clips under way and allowed",
        "none",
        [("sum(lumen_clips_active)", "active"), ("sum(lumen_clips_limit)", "limit")],
    ),
    Panel(
        "Speeches under way and allowed",
        "none",
        [("sum(lumen_speeches_active)", "active"), ("sum(lumen_speeches_limit)", "limit")],
    ),
    Panel(
        "Conversations under way and allowed",
        "none",
        [("sum(lumen_sessions_active)", "active"), ("sum(lumen_sessions_limit)", "limit")],
    ),
    Panel("Frames", "ops", [("sum by (kind) (rate(lumen_frames_total[5m]))", "{{kind}}")]),
    Panel(
        "Speech per second", "none", [("sum by (kind) (rate(lumen_speech_seconds_total[5m]))", "{{kind}}")]
    ),
    Panel(
        "Executed batch sizes",
        "none",
        [
            (
                "sum by (model) (rate(nv_inference_count[5m]))"
                " / sum by (model) (rate(nv_inference_exec_count[5m]))",
                "{{model}}",
            )
        ],
    ),
    Panel("Stages", "s", quantiles("lumen_stage_seconds", "stage")),
    Panel(
        "Triton's errors and retries",
        "ops",
        [
            ("sum by (model, error) (rate(lumen_triton_errors_total[5m]))", "{{model}} {{error}}"),
            ("sum by (model) (rate(lumen_triton_retries_total[5m]))", "{{model}} again"),
        ],
    ),
    Panel("GPU", "percentunit", [("nv_gpu_utilization", "{{gpu_uuid}}")]),
    Panel("Memory of the API", "bytes", [("process_resident_memory_bytes", "{{instance}}")]),
    Panel("CPU of the API", "percentunit", [("rate(process_cpu_seconds_total[5m])", "{{instance}}")]),
)

STORAGE: Final = (
    Panel("Bytes that are kept", "bytes", [("max(lumen_outputs_bytes)", "outputs")]),
    Panel(
        "Bytes written", "Bps", [("sum by (kind) (rate(lumen_outputs_written_bytes_total[5m]))", "{{kind}}")]
    ),
    Panel("Jobs that wait", "none", [("max(lumen_jobs_waiting)", "waiting")]),
    Panel("Age of the oldest job that waits", "s", [("max(lumen_jobs_oldest_seconds)", "oldest")]),
    Panel("Webhooks that wait", "none", [("max(lumen_webhooks_waiting)", "waiting")]),
    Panel(
        "Webhooks by outcome",
        "ops",
        [("sum by (outcome) (rate(lumen_webhooks_total[5m]))", "{{outcome}}")],
    ),
)

DASHBOARDS: Final = {
    "lumen-users": ("LUMEN: users", USERS),
    "lumen-capacity": ("LUMEN: capacity", CAPACITY),
    "lumen-storage": ("LUMEN: storage and jobs", STORAGE),
}


def build(uid: str, title: str, panels: Sequence[Panel]) -> Any:
    """Grafana's model of a dashboard."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["lumen"])
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    for panel in panels:
        made = made.with_panel(_graph(panel))
    return made.build()


def _graph(panel: Panel) -> timeseries.Panel:
    graph = timeseries.Panel().title(panel.title).unit(panel.unit).datasource(SOURCE).span(PANEL_WIDTH)
    for query, legend in panel.queries:
        graph = graph.with_target(prometheus.Dataquery().expr(query).legend_format(legend))
    return graph


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    encoder = JSONEncoder(sort_keys=True, indent=2)
    for uid, (title, panels) in DASHBOARDS.items():
        (FOLDER / f"{uid}.json").write_text(encoder.encode(build(uid, title, panels)) + "\n")


if __name__ == "__main__":
    main()
