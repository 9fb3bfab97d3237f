"""Clients that a service in the open meets: each wants to stop it, in one way, from an address of its own.

All are bounded in count and time, and talk to 127.0.0.1 alone. They run in a process of their own that gives
way to all others, as a stranger's computer is elsewhere. It ends with its standard input or its time;
its last line is JSON that says how it was answered.

    python -m bench.hostile_clients PORT SECONDS NETWORK NAME ...
"""

import asyncio
import io
import json
import math
import os
import sys
import wave
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import httpx

from bench.service import HOST

NICENESS: Final = 10
"""Niceness of the strangers' process."""

HALF_A_HEAD: Final = b"GET / HTTP/1.1\r\nHost: x\r\nX-"
HALF_HEADS: Final = 600

AGAIN_SECONDS: Final = 2.0
"""Until a connection that was cut off is opened again."""

TRICKLES: Final = 60
TRICKLE_BYTES: Final = 2_000_000
"""Bytes that a trickled upload sends at once; then come single ones."""

KEYS: Final = 60_000
CLIPS: Final = 8
CLIP_SECONDS: Final = 120
CLIP_RATE: Final = 8_000

PAUSE_SECONDS: Final = 0.2
"""Between two requests of one client: a stranger's computer does other things too."""


@dataclass
class Target:
    """The API under attack: its port, until when (of the loop's clock), and how it answered, by status.

    Attributes:
        network: third number of the strangers' addresses: those of another one were not met before.
    """

    port: int
    until: float
    network: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def left(self) -> float:
        """Seconds until the end."""
        return self.until - asyncio.get_running_loop().time()

    def address(self, host: int) -> str:
        """Address of a stranger."""
        return f"127.0.{self.network}.{host}"

    def client(self, host: int) -> httpx.AsyncClient:
        """A client that comes from the address of ``host``."""
        transport = httpx.AsyncHTTPTransport(local_address=self.address(host))
        return httpx.AsyncClient(base_url=f"http://{HOST}:{self.port}", transport=transport, timeout=None)

    async def connect(self, host: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port, local_addr=(self.address(host), 0))


class Attack(Protocol):
    """A hostile client: runs until the target's time is over."""

    __name__: str

    async def __call__(self, target: Target) -> None: ...


async def half_heads(target: Target) -> None:
    """Hundreds of connections whose head never ends."""

    async def one() -> None:
        while target.left() > 0:
            with suppress(OSError):
                reader, writer = await target.connect(2)
                writer.write(HALF_A_HEAD)
                await _until_closed(target, reader)
                writer.close()
            await asyncio.sleep(AGAIN_SECONDS)

    await asyncio.gather(*(one() for _ in range(HALF_HEADS)))


async def trickled_bodies(target: Target) -> None:
    """Uploads that send megabytes and then a byte at a time."""
    head = (
        b"POST /api/generate/video HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n"
        b"Content-Type: multipart/form-data; boundary=BB\r\n\r\n"
        b'--BB\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    )

    async def one() -> None:
        with suppress(OSError):
            _, writer = await target.connect(3)
            writer.write(head + bytes(TRICKLE_BYTES))
            while target.left() > 0:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(1.0)
            writer.close()

    await asyncio.gather(*(one() for _ in range(TRICKLES)))


async def costly_json(target: Target) -> None:
    """JSON of many unknown keys, under the limit of its size and over it."""
    bodies = [_keys(KEYS), _keys(30 * KEYS)]
    headers = {"Content-Type": "application/json"}
    await _repeat(target, 4, "/api/generate/text", bodies, headers)


async def costly_charsets(target: Target) -> None:
    """Forms in charsets whose decoders take the square of the time."""
    text = b"xn--" + b"a" * 900_000
    body = b'--BB\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + text + b"\r\n--BB--\r\n"
    headers = {"Content-Type": "multipart/form-data; charset=idna; boundary=BB"}
    await _repeat(target, 5, "/api/generate/full", [body], headers)


async def long_clips(target: Target) -> None:
    """Eight clips of two minutes at once, and again."""
    sound = _tone(CLIP_SECONDS)

    async def one(client: httpx.AsyncClient) -> None:
        while target.left() > 0:
            files = {"audio": ("a.wav", sound)}
            with suppress(httpx.TransportError):
                answer = await client.post("/api/generate/video", files=files)
                target.answers[str(answer.status_code)] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async with target.client(6) as client:
        tasks = [asyncio.create_task(one(client)) for _ in range(CLIPS)]
        await asyncio.wait(tasks, timeout=target.left())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def odd_requests(target: Target) -> None:
    """Escape sequences, forged addresses, endless names, broken chunks, what is no HTTP at all."""
    sent = [
        b"\x1b[2J\r\n\r\n",
        b"GET /%1b%5b2J HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \x1b[2J\r\nConnection: close\r\n\r\n",
        b"GET /outputs/audio/" + b"a" * 300 + b".wav HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /api/generate/text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    while target.left() > 0:
        for data in sent:
            with suppress(OSError):
                reader, writer = await target.connect(7)
                writer.write(data)
                await _until_closed(target, reader)
                writer.close()
            await asyncio.sleep(PAUSE_SECONDS)


async def unread_answers(target: Target) -> None:
    """Requests whose answers nobody reads."""
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

    async def one() -> None:
        with suppress(OSError):
            reader, writer = await target.connect(8)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(ask * 200)
            await asyncio.sleep(max(0.0, target.left()))
            del reader
            writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(20)))


ATTACKS: Final[tuple[Attack, ...]] = (
    half_heads,
    trickled_bodies,
    costly_json,
    costly_charsets,
    long_clips,
    odd_requests,
    unread_answers,
)


async def _repeat(target: Target, host: int, path: str, bodies: list[bytes], headers: dict[str, str]) -> None:
    async with target.client(host) as client:
        while target.left() > 0:
            for body in bodies:
                with suppress(httpx.TransportError):
                    answer = await client.post(path, content=body, headers=headers)
                    target.answers[str(answer.status_code)] += 1
                await asyncio.sleep(PAUSE_SECONDS)


async def _until_closed(target: Target, reader: asyncio.StreamReader) -> None:
    with suppress(asyncio.TimeoutError):
        answer = await asyncio.wait_for(reader.read(), max(0.1, target.left()))
        if answer.startswith(b"HTTP/1.1 "):
            target.answers[answer.split()[1].decode()] += 1


def _keys(n: int) -> bytes:
    return b'{"prompt": "Hi", ' + b", ".join(b'"%x": 1' % i for i in range(n)) + b"}"


def _tone(seconds: int) -> bytes:
    """A WAV file of a tone that swells four times a second, as speech does."""
    with io.BytesIO() as data:
        with wave.open(data, "wb") as file:
            file.setparams((1, 1, CLIP_RATE, 0, "NONE", ""))
            second = bytes(
                round(128 + 100 * math.sin(math.pi * 4 * i / CLIP_RATE) ** 2 * math.sin(i * 0.7))
                for i in range(CLIP_RATE)
            )
            file.writeframes(second * seconds)
        return data.getvalue()


async def _main(port: int, seconds: float, network: int, names: Sequence[str]) -> str:
    """Run the strangers of these names; says how they were answered, as JSON."""
    target = Target(port, asyncio.get_running_loop().time() + seconds, network)
    strangers = [asyncio.ensure_future(attack(target)) for attack in ATTACKS if attack.__name__ in names]
    stopping = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait(
        [asyncio.gather(*strangers, return_exceptions=True), stopping], return_when=asyncio.FIRST_COMPLETED
    )
    for stranger in strangers:
        stranger.cancel()
    ended = await asyncio.gather(*strangers, return_exceptions=True)
    errors = [repr(error) for error in ended if isinstance(error, Exception)]
    return json.dumps({"answers": target.answers, "errors": errors})


if __name__ == "__main__":
    os.nice(NICENESS)
    port, seconds, network, *names = sys.argv[1:]
    sys.stdout.write(asyncio.run(_main(int(port), float(seconds), int(network), names)))
