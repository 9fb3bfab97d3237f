"""A day's mix of requests at once: most are proper, some are garbage, some clients leave before the answer.

    python -m bench.mixed_load [--requests 1000] [--garbage 0.1] [--cancelled 0.1] [--clients 6] [--seed 1]

Serves the starter profile in a process of its own. Every kind of proper request is answered once alone; under
the load each answer must have the same samples and pixels, whatever goes on beside it. Garbage must be
refused with a 4xx in the one shape of errors. In the end nothing may be left: no clip under way, no file that
no answer named, no unfinished file, no shared memory. Then one JSON line.
"""

import argparse
import asyncio
import hashlib
import io
import random
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import httpx

from bench.load import Outcome, Sample, closed_loop
from bench.runner import Report, joined_percentiles, run_benchmark, table_of
from bench.service import Served, serving
from lumen.errors import GenerationException
from lumen.triton.guard import SHARED_MEMORY

WORDS: Final = "A short one."
LATEST_LEAVE: Final = 0.6
"""Seconds after which an impatient client has left."""

NETWORK: Final = "127.1.0"
"""First numbers of the clients' addresses."""

FREE: Final = {"RATE_LIMIT": "1000000/minute"}
"""Settings of the service: the clients stand for many more than they are."""


@dataclass(frozen=True)
class Case:
    """A kind of request.

    Attributes:
        name: of the kind.
        arguments: of `httpx.AsyncClient.request`.
        files: fields of the answer that are addresses of files.
        field: of the answer that is the same each time; "" for the whole body.
    """

    name: str
    arguments: Mapping[str, Any]
    files: Sequence[str] = ()
    field: str = ""


def _post(name: str, path: str, made: Sequence[str] = (), same: str = "", **arguments: Any) -> Case:
    return Case(name, {"method": "POST", "url": f"/api/generate/{path}", **arguments}, made, same)


def _hum(seconds: float, rate: int = 16_000) -> bytes:
    """A WAV file of a sound that comes and goes."""
    samples = (i * 197 % 9001 * (i // 1600 % 2) for i in range(round(seconds * rate)))
    with io.BytesIO() as data:
        with wave.open(data, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(b"".join(sample.to_bytes(2, "little") for sample in samples))
        return data.getvalue()


NO_PICTURE: Final = {"portrait_file": ("p.png", b"\x89PNG\r\n\x1a\n" + bytes(60))}
NO_CHARSET: Final = {"Content-Type": "multipart/form-data; charset=idna; boundary=B"}
SMALL: Final = {"seed": "5", "size": "256"}

PROPER: Final = (
    _post("text", "text", (), "text", json={"prompt": "How are you?"}),
    _post("speech", "tts", ("audio_url",), json={"text": WORDS, "seed": 7}),
    _post("speech in French", "tts", (), "audio_seconds", json={"text": "Bonjour.", "language": "fr"}),
    _post("streamed speech", "tts", json={"text": WORDS, "seed": 7, "stream": True}),
    _post("idle video", "video", ("video_url",), json={"idle_seconds": 0.4, "seed": 3, "size": 256}),
    _post(
        "video",
        "video",
        ("video_url",),
        data=SMALL,
        files={"audio": ("a.wav", _hum(0.8))},
    ),
    _post("clip", "full", ("audio_url", "video_url"), json={"prompt": WORDS, "seed": 7, "size": 256}),
    Case("status", {"method": "GET", "url": "/api/status"}, field="parts"),
)

GARBAGE: Final = (
    _post("no JSON", "full", content=b"\xff\x00{", headers={"Content-Type": "application/json"}),
    _post("empty", "full", content=b""),
    _post("unknown key", "tts", json={"text": WORDS, "colour": "red"}),
    _post("wrong type", "full", json={"prompt": ["a"], "seed": "x"}),
    _post("no words", "tts", json={"text": "\u200b \u2063"}),
    _post("no sound", "video", files={"audio": ("a.wav", b"RIFF" + bytes(40))}),
    _post("cut sound", "video", files={"audio": ("a.wav", _hum(0.8)[:9000])}),
    _post("no picture", "full", data={"prompt": WORDS}, files=NO_PICTURE),
    _post("a way out", "video", json={"audio_url": "/outputs/../../etc/passwd"}),
    _post("many keys", "text", json={"prompt": WORDS, **{f"k{i}": i for i in range(2000)}}),
    _post("slow charset", "full", content=b"--B--", headers=NO_CHARSET),
    Case("no such path", {"method": "GET", "url": "/api/nothing"}),
    Case("wrong method", {"method": "PATCH", "url": "/api/generate/tts"}),
)
"""Requests that must be refused."""


@dataclass
class Seen:
    """Observations of the clients: statuses, what was wrong, files that answers named, requests by kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Load:
    """Jobs of a load; each is a request of a client with an address of its own.

    Args:
        options: of the command line.
    """

    def __init__(self, served: Served, options: argparse.Namespace) -> None:
        self._random = random.Random(options.seed)
        self._options = options
        transports = [
            httpx.AsyncHTTPTransport(local_address=f"{NETWORK}.{i + 1}") for i in range(options.clients)
        ]
        self._clients = [httpx.AsyncClient(base_url=served.url, transport=t, timeout=300) for t in transports]
        self._expected: dict[str, str] = {}
        self.seen = Seen()

    async def learn(self) -> None:
        """Have every proper request answered alone."""
        for case in PROPER:
            answer = await self._clients[0].request(**case.arguments)
            if answer.status_code != httpx.codes.OK:
                raise GenerationException(f"{case.name}: {answer.status_code} {answer.text[:300]}")
            self._expected[case.name] = await self._identity(self._clients[0], case, answer)

    async def __call__(self) -> Sample:
        """Ask for something, and check the answer."""
        client, chance = self._clients.pop(), self._random.random()
        try:
            if chance < self._options.garbage:
                return await self._refused(client, self._random.choice(GARBAGE))
            if chance < self._options.garbage + self._options.cancelled:
                return await self._left(client, self._random.choice(PROPER[1:-1]))
            return await self._answered(client, self._random.choice(PROPER))
        finally:
            self._clients.append(client)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    async def _answered(self, client: httpx.AsyncClient, case: Case) -> Sample:
        start = time.perf_counter()
        answer = await self._ask(client, case, case.name)
        seconds = time.perf_counter() - start
        if answer.status_code != httpx.codes.OK:
            self._complain(case, answer)
        elif await self._identity(client, case, answer) != self._expected[case.name]:
            self.seen.wrong.append(f"{case.name}: not what it is alone")
        return Sample(seconds)

    async def _refused(self, client: httpx.AsyncClient, case: Case) -> Sample:
        start = time.perf_counter()
        answer = await self._ask(client, case, "garbage")
        if not answer.is_client_error or set(answer.json()) < {"error", "message", "request_id"}:
            self._complain(case, answer)
        return Sample(time.perf_counter() - start)

    async def _left(self, client: httpx.AsyncClient, case: Case) -> Sample:
        start = time.perf_counter()
        self.seen.kinds["cancelled"] += 1
        asking = asyncio.create_task(client.request(**case.arguments))
        await asyncio.wait([asking], timeout=self._random.uniform(0, LATEST_LEAVE))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return Sample(time.perf_counter() - start)

    async def _ask(self, client: httpx.AsyncClient, case: Case, kind: str) -> httpx.Response:
        answer = await client.request(**case.arguments)
        self.seen.kinds[kind] += 1
        self.seen.statuses[str(answer.status_code)] += 1
        return answer

    def _complain(self, case: Case, answer: httpx.Response) -> None:
        self.seen.wrong.append(f"{case.name}: {answer.status_code} {answer.text[:200]}")

    async def _identity(self, client: httpx.AsyncClient, case: Case, answer: httpx.Response) -> str:
        """Hash of what is the same in each answer to a request."""
        if case.field:
            value = answer.json()[case.field]
            return str(
                round(value, 1) if isinstance(value, float) else value
            )  # eSpeak's length varies by 1 ms
        if not case.files:
            return _content(answer.content)
        files = [await client.get(answer.json()[name]) for name in case.files]
        return " ".join(_content(file.content) for file in files)


def _client(served: Served, number: int) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(local_address=f"{NETWORK}.{number}")
    return httpx.AsyncClient(base_url=served.url, transport=transport, timeout=300)


def measure(options: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory(prefix="lumen-mixed-") as folder:
        with serving(Path(folder), FREE) as served:
            outcome, seen, active = asyncio.run(_measure(served, options))
            peak, left = served.peak_bytes(), unnamed_files(served)
            unfinished, log = served.unfinished(), served.log()
        segments = [path.name for path in SHARED_MEMORY.glob(f"lumen_*_{served.process.pid}_*")]
    result = {
        "requests": options.requests,
        "seconds": round(outcome.seconds, 1),
        "kinds": dict(seen.kinds),
        "statuses": dict(seen.statuses),
        "answered_s": outcome.percentiles(lambda sample: sample.total),
        "wrong": seen.wrong,
        "errors": list(outcome.errors),
        "failed": {status: n for status, n in seen.statuses.items() if status >= "500"},
        "tracebacks": log.count("Traceback"),
        "left_active": active,
        "left_unfinished": unfinished,
        "left_unnamed": left,
        "left_shared_memory": segments,
        "peak_mb": round(peak / 1e6),
    }
    names = ("wrong", "errors", "failed", "tracebacks")
    passed = not any(
        result[name] for name in (*names, *(name for name in result if name.startswith("left_")))
    )
    rows = [(name, str(value)) for name, value in result.items()]
    rows.insert(4, ("all, p50 / p95 / p99 s", joined_percentiles(outcome.percentiles(lambda s: s.total))))
    return Report(result, [table_of("Mixed load", ["measure", "value"], [], rows)], passed)


async def _measure(served: Served, options: argparse.Namespace) -> tuple[Outcome, Seen, int]:
    load = Load(served, options)
    await load.learn()
    outcome = await closed_loop(load, options.clients, options.requests)
    active = await served.active_when_quiet()
    await load.learn()
    await load.close()
    return outcome, load.seen, active


def unnamed_files(served: Served) -> list[str]:
    """Files of requests that were not answered with success, by the log."""
    answered = set()
    for line in served.log().splitlines():
        if " - 200 - " in line and "[" in line:
            answered.add(line.partition("[")[2].partition("]")[0])
    files = [path for path in (served.folder / "outputs").rglob("*.*") if path.is_file()]
    return [path.name for path in files if path.stem not in answered]


def _content(data: bytes) -> str:
    """Hash of the samples and pixels of a file: its metadata name the request that made it."""
    digest = hashlib.sha256()
    with av.open(io.BytesIO(data), "r") as file:
        for frame in file.decode(*file.streams.audio[:1], *file.streams.video[:1]):
            if isinstance(frame, av.AudioFrame | av.VideoFrame):
                digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()[:16]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--garbage", type=float, default=0.1, help="share of requests that are garbage")
    parser.add_argument("--cancelled", type=float, default=0.1, help="share whose client leaves early")
    parser.add_argument("--clients", type=int, default=6, help="clients that ask at once")
    parser.add_argument("--seed", type=int, default=1)


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
