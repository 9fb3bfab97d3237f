"""``lumen webhook``: secrets, and one try at an endpoint."""

import json
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from commands.app import app
from orchestrator.webhooks.signing import Signer, new_secret
from tests.support.webhook_receiver import Answer, receiving

SECRET = new_secret()


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEBHOOK_SECRETS", SECRET)
    monkeypatch.setenv("WEBHOOK_ALLOW_HOSTS", "127.0.0.1")
    monkeypatch.setenv("WEBHOOKS_PATH", str(tmp_path / "webhooks"))


def lumen(*arguments: str) -> tuple[int, str]:
    """Exit status and output of ``lumen webhook``."""
    done = CliRunner().invoke(app, ["webhook", *arguments])
    return done.exit_code, done.output


def test_secrets() -> None:
    """Each is another one, and can be signed with."""
    printed = {lumen("secret")[1].strip() for _ in range(3)}
    assert len(printed) == 3
    Signer([*printed])


def test_an_endpoint_that_takes_it(tmp_path: Path) -> None:
    """It gets one signed event, and nothing is kept of it."""
    with receiving() as receiver:
        status, output = lumen("test", receiver.url)
    assert (status, output.split(" (")[0].split(": ")[1]) == (0, "answered 204")
    (request,) = receiver.received
    assert Webhook(SECRET).verify(request.body, request.headers)["type"] == "webhook.test"
    assert json.loads(request.body)["data"]
    assert not (tmp_path / "webhooks").exists()


@pytest.mark.parametrize(
    ("answer", "said"), [((500, {}), "answered 500"), ((307, {}), "redirects are not followed")]
)
def test_an_endpoint_that_does_not(answer: Answer, said: str) -> None:
    with receiving(answer) as receiver:
        status, output = lumen("test", receiver.url)
    assert status == 1
    assert said in output
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://10.0.0.1/", "plain HTTP"), ("https://localhost/", "not public"), ("hooks", "https://")],
)
def test_addresses_that_are_refused(url: str, said: str) -> None:
    """The line says why, and what to do where it is meant."""
    status, output = lumen("test", url)
    assert status == 1
    assert said in output


def test_without_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRETS", "")
    status, output = lumen("test", "https://example.com/")
    assert status == 1
    assert "lumen webhook secret" in output
