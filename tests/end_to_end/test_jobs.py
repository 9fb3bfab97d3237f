"""Jobs through the real chain, and what is left of them when a part of it is killed in their middle."""

import logging
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

from lumen.triton.ports import own_port
from tests.support.lumen_process import LUMEN, Chain, environment_in
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

log = logging.getLogger(__name__)

MANY: Final = 20

PROMPT: Final = "This is the job of number {}. It takes a while, so that something may happen in its middle."
SECONDS: Final = 240.0


class Process:
    """A `lumen` command that serves; ``client`` talks to its API."""

    def __init__(self, folder: Path, environment: dict[str, str], command: str) -> None:
        self._folder, self._environment, self._command = folder, environment, command
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{environment['API_PORT']}", timeout=30)
        self.start()

    def start(self) -> None:
        with (self._folder / f"{self._command}.txt").open("ab") as console:
            self.process = subprocess.Popen(
                [str(LUMEN), self._command], cwd=ROOT, env=self._environment, stdout=console, stderr=console
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.client.close()

    def answers(self) -> bool:
        try:
            return self.client.get("/health").json()["status"] == "healthy"
        except (httpx.TransportError, KeyError):
            return False


@contextmanager
def serving(folder: Path, command: str, **environment: str) -> Iterator[Process]:
    process = Process(folder, {**environment_in(folder), **environment}, command)
    try:
        if command == "api":
            wait_until(process.answers, 90)
        yield process
    finally:
        process.stop()


def create(api: Process, count: int) -> list[str]:
    """Ids of new jobs."""
    made = [api.client.post("/v1/videos", json={"prompt": PROMPT.format(index)}) for index in range(count)]
    assert {response.status_code for response in made} == {202}, made[0].text
    return [str(response.json()["id"]) for response in made]


def states(api: Process, ids: list[str]) -> list[dict[str, Any]]:
    return [dict(api.client.get(f"/v1/videos/{each}").json()) for each in ids]


def in_the_middle(api: Process, ids: list[str], begun: int = 2) -> bool:
    """Whether several are being drawn."""
    drawing = [each for each in states(api, ids) if each["status"] == "in_progress" and each["progress"] > 5]
    return len(drawing) >= begun


def check_ends(api: Process, ids: list[str], outputs: Path) -> Counter[str]:
    """Wait for all ends; each is a video with its files or has a reason, and no other file is there."""
    last: list[dict[str, Any]] = []

    def ended() -> bool:
        last[:] = states(api, ids)
        return all(each["status"] in ("completed", "failed") for each in last)

    wait_until(ended, SECONDS)
    expected = {
        f"{each['id']}.{kind}"
        for each in last
        if each["status"] == "completed"
        for kind in ("mp4", "jpg", "vtt", "json")
    }
    assert {path.name for path in outputs.rglob("*") if path.is_file()} == expected
    assert all(each["error"]["message"] for each in last if each["status"] == "failed")
    listed = api.client.get("/v1/videos", params={"limit": 100}).json()["data"]
    assert sorted(each["id"] for each in listed) == sorted(ids)
    for each in last:
        content = api.client.get(f"/v1/videos/{each['id']}/content")
        assert content.status_code == (200 if each["status"] == "completed" else 409)
    return Counter(f"{each['status']} at attempt {each['attempts']}" for each in last)


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
def test_openai_sdk(chain: Chain) -> None:
    """OpenAI's client, unchanged, from creation to download, with a portrait of its own."""
    portrait = ROOT / "assets" / "portraits" / "alan.png"
    with openai.OpenAI(api_key="none", base_url=f"{chain.url}/v1") as client:
        video = client.videos.create_and_poll(
            model="lumen", prompt="Hello from a client.", input_reference=portrait, size="720x1280"
        )
        assert video.status == "completed", video.error
        assert client.videos.download_content(video.id).read()[4:8] == b"ftyp"
        assert client.videos.delete(video.id).deleted


def test_a_kill_of_the_api(chain: Chain, tmp_path: Path) -> None:
    """kill -9 of the API in the middle of three jobs: all three end, once, after it is started again."""
    with serving(tmp_path, "api", TRITON_URL=chain.environment["TRITON_URL"]) as api:
        ids = create(api, 3)
        wait_until(lambda: in_the_middle(api, ids, 1), SECONDS)
        api.kill()
        api.start()
        wait_until(api.answers, 90)
        ends = check_ends(api, ids, tmp_path / "outputs")
    assert sum(count for end, count in ends.items() if end.startswith("completed")) == 3


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """A `lumen triton` of one test, and its address."""
    folder = tmp_path / "triton"
    folder.mkdir()
    url = f"127.0.0.1:{own_port()}"
    with serving(folder, "triton", TRITON_URL=url) as process:
        yield process, url


def server_of(process: Process) -> int:
    """Pid of the Triton server under a `lumen triton`."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.process.pid), "-f", "tritonserver"], capture_output=True, text=True
    )
    return int(found.stdout.split()[0])


@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize("storage", ["embedded", "redis"])
@pytest.mark.parametrize("victim", ["api", "redis", "triton"])
def test_a_kill_in_the_middle_of_many_jobs(
    triton: tuple[Process, str],
    tmp_path: Path,
    victim: str,
    storage: str,
    durable_redis: RedisServer,
) -> None:
    """kill -9 in the middle of 20 jobs: each is completed, once, and no file is left over."""
    if (victim, storage) == ("redis", "embedded"):
        pytest.skip("there is no Redis to kill")
    shared = {"JOBS_STORAGE": durable_redis.url, "JOB_HEARTBEAT": "3"} if storage == "redis" else {}
    settings = {"TRITON_URL": triton[1], "CLIENT_SHARE": "1", "VIDEO_SIZE": "256", **shared}
    with serving(tmp_path, "api", **settings) as api:
        ids = create(api, MANY)
        wait_until(lambda: in_the_middle(api, ids), SECONDS)
        if victim == "api":
            api.kill()
            api.start()
        elif victim == "redis":
            durable_redis.kill()
            durable_redis.start()
        else:
            os.kill(server_of(triton[0]), signal.SIGKILL)
        wait_until(api.answers, 90)
        ends = check_ends(api, ids, tmp_path / "outputs")
    log.info("kill -9 of %s, jobs %s: %s", victim, storage, dict(ends))
    assert sum(ends.values()) == MANY
    assert {end.partition(" ")[0] for end in ends} == {"completed"}
    told = (tmp_path / "logs" / "lumen.log").read_text()
    assert max(told.count(f"Job {each}: completed") for each in ids) == 1
