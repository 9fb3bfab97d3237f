"""Avatars and voices that users keep in a cluster while its APIs have no disk in common.

Each check ends in "" or in what went wrong.
"""

import asyncio
import time
from collections import Counter
from typing import Any, Final, Protocol

import httpx

from bench.cluster import Cluster
from lumen.settings import PROJECT_ROOT

AVATARS, VOICES = "/api/avatars", "/api/voices"

PORTRAIT: Final = PROJECT_ROOT / "assets" / "portraits" / "ada.png"

SPEECH: Final = (
    "This is a recording of somebody who has a few sentences to say, so that there is enough of a voice."
)

PATIENCE_SECONDS: Final = 90.0
"""Time for which a client asks again as it was told to."""


class Asks(Protocol):
    """A client of a cluster: each call asks its balancer, or one API by its address."""

    cluster: Cluster

    async def post(self, path: str, body: dict[str, Any], base: str | None = None) -> httpx.Response: ...

    async def get(self, path: str, base: str | None = None) -> httpx.Response: ...

    async def delete(self, path: str, base: str | None = None) -> httpx.Response: ...

    async def upload(self, path: str, base: str, **files: bytes) -> httpx.Response: ...


def portrait(number: int) -> bytes:
    """A file with the bundled portrait that is another file for each number."""
    return PORTRAIT.read_bytes() + number.to_bytes(4, "big")


async def shared_avatar(client: Asks) -> str:
    """An avatar of one API is found, filmed and removed at the other, and is gone from the first."""
    first, second = client.cluster.apis
    made = await client.upload(AVATARS, first, portrait_file=portrait(99))
    if made.status_code != httpx.codes.CREATED:
        return _said("avatar made", made)
    avatar = made.json()["id"]
    listed = [card["id"] for card in (await client.get(AVATARS, second)).json()["avatars"]]
    if avatar not in listed:
        return f"avatar at the other API: it lists {listed}"
    use = {"prompt": "Hello.", "avatar": avatar}
    if disks := list(client.cluster.folder.glob("api-*/avatars")):
        return f"avatars lie on a disk: {disks}"
    filmed = await client.post("/api/generate/full", use, second)
    if not filmed.is_success:
        return _said("avatar filmed at the other API", filmed)
    return await _gone(client, f"{AVATARS}/{avatar}", "/api/generate/full", use)


async def shared_voice(client: Asks) -> str:
    """A voice of one API speaks at the other, is removed there, and is gone from the first."""
    first, second = client.cluster.apis
    spoken = await client.post("/api/generate/tts", {"text": SPEECH}, first)
    recording = await client.get(spoken.json()["audio_url"], first)
    made = await client.upload(VOICES, first, audio=recording.content)
    if made.status_code != httpx.codes.CREATED:
        return _said("voice made", made)
    voice = made.json()["id"]
    use = {"text": "Hello.", "voice": made.json()["name"]}
    heard = await client.post("/api/generate/tts", use, second)
    if not heard.is_success:
        return _said("voice at the other API", heard)
    return await _gone(client, f"{VOICES}/{voice}", "/api/generate/tts", use)


async def _gone(client: Asks, path: str, used_at: str, use: dict[str, Any]) -> str:
    """Remove something at the second API; it is used once more at the first, which refuses that at once."""
    first, second = client.cluster.apis
    used = await client.post(used_at, use, first)
    if not used.is_success:
        return _said(f"{path} at its own API", used)
    removed = await client.delete(path, second)
    if removed.status_code != httpx.codes.NO_CONTENT:
        return _said(f"{path} removed", removed)
    for again in (await client.get(path, first), await client.post(used_at, use, first)):
        if again.status_code != httpx.codes.NOT_FOUND:
            return _said(f"{path} after its removal", again)
    return ""


async def kill_making(client: Asks, avatars: int) -> int:
    """Ask the first API for avatars, and kill it when it has answered the first one; how many it answered."""
    process, first = client.cluster.processes["api-1"], client.cluster.apis[0]
    made = [
        asyncio.create_task(client.upload(AVATARS, first, portrait_file=portrait(number)))
        for number in range(avatars)
    ]
    await asyncio.wait(made, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(process.kill)
    answers = await asyncio.gather(*made, return_exceptions=True)
    return sum(isinstance(answer, httpx.Response) and answer.is_success for answer in answers)


async def whole_after_kill(client: Asks, number: int) -> str:
    """An avatar whose making was broken off is not there, or is whole; the same picture makes it then."""
    second = client.cluster.apis[1]
    before = [card["id"] for card in (await client.get(AVATARS, second)).json()["avatars"]]
    made = await client.upload(AVATARS, second, portrait_file=portrait(number))
    if not made.is_success:
        return _said("avatar made anew", made)
    avatar = made.json()["id"]
    if (avatar in before) != (made.status_code == httpx.codes.OK):
        return f"avatar {avatar}: {made.status_code}, but it was {'' if avatar in before else 'not '}listed"
    filmed = await client.post("/api/generate/video", {"idle_seconds": 0.4, "avatar": avatar}, second)
    return "" if filmed.is_success else _said("avatar filmed", filmed)


async def make_avatar(client: Asks) -> str:
    """Make an avatar that stays; its id."""
    made = await client.upload(AVATARS, client.cluster.apis[0], portrait_file=PORTRAIT.read_bytes())
    return str(made.raise_for_status().json()["id"])


async def insist(client: Asks, number: int, avatar: str | None, answers: Counter[int]) -> str:
    """Make an avatar, or a clip of ``avatar``, and ask again whenever the answer says when.

    Args:
        answers: counts them by their status.
    """
    base, begun = client.cluster.apis[number % 2], time.monotonic()
    while time.monotonic() - begun < PATIENCE_SECONDS:
        if avatar is None:
            answer = await client.upload(AVATARS, base, portrait_file=portrait(100 + number))
        else:
            answer = await client.post("/api/generate/video", {"idle_seconds": 0.4, "avatar": avatar}, base)
        answers[answer.status_code] += 1
        if answer.is_success:
            return ""
        pause = answer.headers.get("retry-after")
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or pause is None:
            return _said("while S3 is away", answer)
        await asyncio.sleep(float(pause))
    return f"not served within {PATIENCE_SECONDS:g} s"


def _said(what: str, answer: httpx.Response) -> str:
    return f"{what}: {answer.status_code} {answer.text[:200]}"
