"""Live conversations: waiting for the picture, interruptions, who keeps 25 frames a second, drift.

    python -m bench.live --url http://127.0.0.1:8000 --sessions 1 2 4

Needs a LUMEN that runs. Ends in one line of JSON.
"""

import argparse
import asyncio
import io
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench.load import PERCENTILES
from bench.runner import Report, joined_percentiles, run_benchmark, table_of
from lumen.errors import GenerationException, ServiceUnavailableException
from lumen.live_client import BINARY, MAX_MESSAGE, event_of

SESSIONS: Final = (1, 2, 4)
ANSWERS: Final = 6
INTERRUPTIONS: Final = 20
EVENT_SECONDS: Final = 120.0
PLAYER_LEAD: Final = 0.2
"""Seconds that a player keeps ahead: a fragment that is later than that makes it stand still."""

TEXT: Final = (
    "Good morning, and thank you for asking. The weather today is mild, with some clouds in the evening. "
    "Would you like to hear what comes tomorrow?"
)


@dataclass(frozen=True)
class Answer:
    """Times of one answer, in seconds from its request.

    Attributes:
        first: until its first fragment. late: of the fragment that came latest, against its place.
        drift: length of the picture less that of the sound, by their time stamps.
        seconds: of the picture.
    """

    first: float
    late: float
    drift: float
    seconds: float


@dataclass(frozen=True)
class Cut:
    """Times of an interruption, in seconds from its sending.

    Attributes:
        last: until the last fragment; 0 when none came any more. done: until the response had ended.
    """

    last: float
    done: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when nothing answers."""
    return run_benchmark(__doc__, add_arguments, measure, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API")
    parser.add_argument("--sessions", type=int, nargs="+", default=SESSIONS, help="conversations at once")
    parser.add_argument("--answers", type=int, default=ANSWERS, help="of each conversation")
    parser.add_argument("--interruptions", type=int, default=INTERRUPTIONS, help="one after the other")
    parser.add_argument("--side", type=int, default=256, help="of the picture, in pixels")
    parser.add_argument("--text", default=TEXT, help="what is asked; the echo writer says it itself")


def measure(options: argparse.Namespace) -> Report:
    """Converse under each load, then interrupt."""
    try:
        loads, cuts, parts = asyncio.run(_measure(options))
    except (OSError, WebSocketException) as error:
        raise ServiceUnavailableException(f"{options.url} does not answer: {error}") from error
    interruption = {
        "last_fragment_s": _percentiles([cut.last for cut in cuts]),
        "done_s": _percentiles([cut.done for cut in cuts]),
        "interruptions": len(cuts),
    }
    about = {"text": options.text, "side": options.side, "parts": parts}
    tables = [_load_table(loads), _cut_table(interruption)]
    return Report({**about, "loads": loads, "interruption": interruption}, tables)


async def _measure(options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Cut], dict[str, str]]:
    async with _Client(options) as client:
        await client.answer()
        parts = client.parts
    loads = [await _load(options, count) for count in options.sessions]
    async with _Client(options) as client:
        cuts = [await client.interrupted() for _ in range(options.interruptions)]
    return loads, cuts, parts


async def _load(options: argparse.Namespace, count: int) -> dict[str, Any]:
    """Answers of ``count`` conversations at once."""

    async def converse() -> list[Answer]:
        async with _Client(options) as client:
            return [await client.answer() for _ in range(options.answers)]

    answers = [answer for one in await asyncio.gather(*(converse() for _ in range(count))) for answer in one]
    return {
        "sessions": count,
        "answers": len(answers),
        "first_fragment_s": _percentiles([answer.first for answer in answers]),
        "late_s": _percentiles([answer.late for answer in answers]),
        "smooth": sum(answer.late <= PLAYER_LEAD for answer in answers),
        "drift_ms": round(1000 * max((abs(answer.drift) for answer in answers), default=0.0), 1),
        "seconds": round(sum(answer.seconds for answer in answers), 1),
    }


class _Client:
    """A client in one conversation, which it opens and closes as a context manager."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._url = options.url.replace("http", "ws", 1) + "/v1/realtime"
        self._side = options.side
        self._text = options.text
        self.parts: dict[str, str] = {}

    async def __aenter__(self) -> "_Client":
        self._socket: ClientConnection = await connect(self._url, subprotocols=[BINARY], max_size=MAX_MESSAGE)
        self.parts = (await self._until("session.created"))["session"]["parts"]
        size = {"width": self._side, "height": self._side}
        avatar = {"video": {"codec": "h264", "resolution": size}}
        await self._send("session.update", session={"type": "realtime", "avatar": avatar})
        await self._until("session.updated")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def answer(self) -> Answer:
        """Ask, and play the answer as it comes."""
        start = await self._ask()
        film, first, late, until = b"", 0.0, 0.0, 0.0
        while (event := await self._next())["type"] != "response.done":
            if event["type"] == "response.video.delta":
                now = time.perf_counter()
                first = first or now
                late = max(late, now - first - until)
                until = event["video_end_ms"] / 1000
                film += event["delta"]
                await self._send(
                    "output_audio_buffer.played",
                    response_id=event["response_id"],
                    audio_end_ms=round(1000 * min(now - first, until)),
                )
        if not film:
            raise GenerationException(f"There was no picture: {event['response']['status_details']}")
        drift, seconds = _lengths(film)
        # The next answer is played after this one: what is ahead would count as late otherwise.
        await self._played(until - (time.perf_counter() - first))
        return Answer(first - start, late, drift, seconds)

    async def interrupted(self) -> Cut:
        """Ask, and interrupt the answer when its picture has begun."""
        await self._ask()
        await self._until("response.video.delta")
        start, last = time.perf_counter(), 0.0
        await self._send("response.cancel")
        while (event := await self._next())["type"] != "response.done":
            if event["type"] == "response.video.delta":
                last = time.perf_counter() - start
        return Cut(last, time.perf_counter() - start)

    async def _ask(self) -> float:
        content = [{"type": "input_text", "text": self._text}]
        item = {"type": "message", "role": "user", "content": content}
        await self._send("conversation.item.create", item=item)
        start = time.perf_counter()
        await self._send("response.create")
        return start

    async def _played(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
        await self._send("output_audio_buffer.clear")

    async def _until(self, kind: str) -> dict[str, Any]:
        while (event := await self._next())["type"] != kind:
            pass
        return event

    async def _next(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self._socket.recv(), EVENT_SECONDS)
        event = event_of(message)
        if event["type"] == "error" and event["error"]["code"] != "response_cancel_not_active":
            raise GenerationException(event["error"]["message"])
        return event

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))


def _lengths(film: bytes) -> tuple[float, float]:
    """Seconds by which the picture is longer than the sound, and of the picture."""
    ends = {"video": 0.0, "audio": 0.0}
    with av.open(io.BytesIO(film), "r") as container:
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                ends[packet.stream.type] = max(ends[packet.stream.type], end)
    return ends["video"] - ends["audio"], ends["video"]


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(values, p)), 4) for p in PERCENTILES} if values else {}


def _load_table(loads: Sequence[dict[str, Any]]) -> Table:
    rows = [
        (
            str(load["sessions"]),
            joined_percentiles(load["first_fragment_s"]),
            joined_percentiles(load["late_s"]),
            f"{load['smooth']} of {load['answers']}",
            f"{load['drift_ms']:g}",
        )
        for load in loads
    ]
    columns = ["first fragment s", "latest fragment s", "smooth answers", "drift ms"]
    return table_of("Live conversations, p50 / p95 / p99", ["sessions"], columns, rows)


def _cut_table(cut: dict[str, Any]) -> Table:
    row = (
        str(cut["interruptions"]),
        joined_percentiles(cut["last_fragment_s"]),
        joined_percentiles(cut["done_s"]),
    )
    columns = ["interruptions", "last fragment s", "ended s"]
    return table_of("Interruptions, p50 / p95 / p99", [], columns, [row])


if __name__ == "__main__":
    sys.exit(main())
