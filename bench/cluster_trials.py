"""A cluster that loses its parts: what clients notice when a Triton, an API, Redis or S3 goes away.

    python -m bench.cluster_trials

Starts the cluster of `bench.cluster`, makes clips through its balancer, and kills processes. Ends in
one line of JSON; the status is 1 when a client noticed what it must not.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench.cluster import Cluster, Process, running_cluster
from bench.cluster_kept import (
    insist,
    kill_making,
    make_avatar,
    shared_avatar,
    shared_voice,
    whole_after_kill,
)
from bench.runner import Report, run_benchmark, table_of
from lumen.errors import LumenException
from lumen.live_client import LiveClient

TEXT: Final = (
    "Good morning, and thank you for asking. The weather is mild today, with some clouds in the evening."
)

ANSWER_SECONDS: Final = 180.0
POLL_SECONDS: Final = 0.2

CONVERSATIONS: Final = 4
"""Live conversations beside the clips when a Triton is killed."""

STALL_SECONDS: Final = 2.0
"""Longest time that a live picture may stand still then."""

AWAY_SECONDS: Final = 10.0
"""Time for which Redis, or the S3 server, is away."""

SETTINGS: Final = {
    "RATE_LIMIT": "100000/minute",
    "CLIENT_SHARE": "1",
    "MAX_CONCURRENT_CLIPS": "16",
    "DRAIN_SECONDS": "4",
    "REQUIRE_KEYS": "off",
}
"""Everything comes from one address, which must not be what refuses it."""

XTTS: Final = {"VOICE": "xtts"}

TRIALS: Final = ("endpoints", "making", "kept", "triton", "api", "redis", "s3", "rolling")


@dataclass(frozen=True)
class Trial:
    """Outcome of a trial.

    Attributes:
        asked, succeeded: requests. failures: what was answered to the others.
        longest_s: of the request that took longest.
    """

    name: str
    asked: int
    succeeded: int
    longest_s: float
    failures: tuple[str, ...] = ()
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.succeeded == self.asked


class Client:
    """Asks the cluster through its balancer."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        limits = httpx.Limits(max_keepalive_connections=0)  # a new connection may go to another API
        self._http = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, limits=limits, trust_env=False, follow_redirects=True
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, path: str, body: dict[str, Any], base: str | None = None) -> httpx.Response:
        """Post JSON to the balancer, or to ``base``."""
        return await self._http.post((base or self.cluster.url) + path, json=body)

    async def get(self, path: str, base: str | None = None) -> httpx.Response:
        return await self._http.get((base or self.cluster.url) + path)

    async def upload(self, path: str, base: str, **files: bytes) -> httpx.Response:
        named = {name: (f"{name}.png", data) for name, data in files.items()}
        return await self._http.post(base + path, files=named)

    async def delete(self, path: str, base: str | None = None) -> httpx.Response:
        return await self._http.delete((base or self.cluster.url) + path)

    async def clip(self, seed: int) -> str:
        """Make a clip and fetch it; "" when both worked, else what was answered."""
        made = await self.post("/api/generate/full", {"prompt": TEXT, "size": 256, "seed": seed})
        if made.status_code != httpx.codes.OK:
            return f"{made.status_code} {made.text[:200]}"
        film = await self.get(made.json()["video_url"])
        return "" if film.content[4:8] == b"ftyp" else f"video: {film.status_code}"

    async def post_jobs(self, count: int, base: str | None = None) -> list[httpx.Response]:
        """Ask for clips in the background."""
        bodies = [{"prompt": TEXT, "seed": seed, "size": "256x256"} for seed in range(count)]
        return [await self.post("/v1/videos", body, base) for body in bodies]

    async def job_status(self, posted: httpx.Response, base: str | None = None) -> str:
        job = await self.get(f"/v1/videos/{posted.json()['id']}", base)
        return str(job.json().get("status", job.text[:200]))

    async def finish_job(self, posted: httpx.Response, base: str | None = None) -> str:
        """Wait for the end of a job and fetch its clip; "" when both worked."""
        if not posted.is_success:
            return f"{posted.status_code} {posted.text[:200]}"
        deadline, status = time.monotonic() + ANSWER_SECONDS, ""
        while time.monotonic() < deadline and status not in ("completed", "failed"):
            await asyncio.sleep(POLL_SECONDS)
            status = await self.job_status(posted, base)
        if status != "completed":
            return status
        film = await self.get(f"/v1/videos/{posted.json()['id']}/content", base)
        return "" if film.content[4:8] == b"ftyp" else f"video: {film.status_code}"

    async def converse(self) -> str:
        """Have a question answered live; "" when no player would have stood still for `STALL_SECONDS`."""
        first, until, late, status = 0.0, 0.0, 0.0, "no end"
        async with LiveClient(self.cluster.url) as live:
            size = {"video": {"resolution": {"width": 256, "height": 256}}}
            await live.send("session.update", session={"type": "realtime", "avatar": size})
            await live.say(TEXT)
            async for event in live.events():
                if event["type"] == "response.video.delta":
                    now = time.monotonic()
                    first = first or now
                    late, until = max(late, now - first - until), event["video_end_ms"] / 1000
                    heard = round(1000 * min(now - first, until))
                    played = {"response_id": event["response_id"], "audio_end_ms": heard}
                    await live.send("output_audio_buffer.played", **played)
                elif event["type"] == "response.done":
                    status = event["response"]["status"]
                    break
        if status != "completed":
            return f"the answer was {status}"
        return "" if late <= STALL_SECONDS else f"the picture stood still for {late:.1f} s"


async def _together(name: str, work: Sequence[Awaitable[str]], note: str = "") -> Trial:
    """Trial of requests that run at once, each of which ends in "" or in what went wrong."""
    longest = 0.0

    async def timed(one: Awaitable[str]) -> str:
        nonlocal longest
        start = time.monotonic()
        try:
            return await one
        except (httpx.HTTPError, LumenException) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            longest = max(longest, time.monotonic() - start)

    failures = tuple(said for said in await asyncio.gather(*map(timed, work)) if said)
    return Trial(name, len(work), len(work) - len(failures), round(longest, 2), failures, note)


async def every_endpoint(client: Client) -> Trial:
    """Ask each endpoint through the balancer; what users keep at one API is used and removed at the other."""

    async def found(path: str) -> str:
        answer = await client.get(path)
        return "" if answer.is_success else f"{path}: {answer.status_code}"

    async def made(path: str, body: dict[str, Any]) -> str:
        answer = await client.post(path, body)
        return "" if answer.is_success else f"{path}: {answer.status_code} {answer.text[:200]}"

    paths = (
        "/",
        "/health",
        "/livez",
        "/readyz",
        "/api/status",
        "/docs",
        "/chat",
        "/api/avatars",
        "/api/voices",
    )
    bodies = (
        ("/api/generate/text", {"prompt": "Hello."}),
        ("/api/generate/tts", {"text": "Hello."}),
        ("/api/generate/video", {"idle_seconds": 1, "size": 256}),
        ("/api/generate/full", {"prompt": "Hello.", "size": 256}),
    )
    work = [*map(found, paths), *(made(*body) for body in bodies), shared_avatar(client)]
    clones = (await client.get("/api/status")).json()["parts"]["voice"] == "xtts"
    if clones:
        work.append(shared_voice(client))
    return await _together("every endpoint", work, "with voices" if clones else "no voices without XTTS")


async def making_killed(client: Client, avatars: int) -> Trial:
    """Avatars of an API that is killed while it makes them: each is there whole or not at all."""
    answered = await kill_making(client, avatars)
    work = [whole_after_kill(client, number) for number in range(avatars)]
    trial = await _together("kill -9 of an API that makes avatars", work, f"{answered} were answered before")
    await _back(client.cluster.processes["api-1"])
    return trial


async def kept_without_s3(client: Client) -> Trial:
    """Avatars made and filmed while S3 is away: who asks again as the answers say has them in the end."""
    avatar, answers = await make_avatar(client), Counter[int]()
    process = client.cluster.processes["s3"]
    await asyncio.to_thread(process.kill)

    async def back() -> None:
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(process.start)

    away = asyncio.create_task(back())
    work = [insist(client, number, avatar if number % 4 < 2 else None, answers) for number in range(8)]
    trial = await _together("avatars while S3 is away for 10 s", work)
    await away
    note = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items()))
    return Trial(**{**asdict(trial), "note": note})


async def triton_killed(client: Client, clips: int) -> Trial:
    """Clips, and live answers, whose Triton is killed when they are half done."""
    process = client.cluster.processes["triton-1"]

    async def kill() -> str:
        await asyncio.sleep(1.5)
        await asyncio.to_thread(process.kill)
        return ""

    work = [*(client.clip(seed) for seed in range(clips)), *(client.converse() for _ in range(CONVERSATIONS))]
    trial = await _together("kill -9 of a Triton", [*work, kill()], f"{CONVERSATIONS} of them live")
    await _back(process)
    return trial


async def api_killed(client: Client, jobs: int) -> Trial:
    """Jobs of an API that is killed while they run: the other one finishes them."""
    process = client.cluster.processes["api-1"]
    first, second = client.cluster.apis[:2]
    posted = await client.post_jobs(jobs, first)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(process.kill)
    work = [client.finish_job(answer, second) for answer in posted]
    trial = await _together("kill -9 of an API with jobs", work)
    await _back(process)
    return trial


async def redis_away(client: Client) -> Trial:
    """Clips while Redis is away: limits are counted by each API alone, and nothing is lost."""
    process = client.cluster.processes["redis"]
    await asyncio.to_thread(process.kill)
    end = time.monotonic() + AWAY_SECONDS

    async def again(seed: int) -> str:
        said = ""
        while time.monotonic() < end and not said:
            said = await client.clip(seed)
        return said

    trial = await _together("Redis away for 10 s", [again(seed) for seed in range(2)])
    await _back(process)
    logs = "".join((client.cluster.folder / f"api-{n}.log").read_text() for n in (1, 2))
    return Trial(**{**asdict(trial), "note": "said so" if "storage fails" in logs else "not said in the log"})


async def s3_away(client: Client, jobs: int) -> Trial:
    """Jobs while S3 is away: none has failed, none has ended before its clip is kept, all end afterwards."""
    process = client.cluster.processes["s3"]
    await asyncio.to_thread(process.kill)
    posted = await client.post_jobs(jobs)
    await asyncio.sleep(AWAY_SECONDS)
    statuses = [await client.job_status(answer) for answer in posted if answer.is_success]
    waited = sum(status in ("queued", "in_progress") for status in statuses)
    await _back(process)
    work = [client.finish_job(answer) for answer in posted]
    return await _together("S3 away for 10 s", work, f"{waited} jobs waited")


async def rolling_restart(client: Client) -> Trial:
    """Speech all the time while each Triton and each API is restarted, one after the other."""
    names = ("triton-1", "triton-2", "api-1", "api-2")
    done = asyncio.Event()
    said: list[str] = []

    async def ask() -> None:
        while not done.is_set():
            try:
                answer = await client.post("/api/generate/tts", {"text": "Good morning."})
                said.append("" if answer.is_success else f"{answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                said.append(f"{type(error).__name__}: {error}")

    asking = [asyncio.create_task(ask()) for _ in range(2)]
    start = time.monotonic()
    for name in names:
        process = client.cluster.processes[name]
        await asyncio.to_thread(process.stop)
        await _back(process)
    done.set()
    await asyncio.gather(*asking)
    failures = tuple(filter(None, said))
    seconds = round(time.monotonic() - start, 2)
    return Trial("rolling restart under load", len(said), len(said) - len(failures), seconds, failures[:5])


async def _back(process: Process) -> None:
    """Start a process that is gone, and wait until it serves and the balancer may know."""
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.wait_ready)
    await asyncio.sleep(3.0)


async def _trials(cluster: Cluster, options: argparse.Namespace) -> list[Trial]:
    client = Client(cluster)
    trials: dict[str, Callable[[], Awaitable[Trial]]] = {
        "endpoints": lambda: every_endpoint(client),
        "making": lambda: making_killed(client, options.clips),
        "kept": lambda: kept_without_s3(client),
        "triton": lambda: triton_killed(client, options.clips),
        "api": lambda: api_killed(client, options.jobs),
        "redis": lambda: redis_away(client),
        "s3": lambda: s3_away(client, options.jobs),
        "rolling": lambda: rolling_restart(client),
    }
    try:
        return [await trials[name]() for name in options.only or trials]
    finally:
        await client.close()


def measure(options: argparse.Namespace) -> Report:
    """Run the trials."""
    # A signal ends the trials and with them the cluster.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="lumen-trials-") as made:
        folder = options.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        models = {} if options.repository is None else XTTS | {"MODEL_REPOSITORY": str(options.repository)}
        with running_cluster(folder, SETTINGS | models) as cluster:
            trials = asyncio.run(_trials(cluster, options))
    rows = [
        (
            trial.name,
            f"{trial.succeeded} of {trial.asked}",
            f"{trial.longest_s:g}",
            trial.note,
            *trial.failures[:1],
        )
        for trial in trials
    ]
    columns = ["trial", "succeeded", "longest s", "note", "first failure"]
    table = table_of("A cluster that loses its parts", columns, [], rows)
    passed = all(trial.passed for trial in trials)
    return Report({"trials": [asdict(trial) for trial in trials]}, [table], passed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="for logs and data; must be empty")
    parser.add_argument("--clips", type=int, default=8, help="under way when a Triton is killed")
    parser.add_argument("--jobs", type=int, default=6, help="under way when an API is killed, or S3 is away")
    parser.add_argument("--only", nargs="+", choices=TRIALS)
    parser.add_argument(
        "--repository", type=Path, help="models with an XTTS, so that voices are made too; FACE is warp"
    )


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
