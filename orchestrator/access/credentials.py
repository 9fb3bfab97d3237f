"""Keys and tokens as clients send them: headers, a WebSocket's subprotocol or query."""

from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

BEARER: Final = "bearer"

KEY_HEADERS: Final = ("x-api-key", "api-key")
"""Headers that hold a key as it is; the second one is Azure's."""

SUBPROTOCOL: Final = "openai-insecure-api-key."
"""Beginning of the subprotocol that OpenAI's clients in browsers put a token behind."""

QUERY: Final = "token"

MAX_LENGTH: Final = 256
"""Characters of a credential; a longer one is none of this server's."""


def credential_of(scope: Scope) -> str | None:
    """The key or token that a request or a WebSocket carries in its head; None where it carries none."""
    headers = Headers(scope=scope)
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    found = [bearer.strip()] if kind.lower() == BEARER else []
    found += [headers.get(name, "").strip() for name in KEY_HEADERS]
    found += [
        offered.removeprefix(SUBPROTOCOL)
        for offered in scope.get("subprotocols", [])
        if offered.startswith(SUBPROTOCOL)
    ]
    return next((text[:MAX_LENGTH] for text in found if text), None)


def token_of(scope: Scope) -> str | None:
    """The token in the query, for those who cannot set a header."""
    query = scope.get("query_string", b"").decode("latin-1")
    try:
        values = parse_qs(query, max_num_fields=20).get(QUERY, [])
    except ValueError:  # too many fields
        return None
    return values[0][:MAX_LENGTH] if len(values) == 1 else None
