"""The API's description, OpenAPI, from which clients are generated."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from orchestrator.access.rules import rule_of
from orchestrator.core.idempotency import KEY_HEADER, MAKING
from orchestrator.core.openai_errors import PREFIX as OPENAI_PREFIX
from orchestrator.routes.bodies import JSON, REFERENCE
from orchestrator.schemas.access import ClientSecretRequest
from orchestrator.schemas.answers import ErrorResponse, OpenAIErrorResponse
from orchestrator.schemas.avatars import AvatarRequest
from orchestrator.schemas.generation import FullRequest, TextRequest, TtsRequest, VideoRequest
from orchestrator.schemas.openai import SPEECH_EVENTS, AudioVoiceRequest, SpeechRequest
from orchestrator.schemas.videos import VideoCreateRequest
from orchestrator.schemas.voices import VoiceRequest

REQUESTS: Final = (
    *(TextRequest, TtsRequest, VideoRequest, FullRequest, VoiceRequest, AvatarRequest),
    *(SpeechRequest, AudioVoiceRequest, ClientSecretRequest, VideoCreateRequest),
)
"""Bodies that routes read by themselves."""

NEVER_SENT: Final = "422"
"""Status that FastAPI describes for every path parameter; here what is invalid is 400."""

KEY_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x_api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "api_key": {"type": "apiKey", "in": "header", "name": "api-key"},
}
"""Ways to send a key."""

REFUSALS: Final = {
    "401": "no key, or one that is not valid, where keys are asked for",
    "403": "the key has not the scope, or another site's page asks",
}

ERROR: Final = {"$ref": REFERENCE.format(model=ErrorResponse.__name__)}
KEY_PARAMETER: Final = {
    "name": KEY_HEADER,
    "in": "header",
    "description": "such as a UUID of yours: sent again with the same request, it gets the same answer",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}

KEY_ERRORS: Final = {
    "409": f"The request of this {KEY_HEADER} is still being served, or what it made is gone",
    "422": f"The {KEY_HEADER} is another request's",
}

UNUSED_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: generated clients call their functions so."""
    return route.name


def openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description of ``app`` with the request bodies that it does not see."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=app.servers,
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in (*REQUESTS, *SPEECH_EVENTS)], ref_template=REFERENCE
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(bodies["$defs"])
        for name in UNUSED_SCHEMAS:
            schemas.pop(name, None)
        for operation in _operations(schema):
            operation["responses"].pop(NEVER_SENT, None)
        _describe_access(schema)
        _describe_idempotency(schema)
        _tell_defaults(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _describe_idempotency(schema: dict[str, Any]) -> None:
    """Describe the header by which a request is served once, where something is made."""
    for path, item in schema["paths"].items():
        if "post" in item and path.startswith(MAKING):
            item["post"].setdefault("parameters", []).append(KEY_PARAMETER)
            name = (OpenAIErrorResponse if path.startswith(OPENAI_PREFIX) else ErrorResponse).__name__
            content = {JSON: {"schema": {"$ref": REFERENCE.format(model=name)}}}
            for status, description in KEY_ERRORS.items():
                described = {"description": description, "content": content}
                item["post"]["responses"].setdefault(status, described)


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in schema["paths"].values():
        yield from item.values()


def _describe_access(schema: dict[str, Any]) -> None:
    """Say which operations may ask for a key, and how it is sent; without keys none does."""
    schema["components"]["securitySchemes"] = KEY_SCHEMES
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            rule = rule_of(method.upper(), path)
            if rule is None or not rule.public:
                operation["security"] = [{}, *({name: []} for name in KEY_SCHEMES)]
                operation["responses"] |= {
                    status: {"description": text, "content": {JSON: {"schema": ERROR}}}
                    for status, text in REFUSALS.items()
                }


def _tell_defaults(node: Any) -> None:
    """Say defaults in words: generators take a field that has one for required.

    Null is said by nothing: a field that is left out is null.
    """
    if isinstance(node, list):
        for item in node:
            _tell_defaults(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key != "examples":
                _tell_defaults(value)
        if "default" in node and not isinstance(node["default"], dict):
            default = node.pop("default")
            if default is not None:
                said = f"{_spelled(default)} by default"
                node["description"] = f"{node['description']}; {said}" if "description" in node else said


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
