"""XTTS through Triton with several streams at once: time to first audio, real-time factor, batches.

    python -m bench.xtts_streams --url 127.0.0.1:8001 --metrics http://127.0.0.1:8003/metrics

Needs a server with `xtts`, `xtts_gpt` and `xtts_vocoder` loaded. Ends in one line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.gpt_counts import read_gpt_counts
from bench.load import Outcome, Sample, closed_loop, open_loop
from bench.report import machine
from lumen.contracts import (
    XTTS,
    XTTS_CONDITION_LATENTS,
    XTTS_SAMPLE_RATE,
    XTTS_SPEAKER_WIDTH,
    XTTS_VOCODER,
)
from lumen.errors import GenerationException, InvalidInputException, LumenException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.metrics import REFRESH_SECONDS
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

STREAMS: Final = (1, 2, 4, 8)
REQUESTS_PER_STREAM: Final = 4
TEXT: Final = "Good morning, and thank you for asking. The weather today is mild, with some clouds."
ANSWER_SECONDS: Final = 120.0
VOICE_SEED: Final = 1

Batches = dict[int, int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a request failed or nothing answers."""
    options = _options(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        result = asyncio.run(_bench(options, console))
    except LumenException as error:
        console.print(error.message, style="red")
        return 1
    console.print(json.dumps(result))
    return 1 if any(load["errors"] for load in result["loads"]) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="XTTS through Triton, several streams at once")
    parser.add_argument("--url", default="127.0.0.1:8001", help="host:port of Triton's gRPC")
    parser.add_argument("--metrics", help="address of Triton's metrics page, for the GPT's batches")
    parser.add_argument("--voice", type=Path, help="safetensors with gpt_cond_latent and speaker_embedding")
    parser.add_argument(
        "--width", type=int, default=XttsDims().width, help="of random latents without a voice"
    )
    parser.add_argument("--language", default="en")
    parser.add_argument("--text", nargs="+", default=[TEXT], help="several: each request has the next one")
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS, help="clients of each closed loop")
    parser.add_argument("--requests", type=int, help=f"of each load; {REQUESTS_PER_STREAM} a stream without")
    parser.add_argument(
        "--warm",
        action="store_true",
        help="make each load twice, and tell of the second: a GPU meets new shapes",
    )
    parser.add_argument("--rate", type=float, help="requests a second of an open loop (Poisson) besides")
    parser.add_argument(
        "--note", default="random weights", help="model, weights and precision, for the record"
    )
    return parser.parse_args(arguments)


async def _bench(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Warms up with one speech, then loads one after the other."""
    client = TritonClient(options.url, ANSWER_SECONDS)
    speaker = _Speaker(client, [_request(options, text) for text in options.text])
    try:
        await speaker.speak()
        loads = []
        for streams in options.streams:
            requests = options.requests or REQUESTS_PER_STREAM * streams
            if options.warm:
                await closed_loop(speaker.speak, streams, requests)
            loads.append(await _load(options, client, closed_loop(speaker.speak, streams, requests)))
        if options.rate:
            requests = options.requests or REQUESTS_PER_STREAM * max(options.streams)
            loads.append(await _load(options, client, open_loop(speaker.speak, options.rate, requests)))
    finally:
        await client.close()
    console.print(_table(loads))
    about = {"note": options.note, "language": options.language, "text": options.text}
    return {**machine(), **about, "loads": loads}


class _Speaker:
    """Some requests, again and again; each draws codes of its own."""

    def __init__(self, client: TritonClient, requests: Sequence[Tensors]) -> None:
        self._client = client
        self._requests = itertools.cycle(requests)

    async def speak(self) -> Sample:
        """Raises:
        GenerationException: there was no sound.
        """
        start = time.perf_counter()
        first, samples = 0.0, 0
        async with aclosing(self._client.stream(XTTS, next(self._requests))) as answers:
            async for answer in answers:
                first = first or time.perf_counter() - start
                samples += len(answer["pcm"])
        if not samples:
            raise GenerationException(f"{XTTS} answered without a sound.")
        return Sample(time.perf_counter() - start, first, None, samples / XTTS_SAMPLE_RATE)


async def _load(options: argparse.Namespace, client: TritonClient, load: Any) -> dict[str, Any]:
    """One load, with what the models executed meanwhile."""
    vocoder, gpt = await _vocoder_batches(client), await _gpt_batches(options.metrics)
    outcome: Outcome = await load
    after = await _vocoder_batches(client), await _gpt_batches(options.metrics)
    return {
        "load": outcome.label,
        "speeches": len(outcome.samples),
        "errors": list(outcome.errors),
        "audio_per_second": round(sum(sample.audio for sample in outcome.samples) / outcome.seconds, 3),
        "first_audio_s": outcome.percentiles(lambda sample: sample.first_audio),
        "real_time_factor": outcome.percentiles(lambda sample: sample.real_time_factor),
        "vocoder_batches": _since(vocoder, after[0]),
        "gpt_batches": _since(gpt, after[1]),
    }


async def _vocoder_batches(client: TritonClient) -> Batches:
    """Executions by batch size so far."""
    stats = {model.name: model for model in await client.statistics()}
    if XTTS_VOCODER not in stats:
        raise GenerationException(f"Triton has not loaded {XTTS_VOCODER}; load the voice's models first.")
    return {
        int(batch.batch_size): int(batch.compute_infer.count) for batch in stats[XTTS_VOCODER].batch_stats
    }


async def _gpt_batches(metrics: str | None) -> Batches:
    """Steps by rows so far; nothing without a metrics page."""
    if metrics is None:
        return {}
    await asyncio.sleep(2 * REFRESH_SECONDS)  # the page is that much late
    return (await asyncio.to_thread(read_gpt_counts, metrics)).steps


def _since(before: Batches, after: Batches) -> Batches:
    counts = {size: count - before.get(size, 0) for size, count in sorted(after.items())}
    return {size: count for size, count in counts.items() if count}


def _request(options: argparse.Namespace, text: str) -> Tensors:
    latent, embedding = _random_voice(options.width) if options.voice is None else _voice(options.voice)
    return {
        "text": text_tensor(text),
        "language": text_tensor(options.language),
        "gpt_cond_latent": latent,
        "speaker_embedding": embedding,
    }


def _voice(path: Path) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return tensors["gpt_cond_latent"], tensors["speaker_embedding"]
    except (OSError, SafetensorError, KeyError) as error:
        raise InvalidInputException(
            f"{path} is no voice: {error}; expected safetensors with gpt_cond_latent and speaker_embedding."
        ) from error


def _random_voice(width: int) -> tuple[Any, Any]:
    source = np.random.default_rng(VOICE_SEED)
    latent = source.standard_normal((XTTS_CONDITION_LATENTS, width)).astype(np.float32)
    embedding = source.standard_normal(XTTS_SPEAKER_WIDTH).astype(np.float32)
    return latent, embedding / np.linalg.norm(embedding)


def _table(loads: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="XTTS through Triton, p50 / p95 / p99")
    for column in ("load", "first audio s", "real-time factor", "audio s/s", "vocoder batches", "GPT steps"):
        table.add_column(column)
    for load in loads:
        spans = [_joined(load[name]) for name in ("first_audio_s", "real_time_factor")]
        batches = [_counts(load[name]) for name in ("vocoder_batches", "gpt_batches")]
        table.add_row(load["load"], *spans, f"{load['audio_per_second']:g}", *batches)
    return table


def _joined(percentiles: dict[str, float] | None) -> str:
    return " / ".join(f"{value:.3g}" for value in percentiles.values()) if percentiles else "-"


def _counts(batches: Batches) -> str:
    return "  ".join(f"{size}: {count}" for size, count in batches.items()) or "-"


if __name__ == "__main__":
    sys.exit(main())
