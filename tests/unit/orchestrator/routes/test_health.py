"""Health and status of the service."""

import uuid

from tests.support.api_server import Api


def test_root(lonely: Api) -> None:
    """The basic health check says what this is."""
    body = lonely.client.get("/").json()
    assert (body["status"], body["service"]) == ("ok", "LUMEN")
    uuid.UUID(body["request_id"])


def test_status_tells_configuration_and_limits_but_no_key(lonely: Api) -> None:
    """A front end learns the limits, parts, portraits, languages and voices; nobody learns the key."""
    response = lonely.client.get("/api/status")
    body = response.json()
    assert body["limits"]["max_text_length"] == 500
    assert body["limits"]["rate_limit"] == "10000/minute"
    assert body["portraits"] == ["ada", "nobody"]
    assert body["parts"] == {"writer": "echo", "voice": "espeak", "face": "warp"}
    assert body["languages"]["de"] == "German"
    assert "default" in body["voices"]
    assert body["gemini_configured"] is True
    assert "do-not-show-this" not in response.text
