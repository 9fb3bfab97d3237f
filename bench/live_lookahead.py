"""Cost of a face's look-ahead in time, by the speed of the voice.

    python -m bench.live_lookahead --url http://127.0.0.1:8000 --speeds 1 2 4 8

Needs a LUMEN that runs. Sends finished speech over the live socket as a voice of each speed makes it, and
measures from the first sound until the first frame is drawn. Ends in one line of JSON.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
from rich.table import Table

from bench.runner import Report, run_benchmark, table_of
from bench.sounds import RATE, Samples, spoken
from lumen import registry
from lumen.contracts import FACE_FPS
from lumen.errors import GenerationException
from lumen.live_client import Event, LiveClient
from orchestrator.faces.windows import FIRST_WINDOW

SPEEDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds of sound that a voice makes in a second."""

TEXT: Final = "Good morning, and thank you for asking. The weather today is mild."
PIECE_SECONDS: Final = 0.2


def measure(options: argparse.Namespace) -> Report:
    """Measure at each speed."""
    rows, face = asyncio.run(_measure(options))
    family = registry.face(face)
    needed = (FIRST_WINDOW + family.lookahead_frames) / FACE_FPS
    result = {"face": face, "needed_sound_s": needed, "speeds": rows}
    return Report(result, [_table(rows)])


async def _measure(options: argparse.Namespace) -> tuple[list[dict[str, float]], str]:
    speech = await asyncio.to_thread(spoken, options.url, TEXT)
    async with LiveClient(options.url) as client:
        events = client.events()
        face = (await anext(events))["session"]["parts"]["face"]
        await _first_frame(client, events, speech, 1000.0)  # the portrait is encoded with the first one
        found: dict[float, list[float]] = {speed: [] for speed in options.speeds}
        for _ in range(options.times):  # in turns, as others use the machine too
            for speed, seconds in found.items():
                seconds.append(await _first_frame(client, events, speech, speed))
    rows = [
        {"speed": speed, "first_frame_s": round(float(np.median(seconds)), 3)}
        for speed, seconds in found.items()
    ]
    return rows, str(face)


async def _first_frame(
    client: LiveClient, events: AsyncIterator[Event], speech: Samples, speed: float
) -> float:
    """Seconds from the first sound until the first frame is drawn."""
    sending, seconds, playing = asyncio.create_task(_send(client, speech, speed)), 0.0, False
    async for event in events:
        if event["type"] == "error":
            raise GenerationException(event["error"]["message"])
        if event["type"] == "response.video.delta" and not playing:
            playing = True
            await sending
            await client.send("output_audio_buffer.clear")
        if event["type"] == "response.metrics":
            seconds = float(event["first_frame_ms"] - event["tts_first_pcm_ms"]) / 1000
        if event["type"] == "session.avatar.switch_to_idle":
            return seconds
    raise GenerationException("The conversation ended before the answer.")


async def _send(client: LiveClient, speech: Samples, speed: float) -> None:
    step = round(PIECE_SECONDS * RATE)
    for start in range(0, len(speech), step):
        await client.hear(speech[start : start + step].tobytes(), "agent.speak")
        await asyncio.sleep(PIECE_SECONDS / speed)
    await client.send("agent.speak_end")


def _table(rows: list[dict[str, float]]) -> Table:
    told = [(f"{row['speed']:g}", f"{row['first_frame_s']:.2f}") for row in rows]
    return table_of("First sound → first frame", ["speed of the voice"], ["s"], told)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API")
    parser.add_argument("--speeds", type=float, nargs="+", default=SPEEDS, help="of the voice, in real times")
    parser.add_argument(
        "--times", type=int, default=3, help="answers at each speed, of which the median counts"
    )


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
