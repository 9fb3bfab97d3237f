#!/usr/bin/env python3
"""Walks all endpoints of a running LUMEN API as a user would, and says how each went.

    .venv/bin/python scripts/test_api.py [--url http://127.0.0.1:8000] [--timeout SECONDS]

Without an address it takes that of the settings.

Ends with 0 when everything passed, 1 when something failed, 2 when no server answers.
"""

import argparse
import io
import sys
import time
import uuid
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from lumen.settings import load_settings
from lumen.triton.ports import reachable

PROMPT: Final = "Hello! This is a short test of the whole chain."
SPEECH: Final = "This sentence is spoken by the voice."


@dataclass
class Walk:
    """The client, what earlier steps made, and how the steps went."""

    client: httpx.Client
    made: dict[str, Any] = field(default_factory=dict)
    failures: int = 0

    def step(self, name: str, check: Callable[["Walk"], str]) -> None:
        """Do one step and write one line about it."""
        start = time.perf_counter()
        try:
            verdict, note = "PASS", check(self)
        except (AssertionError, KeyError, ValueError, httpx.HTTPError) as error:
            verdict, note = "FAIL", f"{type(error).__name__}: {error}"
            self.failures += 1
        say(f"{verdict}  {name:<34} {time.perf_counter() - start:6.2f} s  {note}")

    def get(self, path: str) -> dict[str, Any]:
        return stamped(self.client.get(path))

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return stamped(self.client.post(f"/api/generate/{path}", **body))


def check_root(walk: Walk) -> str:
    body = walk.get("/")
    expect(body["status"] == "ok", f"the status is {body['status']!r}")
    return f"{body['service']} {body['version']}"


def check_health(walk: Walk) -> str:
    body = walk.get("/health")
    broken = {name: model["reason"] for name, model in body["models"].items() if model["reason"]}
    expect(body["status"] == "healthy", f"the status is {body['status']!r}: {broken or body['triton']}")
    return f"Triton {body['triton']['version']}, {len(body['models'])} models, {len(body['gpus'])} GPUs"


def check_status(walk: Walk) -> str:
    body = walk.get("/api/status")
    walk.made["max_text_length"] = body["limits"]["max_text_length"]
    walk.made["portrait"] = body["portraits"][0]
    return " + ".join(body["parts"].values())


def check_docs(walk: Walk) -> str:
    for path in ("/docs", "/redoc"):
        expect(walk.client.get(path).status_code == 200, f"{path} does not open")
    schema = walk.client.get("/openapi.json").json()
    return f"{len(schema['paths'])} paths described"


def check_text(walk: Walk) -> str:
    body = walk.post("text", json={"prompt": "Tell me about AI", "temperature": 0.7, "max_tokens": 256})
    expect(bool(body["text"].strip()), "the text is empty")
    return f"{body['parts']['writer']}: {body['text'][:40]!r}"


def check_tts(walk: Walk) -> str:
    body = walk.post("tts", json={"text": SPEECH, "language": "en"})
    walk.made["audio_url"] = body["audio_url"]
    with wave.open(io.BytesIO(download(walk, body["audio_url"]))) as file:
        seconds = file.getnframes() / file.getframerate()
    expect(abs(seconds - body["audio_seconds"]) < 0.1, f"the file has {seconds:.2f} s")
    return f"{seconds:.2f} s of speech"


def check_video(walk: Walk) -> str:
    body = walk.post("video", json={"audio_url": walk.made["audio_url"], "portrait": walk.made["portrait"]})
    return f"{len(download_mp4(walk, body)) // 1024} kB, {body['audio_seconds']:.2f} s"


def check_video_upload(walk: Walk) -> str:
    audio = download(walk, walk.made["audio_url"])
    body = walk.post("video", files={"audio": ("speech.wav", audio)}, data={"seed": "7"})
    expect(body["seed"] == 7, f"the seed is {body['seed']}")
    return f"{len(download_mp4(walk, body)) // 1024} kB, {body['audio_seconds']:.2f} s"


def check_full(walk: Walk) -> str:
    body = walk.post("full", json={"prompt": PROMPT, "conversation_history": []})
    download(walk, body["audio_url"])
    download_mp4(walk, body)
    factor = body["processing_time"] / body["audio_seconds"]
    return f"{body['audio_seconds']:.2f} s of video, real-time factor {factor:.2f}"


def check_errors(walk: Walk) -> str:
    """Bad requests are refused with the body that all errors have."""
    too_long = "a" * (walk.made["max_text_length"] + 1)
    refusals = [
        (400, "/api/generate/text", {"json": {"prompt": " "}}),
        (400, "/api/generate/text", {"json": {"prompt": too_long}}),
        (400, "/api/generate/text", {"json": {"prompt": "Hi", "temperature": 9}}),
        (400, "/api/generate/tts", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "/api/generate/tts", {"json": {"text": "Hi", "language": "no such language"}}),
        (400, "/api/generate/video", {"json": {"audio_url": "/outputs/../secret.wav"}}),
        (400, "/api/generate/full", {"json": {"prompt": "Hi", "portrait": "nobody at all"}}),
        (404, "/api/generate/nothing", {"json": {}}),
        (415, "/api/generate/text", {"content": b"Hi", "headers": {"content-type": "text/plain"}}),
        (415, "/api/generate/video", {"files": {"audio": ("a.wav", b"this is not audio")}}),
    ]
    for status, path, body in refusals:
        response = walk.client.post(path, **body)
        expect(response.status_code == status, f"{path} answered {response.status_code}, expected {status}")
        expect(set(response.json()) == {"error", "message", "request_id"}, f"{path}: {response.text[:80]}")
    return f"{len(refusals)} bad requests refused"


def stamped(response: httpx.Response) -> dict[str, Any]:
    """The body of a success, with its request id checked."""
    expect(response.status_code == 200, f"status {response.status_code}: {response.text[:300]}")
    body: dict[str, Any] = response.json()
    uuid.UUID(body["request_id"])
    expect(response.headers["x-request-id"] == body["request_id"], "the header has another request id")
    return body


def download(walk: Walk, url: str) -> bytes:
    response = walk.client.get(url)
    expect(response.status_code == 200, f"{url} answered {response.status_code}")
    return response.content


def download_mp4(walk: Walk, body: dict[str, Any]) -> bytes:
    data = download(walk, body["video_url"])
    expect(data[4:8] == b"ftyp", f"{body['video_url']} is not an MP4")
    return data


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


STEPS: Final[tuple[tuple[str, Callable[[Walk], str]], ...]] = (
    ("GET  /", check_root),
    ("GET  /api/status", check_status),
    ("GET  /docs, /redoc, /openapi.json", check_docs),
    ("POST /api/generate/text", check_text),
    ("POST /api/generate/tts", check_tts),
    ("POST /api/generate/video", check_video),
    ("POST /api/generate/video (upload)", check_video_upload),
    ("POST /api/generate/full", check_full),
    ("GET  /health", check_health),
    ("bad requests", check_errors),
)


def own_address() -> str:
    """The address of the API that these settings start, ``.env`` included."""
    settings = load_settings()
    return f"http://{reachable(settings.api_host)}:{settings.api_port}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Walks all endpoints of a running LUMEN API.")
    parser.add_argument("--url", default=None, help="address of the API; that of the settings without it")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds that one request may take")
    arguments = parser.parse_args()
    url = arguments.url or own_address()
    # A proxy of the environment leads to the world, not to one's own machine.
    with httpx.Client(base_url=url, timeout=arguments.timeout, trust_env=False) as client:
        try:
            client.get("/")
        except httpx.HTTPError as error:
            say(f"No API answers at {url} ({error}); start one with `lumen serve`.")
            return 2
        walk = Walk(client)
        for name, check in STEPS:
            walk.step(name, check)
    say(f"{len(STEPS) - walk.failures} of {len(STEPS)} passed")
    return min(walk.failures, 1)


if __name__ == "__main__":
    sys.exit(main())
