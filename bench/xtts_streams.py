"""XTTS through Triton with several streams at once: time to first audio, real-time factor, batches.

    python -m bench.xtts_streams --url 127.0.0.1:8001 --metrics http://127.0.0.1:8003/metrics

Needs a server with `xtts`, `xtts_gpt` and `xtts_vocoder` loaded. Ends in one line of JSON.
"""

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from bench.batches import Batches, batches_since, batches_text, executed_batches
from bench.gpt_counts import read_gpt_counts
from bench.load import Outcome, Sample, closed_loop, open_loop
from bench.runner import Report, joined_percentiles, run_benchmark, table_of
from lumen.contracts import (
    XTTS,
    XTTS_CONDITION_LATENTS,
    XTTS_SAMPLE_RATE,
    XTTS_SPEAKER_WIDTH,
    XTTS_VOCODER,
)
from lumen.errors import GenerationException, InvalidInputException
from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.gpt.metrics import REFRESH_SECONDS
from orchestrator.triton.client import Tensors, TritonClient, text_tensor

STREAMS: Final = (1, 2, 4, 8)
REQUESTS_PER_STREAM: Final = 4
TEXT: Final = "Good morning, and thank you for asking. The weather today is mild, with some clouds."
ANSWER_SECONDS: Final = 120.0
VOICE_SEED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a request failed or nothing answers."""
    return run_benchmark(__doc__, add_arguments, measure, arguments)


def measure(options: argparse.Namespace) -> Report:
    """Speak under each load."""
    loads = asyncio.run(_loads(options))
    about = {"note": options.note, "language": options.language, "text": options.text}
    passed = not any(load["errors"] for load in loads)
    return Report({**about, "loads": loads}, [_table(loads)], passed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
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


async def _loads(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Warm up with one speech, then measure one load after the other."""
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
    return loads


class _Speaker:
    """Speaks some requests again and again; each draws codes of its own."""

    def __init__(self, client: TritonClient, requests: Sequence[Tensors]) -> None:
        self._client = client
        self._requests = itertools.cycle(requests)

    async def speak(self) -> Sample:
        """Make one speech.

        Raises:
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
    """Result of one load, with the batches that the models executed meanwhile."""
    vocoder, gpt = await executed_batches(client, XTTS_VOCODER), await _gpt_batches(options.metrics)
    outcome: Outcome = await load
    after = await executed_batches(client, XTTS_VOCODER), await _gpt_batches(options.metrics)
    return {
        "load": outcome.label,
        "speeches": len(outcome.samples),
        "errors": list(outcome.errors),
        "audio_per_second": round(sum(sample.audio for sample in outcome.samples) / outcome.seconds, 3),
        "first_audio_s": outcome.percentiles(lambda sample: sample.first_audio),
        "real_time_factor": outcome.percentiles(lambda sample: sample.real_time_factor),
        "vocoder_batches": batches_since(vocoder, after[0]),
        "gpt_batches": batches_since(gpt, after[1]),
    }


async def _gpt_batches(metrics: str | None) -> Batches:
    """Decode steps so far by their number of rows; nothing without a metrics page."""
    if metrics is None:
        return {}
    await asyncio.sleep(2 * REFRESH_SECONDS)  # the page is that much late
    return (await asyncio.to_thread(read_gpt_counts, metrics)).steps


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
    columns = ["load", "first audio s", "real-time factor", "audio s/s", "vocoder batches", "GPT steps"]
    rows = [
        (
            load["load"],
            joined_percentiles(load["first_audio_s"]),
            joined_percentiles(load["real_time_factor"]),
            f"{load['audio_per_second']:g}",
            batches_text(load["vocoder_batches"]),
            batches_text(load["gpt_batches"]),
        )
        for load in loads
    ]
    return table_of("XTTS through Triton, p50 / p95 / p99", columns, [], rows)


if __name__ == "__main__":
    sys.exit(main())
