"""Signatures are those that receivers verify with the scheme's own library, and with OpenAI's SDK."""

import time

import openai
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from lumen.errors import InvalidInputException
from orchestrator.webhooks.signing import Signer, new_secret

BODY = '{"type":"video.completed","timestamp":"2026-11-28T00:00:00Z","data":{"id":"video_ä"}}'


def test_a_secret_that_changes() -> None:
    """While two secrets are set, receivers with the old and with the new one verify, others do not."""
    old, new, other = new_secret(), new_secret(), new_secret()
    headers = Signer([new, old]).headers("msg_1", BODY, time.time())
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)["data"] == {"id": "video_ä"}
    for secret, body in ((other, BODY), (new, BODY.replace("completed", "failed"))):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
    with openai.OpenAI(api_key="none", webhook_secret=old) as client:
        client.webhooks.verify_signature(BODY, headers)


def test_a_moment_of_the_day() -> None:
    """The time that is signed is the one in the header, to the second, also near midnight."""
    secret = new_secret()
    now = (time.time() // 86_400) * 86_400 + 86_399.9
    headers = Signer([secret]).headers("msg_1", BODY, now)
    assert headers["webhook-timestamp"] == str(int(now))
    key = Webhook(secret)
    with pytest.raises(WebhookVerificationError, match="too"):
        key.verify(BODY, headers | {"webhook-timestamp": str(int(now) - 86_400)})


@pytest.mark.parametrize(
    "secrets",
    [[], ["whsec_"], ["whsec_c2hvcnQ="], ["whsec_***"], [new_secret().removeprefix("whsec_")], ["x" * 40]],
)
def test_secrets_that_are_refused(secrets: list[str]) -> None:
    """No secret, a short one and a malformed one are refused, and not repeated."""
    with pytest.raises(InvalidInputException, match="lumen webhook secret") as refusal:
        Signer(secrets)
    assert not [secret for secret in secrets if len(secret) > 6 and secret in refusal.value.message]
