"""Metrics of one app, by Prometheus' conventions. `docs/metrics.md` explains each; a test compares the two.

No label has a value that a user can choose: routes are templates, models and parts are the server's own.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from lumen import __version__
from lumen.errors import LumenException

Kind: TypeAlias = Literal["speech", "clip", "live"]
"""Kind of what is made: speech alone, a clip, an answer in a live conversation."""

Read: TypeAlias = Callable[[], float]
"""Reads a value when it is asked for, in the thread that serves the metrics."""

LATENCIES: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
"""Bounds in seconds of what somebody waits for."""

DURATIONS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Bounds in seconds of requests and of jobs' stages."""

FACTORS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
"""Bounds of real-time factors; over 1 a player runs dry."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

PREFIX: Final = "lumen_"


class Recent:
    """A value that costs something to read, read again when it is older than ``seconds``."""

    def __init__(self, read: Read, seconds: float, clock: Read = time.monotonic) -> None:
        self._read = read
        self._seconds = seconds
        self._clock = clock
        self._known: tuple[float, float] | None = None

    def __call__(self) -> float:
        if self._known is None or self._clock() - self._known[1] > self._seconds:
            self._known = self._read(), self._clock()
        return self._known[0]


class Metrics:
    """All metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Info(f"{PREFIX}build", "Version of LUMEN", registry=self.registry)
        build.info({"version": __version__})
        self._requests = self._counter("http_requests", "Requests answered", "route", "method", "status")
        self._request_seconds = self._histogram(
            "http_request_duration_seconds", "Time to the end of an answer", DURATIONS, "route", "method"
        )
        self._made = self._counter("made", "Speeches, clips and live answers made", "kind")
        self._first_audio = self._histogram(
            "first_audio_seconds", "Time to the first sound", LATENCIES, "kind"
        )
        self._first_frame = self._histogram(
            "first_frame_seconds", "Time to the first frame", LATENCIES, "kind"
        )
        self._factor = self._histogram(
            "real_time_factor", "Seconds of work per second of speech", FACTORS, "kind"
        )
        self._stages = self._histogram(
            "stage_seconds", "Time from a job's beginning to the end of a stage", DURATIONS, "kind", "stage"
        )
        self._speech = self._counter("speech_seconds", "Seconds of speech made", "kind")
        self._frames = self._counter("frames", "Frames of a face made", "kind")
        self._written = self._counter("outputs_written_bytes", "Bytes of finished files", "kind")
        self._answers = self._counter("live_answers", "Answers in live conversations", "outcome")
        self._underruns = self._counter("live_underruns", "Times that a live player had played all it had")
        self._retries = self._counter("triton_retries", "Requests to Triton that were asked again", "model")
        self._errors = self._counter("triton_errors", "Requests that Triton refused", "model", "error")
        self._webhooks = self._counter("webhooks", "Webhooks by what became of them", "outcome")

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note an answered request. route: its template."""
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, str(status)).inc()
        self._request_seconds.labels(route, known).observe(seconds)

    def made(self, kind: Kind, seconds: float, took: float | None, marks: Mapping[str, float]) -> None:
        """Note something that was made.

        Args:
            seconds: of its speech. took: seconds of work; None where it waits for its listener.
            marks: seconds until each stage was done.
        """
        self._made.labels(kind).inc()
        self._speech.labels(kind).inc(seconds)
        if took is not None and seconds > 0:
            self._factor.labels(kind).observe(took / seconds)
        self.reached(kind, marks)

    def reached(self, kind: Kind, marks: Mapping[str, float]) -> None:
        """Note the seconds until each stage was done."""
        for stage, histogram in (("first_audio", self._first_audio), ("first_frame", self._first_frame)):
            if stage in marks:
                histogram.labels(kind).observe(marks[stage])
        for stage, at in marks.items():
            self._stages.labels(kind, stage).observe(at)

    def drew(self, kind: Kind, frames: int) -> None:
        """Note frames of a face that were made."""
        self._frames.labels(kind).inc(frames)

    def wrote(self, kind: Kind, size: int) -> None:
        """Note the bytes of a finished file."""
        self._written.labels(kind).inc(size)

    def live_answer(self, outcome: Literal["completed", "cancelled", "failed"], underruns: int) -> None:
        """Note an answer of a live conversation and how often its player ran dry."""
        self._answers.labels(outcome).inc()
        self._underruns.inc(underruns)

    def failed(self, model: str, error: LumenException) -> None:
        """Note a request to Triton that was refused or failed."""
        self._errors.labels(model, type(error).__name__).inc()

    def retried(self, model: str) -> None:
        """Note a request that is asked again because its Triton went away."""
        self._retries.labels(model).inc()

    def webhook(self, outcome: Literal["delivered", "retried", "given_up"]) -> None:
        """Note what became of an attempt to deliver a webhook."""
        self._webhooks.labels(outcome).inc()

    def watch_places(self, kind: Literal["clips", "speeches", "sessions"], active: Read, limit: int) -> None:
        """Show how many of a kind are under way, and how many may be."""
        self._gauge(f"{kind}_active", f"{kind.capitalize()} that are under way", active)
        self._gauge(f"{kind}_limit", f"{kind.capitalize()} that may be under way at once", lambda: limit)

    def watch_jobs(self, waiting: Read, oldest_seconds: Read) -> None:
        """Show the queue of jobs."""
        self._gauge("jobs_waiting", "Jobs that wait for a worker", waiting)
        self._gauge("jobs_oldest_seconds", "Age of the oldest job that waits", oldest_seconds)

    def watch_outputs(self, size: Read) -> None:
        """Show the bytes that are kept."""
        self._gauge("outputs_bytes", "Bytes of the outputs that are kept", size)

    def watch_webhooks(self, waiting: Read) -> None:
        """Show the webhooks that are yet to be delivered."""
        self._gauge("webhooks_waiting", "Webhooks that wait to be delivered", waiting)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}_total", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}{name}", text, labels, registry=self.registry, buckets=bounds)

    def _gauge(self, name: str, text: str, read: Read) -> None:
        Gauge(f"{PREFIX}{name}", text, registry=self.registry).set_function(read)
