"""Moderation by a service and by a function, and what happens when it fails."""

import asyncio
import base64
import io
import json
import sys
import types
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from lumen.aio import Stream
from lumen.errors import ContentRefusedException, InvalidInputException, LumenException
from lumen.settings import Settings
from orchestrator.generation.render_jobs import check_driving_videos
from orchestrator.media.decode_gate import make_gate
from orchestrator.moderation.moderation import Moderation
from orchestrator.moderation.moderators import Subject
from orchestrator.moderation.replies import checked
from orchestrator.request_context import owner
from orchestrator.schemas.body import Body
from orchestrator.schemas.generation import VideoRequest
from tests.support.http_server import serving
from tests.support.media_files import silent_film


class Service(BaseHTTPRequestHandler):
    """A service that refuses what has "bad" in it, and fails as a text tells it to."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).asked.append(body)
        text = body.get("text", "")
        answer: Any = {"allowed": "bad" not in text, "reason": "that is bad"}
        if text == "nonsense":
            answer = ["?"]
        if text == "vague":
            answer = {}
        if text == "long":
            answer = {"allowed": True, "more": "x" * 100_000}
        data = json.dumps(answer).encode()
        self.send_response(302 if text == "elsewhere" else 500 if text == "broken" else 200)
        self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Service.asked = []
    with serving(Service) as address:
        yield address


async def test_a_service_is_asked(url: str) -> None:
    """It is told what, from where, and whose; what it refuses is refused with its reason."""
    moderation = Moderation(Settings(moderation=url))
    token = owner.set("key-1")
    await moderation.text("prompt", "good")
    await moderation.picture("portrait_file", b"\x89PNG")
    await moderation.name("Ada")
    await moderation.name(None)
    await moderation.text("prompt", "  ")
    with pytest.raises(
        ContentRefusedException, match=r"prompt: .* refuses it: that is bad; send something else"
    ):
        await moderation.text("prompt", "a bad one")
    owner.reset(token)
    await moderation.close()
    assert [(each["kind"], each["where"]) for each in Service.asked] == [
        *(("text", "prompt"), ("picture", "portrait_file")),
        *(("name", "name"), ("text", "prompt")),
    ]
    assert base64.b64decode(Service.asked[1]["picture"]) == b"\x89PNG"
    assert {each["owner"] for each in Service.asked} == {"key-1"}


@pytest.mark.parametrize("text", ["nonsense", "vague", "long", "broken", "elsewhere"])
async def test_a_service_that_does_not_know(url: str, text: str) -> None:
    """What is not known to be allowed is refused with 503, or allowed where the operator says so."""
    closed = Moderation(Settings(moderation=url))
    with pytest.raises(LumenException, match="nothing is made unchecked") as refused:
        await closed.text("text", text)
    assert refused.value.status == 503
    await closed.close()
    opened = Moderation(Settings(moderation=url, moderation_failure="allow"))
    await opened.text("text", text)
    await opened.close()


async def test_nobody_is_there() -> None:
    """A service that cannot be reached counts as one that fails."""
    moderation = Moderation(Settings(moderation="http://127.0.0.1:9/check"))
    with pytest.raises(LumenException, match="does not answer"):
        await moderation.text("text", "good")
    await moderation.close()


async def _slow(subject: Subject) -> str | None:
    await asyncio.Event().wait()
    return None


async def _refusing(subject: Subject) -> str | None:
    return "" if subject.text == "bad" else None


@pytest.fixture
def functions() -> Iterator[None]:
    module = types.ModuleType("moderating")
    module.plain = lambda subject: "no" if "bad" in subject.text else None  # type: ignore[attr-defined]
    module.slow, module.refusing = _slow, _refusing  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    yield
    del sys.modules[module.__name__]


@pytest.mark.parametrize("name", ["plain", "refusing"])
@pytest.mark.usefixtures("functions")
async def test_a_function_is_asked(name: str) -> None:
    """A function of Python, async or not, refuses with or without a reason."""
    moderation = Moderation(Settings(moderation=f"moderating:{name}"))
    await moderation.start()
    await moderation.text("text", "good")
    with pytest.raises(ContentRefusedException, match="refuses it"):
        await moderation.text("text", "bad")
    await moderation.close()


@pytest.mark.usefixtures("functions")
async def test_a_function_that_takes_too_long() -> None:
    """A check has a timeout."""
    moderation = Moderation(Settings(moderation="moderating:slow", moderation_timeout=0.05))
    with pytest.raises(LumenException, match="does not answer"):
        await moderation.text("text", "good")


async def test_a_function_that_is_not_there() -> None:
    """A wrong place is told when the server starts."""
    with pytest.raises(InvalidInputException, match="expected module:function"):
        await Moderation(Settings(moderation="no_such_module:check")).start()


async def test_the_first_picture_of_a_driving_video_is_shown(url: str) -> None:
    """What a driving video shows is checked as a portrait is, under its own name."""
    settings = Settings(moderation=url)
    moderation, fields = Moderation(settings), VideoRequest.model_validate({"idle_seconds": 1})
    models = SimpleNamespace(decode_gate=make_gate(settings))
    use: Any = SimpleNamespace(moderation=moderation, models=models)
    await check_driving_videos(Body(fields, {"ref_pose_file": [silent_film()]}), use)
    (asked,) = Service.asked
    assert (asked["kind"], asked["where"]) == ("picture", "ref_pose_file")
    assert Image.open(io.BytesIO(base64.b64decode(asked["picture"]))).format == "JPEG"
    with pytest.raises(LumenException, match="ref_pose_file"):
        await check_driving_videos(Body(fields, {"ref_pose_file": [b"no video"]}), use)
    use.moderation = Moderation(Settings())
    await check_driving_videos(Body(fields, {"ref_pose_file": [b"no video"]}), use)
    await moderation.close()


async def test_a_reply_is_checked_by_its_sentences() -> None:
    """Each is asked about before it comes, however it is cut into pieces; a text without an end in bounds."""
    asked: list[str] = []

    async def check(text: str) -> None:
        asked.append(text)

    async def written(*pieces: str) -> Stream[str]:
        for piece in pieces:
            yield piece

    pieces = "One, Dr. Two is", " three. Fo", "ur! ", "x" * 1500, "five"
    got = [text async for text in checked(written(*pieces), check)]
    assert "".join(got) == "".join(pieces)
    assert got == asked
    assert got[:2] == ["One, Dr. Two is three.", " Four!"]
    assert max(map(len, got)) <= 1501


async def test_without_a_moderation_everything_is_allowed() -> None:
    await Moderation(Settings()).text("text", "anything")


def test_a_place_that_is_neither() -> None:
    """A setting that is no address and no function is refused."""
    with pytest.raises(ValueError, match="moderation"):
        Settings(moderation="ftp://example.org")
