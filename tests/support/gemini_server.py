"""A local server that speaks the protocol of Gemini's ``streamGenerateContent``.

The prompt picks what it does.
"""

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "a-valid-key"
MODELS = ("gemini-2.5-flash", "gemini-3-flash-preview")


class GeminiServer:
    """The app, and the requests that it got."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self._refusals = {prompt: len(errors) for prompt, errors in PASSING.items()}
        path = "/{version}/models/{model}:streamGenerateContent"
        self.app = Starlette(routes=[Route(path, self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        prompt = _prompt(body["contents"][-1]["parts"])
        if request.headers["x-goog-api-key"] != KEY:
            return _bad_key()
        if request.path_params["model"] not in MODELS:
            return _error(404, "NOT_FOUND")
        if self._refusals.get(prompt, 0):
            self._refusals[prompt] -= 1
            return _error(*PASSING[prompt][self._refusals[prompt]])
        if prompt == "NO THINKING" and "thinkingConfig" in body["generationConfig"]:
            return _error(400, "INVALID_ARGUMENT", message="Thinking level is not supported for this model.")
        if prompt in ERRORS:
            return _error(*ERRORS[prompt])
        if prompt == "BUSY AFTER A THOUGHT" and self.requests.count(body) == 1:
            prompt = "THOUGHT, THEN BUSY"
        return StreamingResponse(_events(prompt), media_type="text/event-stream")


def _prompt(parts: list[dict[str, Any]]) -> str:
    """The text; of a recording SOUND, or NO SOUND where it is silent."""
    if "inlineData" not in parts[0]:
        return str(parts[0]["text"])
    sound = parts[0]["inlineData"]
    assert sound["mime_type"] == "audio/wav"  # as the SDK spells it
    with wave.open(io.BytesIO(base64.urlsafe_b64decode(sound["data"]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        return "SOUND" if any(file.readframes(file.getnframes())) else "NO SOUND"


SOON = [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "0.25s"}]

PASSING: dict[str, list[tuple[Any, ...]]] = {
    "BUSY TWICE": [(503, "UNAVAILABLE"), (503, "UNAVAILABLE")],
    "QUOTA SOON": [(429, "RESOURCE_EXHAUSTED", SOON)],
}
"""Errors that answer a prompt at first, the last one first."""

ERRORS: dict[str, tuple[Any, ...]] = {
    "QUOTA": (429, "RESOURCE_EXHAUSTED", [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "16.5s"}]),
    "QUOTA FOR A DAY": (429, "RESOURCE_EXHAUSTED", [{"violations": [{"quotaId": "RequestsPerDay"}]}]),
    "FORBIDDEN": (403, "PERMISSION_DENIED"),
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED"),
    "OVERLOADED": (503, "UNAVAILABLE"),
    "BUG": (500, "INTERNAL"),
    "DEADLINE": (504, "DEADLINE_EXCEEDED"),
    "BAD": (400, "INVALID_ARGUMENT"),
}


def _error(
    code: int, status: str, details: list[Any] | None = None, message: str | None = None
) -> JSONResponse:
    message = message or f"the server says {status}"
    error = {"code": code, "message": message, "status": status, "details": details or []}
    return JSONResponse({"error": error}, code)


def _bad_key() -> JSONResponse:
    message = "API key not valid. Please pass a valid API key."
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}
    return JSONResponse({"error": error}, 400)


async def _events(prompt: str) -> AsyncIterator[str]:
    for chunk in CHUNKS.get(prompt, [_text("Hello "), _text("from Gemini.", "STOP")]):
        if chunk == "DROP":
            raise ConnectionError("the stream breaks off")
        if chunk == "HANG":
            await asyncio.sleep(30)
        yield f"data: {json.dumps(chunk)}\r\n\r\n"


def _text(text: str, finish: str | None = None, **part: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text, **part}]}, "index": 0}
    return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}]}


def _thought_of(tokens: int) -> dict[str, Any]:
    return {**_text("Hmm.", thought=True), "usageMetadata": {"thoughtsTokenCount": tokens}}


CHUNKS: dict[str, list[Any]] = {
    "BLOCKED": [{"promptFeedback": {"blockReason": "SAFETY"}}],
    "BLOCKED REPLY": [_text("Well, "), {"candidates": [{"finishReason": "SAFETY", "index": 0}]}],
    "EMPTY": [{"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}]}],
    "BLANK": [_text(" \n", "STOP")],
    "NOTHING": [],
    "NO SOUND": [{"candidates": [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]}],
    "SOUND": [_text("Guten "), _text("Morgen.", "STOP")],
    "SLOW": [_text("Well, "), "HANG", _text("there.", "STOP")],
    "DROP": [_text("Well, "), "DROP"],
    "UNFINISHED": [_text("Well, ")],
    "THINK": [_text("Hmm.", thought=True), _text("Yes.", "STOP")],
    "LIMIT": [_text("One two", "MAX_TOKENS")],
    "CUT": [_text("One is whole. Two "), _text("is too! Three is bro", "MAX_TOKENS")],
    "CUT WHOLE": [_text("One is whole. Two is too.", "MAX_TOKENS")],
    "CUT LIST": [_text("- apples\n- pe", "MAX_TOKENS")],
    "OTHER": [_text("One is whole. Two", "OTHER")],
    "ALL THOUGHT": [
        _thought_of(990),
        {**_thought_of(1000), "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}]},
    ],
    "THOUGHT, THEN BUSY": [
        _thought_of(10),
        {"error": {"code": 503, "message": "no room", "status": "UNAVAILABLE"}},
    ],
    "SMILE": [_text("😀", "STOP")],
    "CODE": [_text("```\nls\n```", "STOP")],
    "ODD": [_text("Ding\x07 \ud83d dong.", "STOP")],
}
