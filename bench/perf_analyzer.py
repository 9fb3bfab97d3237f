"""Runs ``perf_analyzer`` on a served model and reads what it found."""

import base64
import csv
import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tritonclient.grpc as grpc  # type: ignore[import-untyped]  # has no stubs

from bench.batches import batches_of, batches_since
from bench.perf_install import PerfAnalyzer
from lumen.errors import GenerationException

TRIALS: Final = 3
STABILITY_PERCENT: Final = 999
"""Tolerated difference between windows: all count, as a small, shared machine never settles."""

LONGER: Final = 5
"""Length of the second try's windows over that of the first."""

CALL_SECONDS: Final = 60
"""Time that a call may take besides its windows: reading the input, and the answers still under way."""

MAX_THREADS: Final = 4

MICROSECONDS_PER_MS: Final = 1_000


@dataclass(frozen=True)
class PerfRow:
    """Result of one model under one load.

    Attributes:
        model: name in Triton.
        load: what was sent, for people.
        throughput: requests per second.
        p50, p95, p99: milliseconds until the answer; until the first response of decoupled models.
        mean_batch: inferences per execution, from Triton's statistics.
        batches: executions by batch size.
        first_response_only: the model is decoupled, and the times are not those of whole answers.
    """

    model: str
    load: str
    throughput: float
    p50: float
    p95: float
    p99: float
    mean_batch: float
    batches: dict[int, int]
    first_response_only: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Counts:
    inferences: int
    executions: int
    batches: dict[int, int]


class ModelBench:
    """Measures one model with one input.

    Args:
        analyzer: the binary.
        url: host:port of Triton's gRPC.
        model: name in Triton.
        inputs: tensors of one request without a batch dimension; strings as object arrays of bytes.
        folder: for input and output files; must exist.
        seconds: that one measurement lasts.
    """

    def __init__(
        self,
        analyzer: PerfAnalyzer,
        url: str,
        model: str,
        inputs: Mapping[str, npt.NDArray[Any]],
        folder: Path,
        seconds: float,
    ) -> None:
        self._analyzer = analyzer
        self._url = url
        self._model = model
        self._folder = folder
        self._seconds = seconds
        self._client = grpc.InferenceServerClient(url)
        config = self._client.get_model_config(model).config
        self._decoupled = bool(config.model_transaction_policy.decoupled)
        self._input = folder / f"{model}.json"
        self._input.write_text(json.dumps({"data": [{k: _content(v) for k, v in inputs.items()}]}))

    def closed_loop(self, clients: int) -> PerfRow:
        """``clients`` that each ask again as soon as they are answered."""
        return self._measure(f"{clients} clients", ["--concurrency-range", f"{clients}:{clients}"])

    def poisson(self, rate: float) -> PerfRow:
        """Requests that arrive at random, ``rate`` a second on average."""
        options = ["--request-rate-range", f"{rate:g}:{rate:g}", "--request-distribution", "poisson"]
        return self._measure(f"Poisson {rate:.3g}/s", options)

    def close(self) -> None:
        self._client.close()

    def _measure(self, load: str, options: list[str]) -> PerfRow:
        before = self._counts()
        found = self._run(options)
        after = self._counts()
        executions = after.executions - before.executions
        return PerfRow(
            model=self._model,
            load=load,
            throughput=round(float(found["Inferences/Second"]), 2),
            **{
                p: round(float(found[f"{p} latency"]) / MICROSECONDS_PER_MS, 3) for p in ("p50", "p95", "p99")
            },
            mean_batch=round((after.inferences - before.inferences) / max(1, executions), 2),
            batches=batches_since(before.batches, after.batches),
            first_response_only=self._decoupled,
        )

    def _run(self, options: list[str]) -> dict[str, str]:
        """The one row of the CSV file that perf_analyzer writes.

        It measures nothing where no request ends within its window: longer ones are tried then.
        """
        said = ""
        for seconds in (self._seconds, LONGER * self._seconds):
            output = self._folder / f"{self._model}.csv"
            output.unlink(missing_ok=True)
            said = self._call(options, output, seconds)
            if output.is_file():
                with output.open(newline="") as file:
                    return next(csv.DictReader(file))
        raise GenerationException(f"perf_analyzer measured nothing on {self._model}: {said[-500:]}")

    def _call(self, options: list[str], output: Path, seconds: float) -> str:
        """Runs it once; returns what it said."""
        command = [str(self._analyzer.path), "-m", self._model, "-u", self._url, "-i", "grpc"]
        command += ["--input-data", str(self._input), "-f", str(output), *options]
        command += ["--measurement-interval", str(round(seconds * 1_000)), "--max-trials", str(TRIALS)]
        command += ["--stability-percentage", str(STABILITY_PERCENT), "--max-threads", str(MAX_THREADS)]
        command += ["--async", "--streaming"] if self._decoupled else []
        try:
            done = subprocess.run(
                command,
                env=self._analyzer.environment(),
                capture_output=True,
                text=True,
                timeout=CALL_SECONDS + TRIALS * seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it did not end within {CALL_SECONDS + TRIALS * seconds:g} s"
        return f"it ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"

    def _counts(self) -> _Counts:
        (stats,) = self._client.get_inference_statistics(self._model).model_stats
        return _Counts(int(stats.inference_count), int(stats.execution_count), batches_of(stats))


def _content(tensor: npt.NDArray[Any]) -> dict[str, Any]:
    """A tensor as ``perf_analyzer`` reads it: strings as they are, numbers as base64 of their bytes."""
    if tensor.dtype == np.object_:
        return {"content": [value.decode() for value in tensor.ravel()], "shape": list(tensor.shape)}
    data = base64.b64encode(np.ascontiguousarray(tensor).tobytes()).decode()
    return {"content": {"b64": data}, "shape": list(tensor.shape)}
