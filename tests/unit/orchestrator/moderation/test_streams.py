"""Moderation of clips: what of a reply a client gets that is refused in its middle."""

from contextlib import suppress
from pathlib import Path

import httpx

from orchestrator.moderation.moderators import Subject
from tests.support.job_tools import HeldModels, job_api
from tests.support.waiting import wait_until

asked: list[str] = []


def check(subject: Subject) -> str | None:
    """Refuse a word in what is replied."""
    if subject.where != "reply":
        return None
    asked.append(subject.text.strip())
    return "not here" if "swordfish" in subject.text else None


PROMPT = "All is well. The swordfish is next. And more."


def test_a_whole_reply_that_is_refused(tmp_path: Path) -> None:
    """It is asked about once, as a whole, and refused; no file stays."""
    asked.clear()
    with job_api(tmp_path, HeldModels(), moderation=f"{__name__}:check") as api:
        response = api.client.post("/api/generate/full", json={"prompt": PROMPT})
        assert (response.status_code, response.json()["error"]) == (403, "ContentRefusedException")
        assert asked == [PROMPT]
        wait_until(lambda: api.files() == [])


def test_a_streamed_reply_that_is_refused(tmp_path: Path) -> None:
    """It is asked about by sentences, and ends at the refused one: with 403, or broken off; no file stays."""
    asked.clear()
    with job_api(tmp_path, HeldModels(), moderation=f"{__name__}:check") as api:
        with suppress(httpx.RemoteProtocolError):
            response = api.client.post("/api/generate/full", json={"prompt": PROMPT, "stream": True})
            assert response.status_code == 403
        assert asked == ["All is well.", "The swordfish is next."]
        wait_until(lambda: api.files() == [])
