"""Voices without a checkpoint through Triton, several speakers at once: first audio and real-time factor.

    VOICE=auto lumen triton
    python -m bench.speech_streams --url 127.0.0.1:8001

Each load is given to one voice after the other, so that both meet the same machine. Ends in one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.chain import TEXT
from bench.load import Outcome, Sample, closed_loop
from bench.machine import machine
from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE, HIBARI, HIBARI_SAMPLE_RATE
from lumen.errors import GenerationException, LumenException
from orchestrator.triton.client import TritonClient, text_tensor

RATES: Final = {HIBARI: HIBARI_SAMPLE_RATE, ESPEAK: ESPEAK_SAMPLE_RATE}
SPEAKERS: Final = (1, 4, 8)
REQUESTS_PER_SPEAKER: Final = 8
ANSWER_SECONDS: Final = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a request failed or nothing answers."""
    parser = argparse.ArgumentParser(description="voices through Triton, several speakers at once")
    parser.add_argument("--url", default="127.0.0.1:8001", help="host:port of Triton's gRPC")
    parser.add_argument("--speakers", type=int, nargs="+", default=SPEAKERS, help="clients of each loop")
    parser.add_argument("--requests", type=int, default=REQUESTS_PER_SPEAKER, help="of each client")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        loads = asyncio.run(_bench(options))
    except LumenException as error:
        console.print(error.message, style="red")
        return 1
    console.print(_table(loads))
    console.print(json.dumps({**machine(), "text": TEXT, "loads": loads}))
    return 1 if any(load["errors"] for load in loads) else 0


async def _bench(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Warms each voice up, then all loads."""
    client = TritonClient(options.url, ANSWER_SECONDS)
    speakers = {model: partial(_speak, client, model) for model in RATES}
    try:
        for speak in speakers.values():
            await speak()
        return [
            _result(model, await closed_loop(speak, count, options.requests * count))
            for count in options.speakers
            for model, speak in speakers.items()
        ]
    finally:
        await client.close()


async def _speak(client: TritonClient, model: str) -> Sample:
    """Raises:
    GenerationException: there was no sound.
    """
    start = time.perf_counter()
    first, samples = 0.0, 0
    inputs = {"text": text_tensor(TEXT), "language": text_tensor("en-us")}
    async with aclosing(client.stream(model, inputs)) as answers:
        async for answer in answers:
            first = first or time.perf_counter() - start
            samples += len(answer["pcm"])
    if not samples:
        raise GenerationException(f"{model} answered without a sound.")
    return Sample(time.perf_counter() - start, first, None, samples / RATES[model])


def _result(model: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "model": model,
        "load": outcome.label,
        "errors": list(outcome.errors),
        "audio_per_second": round(sum(sample.audio for sample in outcome.samples) / outcome.seconds, 1),
        "first_audio_s": outcome.percentiles(lambda sample: sample.first_audio),
        "real_time_factor": outcome.percentiles(lambda sample: sample.real_time_factor),
    }


def _table(loads: Sequence[dict[str, Any]]) -> Table:
    table = Table("model", "load", "first audio s", "real-time factor", "audio s/s", title="p50 / p95 / p99")
    for load in loads:
        spans = [_joined(load[name]) for name in ("first_audio_s", "real_time_factor")]
        table.add_row(load["model"], load["load"], *spans, f"{load['audio_per_second']:g}")
    return table


def _joined(percentiles: dict[str, float] | None) -> str:
    return " / ".join(f"{value:.3g}" for value in percentiles.values()) if percentiles else "-"


if __name__ == "__main__":
    sys.exit(main())
