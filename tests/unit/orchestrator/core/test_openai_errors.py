"""Errors under ``/v1`` have the form that OpenAI's clients read; others keep LUMEN's."""

import json

import pytest

from lumen.errors import BusyException, InvalidInputException, NotFoundException, StorageException
from orchestrator.core.exceptions import error_response, unhandled
from orchestrator.core.openai_errors import error_code, openai_error


@pytest.mark.parametrize(
    ("error", "kind", "param", "code"),
    [
        (
            InvalidInputException("prompt: is blank; send some text"),
            "invalid_request_error",
            "prompt",
            "invalid_input",
        ),
        (NotFoundException("There is no video of this id."), "invalid_request_error", None, "not_found"),
        (BusyException("Too many: wait"), "rate_limit_error", None, "busy"),
        (StorageException("clip.mp4: cannot be written"), "server_error", None, "storage"),
    ],
)
def test_form_under_v1(error: InvalidInputException, kind: str, param: str | None, code: str) -> None:
    response = error_response(error, "/v1/videos")
    assert response.status_code == error.status
    assert json.loads(response.body) == {
        "error": {"message": error.message, "type": kind, "param": param, "code": code}
    }


def test_form_elsewhere() -> None:
    body = json.loads(error_response(NotFoundException("Not here."), "/api/voices/v").body)
    assert body["error"] == "NotFoundException"


def test_a_bug_says_nothing_of_itself() -> None:
    """The message of what was raised stays in the log."""
    body = json.loads(unhandled(ValueError("secret"), "/v1/models").body)
    assert body["error"]["type"] == "server_error"
    assert body["error"]["code"] == "internal_server"
    assert "secret" not in body["error"]["message"]


def test_names_and_types() -> None:
    assert error_code("UnsupportedMediaException") == "unsupported_media"
    assert openai_error(401, "Unauthorized", "No key.")["error"]["type"] == "authentication_error"
    assert openai_error(403, "Forbidden", "Not yours.")["error"]["type"] == "permission_error"
