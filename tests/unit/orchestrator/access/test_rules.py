"""Every route has its decision, each decision is kept, and docs/access.md shows the table."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient

from lumen.settings import Settings
from orchestrator.access.rules import RULES, SOCKET, Rule, rule_of
from orchestrator.main import create_app
from tests.support.asgi_socket import first_event
from tests.support.keys import TestKey, new_key
from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "access.md"

COLUMNS: Final = ("no key", "`generate`", "`manage`", "`admin`", "undecided")
"""Who asks, in the table: nobody's, keys with one scope each, and another machine before keys are made."""


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route; a mount stands for GET of all below it."""
    for route in app.routes:
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/{{path:path}}"
            continue
        for context in route.effective_route_contexts():  # type: ignore[attr-defined]  # of FastAPI's routers
            found = context.starlette_route or context
            if isinstance(found, WebSocketRoute):
                yield SOCKET, found.path
            else:
                yield from ((method, found.path) for method in found.methods - {"HEAD"})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("rules")
    paths = ("keys", "usage", "outputs", "avatars", "voices", "logs")
    fields: dict[str, Any] = {f"{name}_path": folder / name for name in paths}
    return Settings.model_validate(
        {**fields, "writer": "echo", "triton_url": "127.0.0.1:1", "rate_limit": "1000/minute"}
    )


def test_every_route_has_a_rule(settings: Settings) -> None:
    """A new route without a decision fails here, and so does a rule whose route is gone."""
    routes, rules = list(routes_of(create_app(settings))), [(rule.method, rule.path) for rule in RULES]
    assert len(rules) == len(set(rules)), "two rules for one address"
    assert set(routes) - set(rules) == set(), "put them into orchestrator/access/rules.py"
    assert set(rules) - set(routes) == set(), "their routes are gone"


def test_what_keeps_or_removes_is_said(settings: Settings) -> None:
    """A DELETE always counts as a change; nothing public does, and nothing that only reads."""
    for rule in RULES:
        assert rule.keeps or rule.method != "DELETE", rule
        assert not (rule.keeps and (rule.public or rule.method == "GET")), rule
        assert rule.needs is not None or rule.method == "GET", rule


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/api/avatars/", "/api/avatars"),
        ("HEAD", "/outputs/video/a.mp4", "/outputs/{path:path}"),
        ("GET", "/outputs/../api/avatars", "/outputs/{path:path}"),
        ("GET", "//api/avatars", None),
        ("GET", "/api/avatars/a/b", None),
        ("GET", "/API/avatars", None),
        ("POST", "/outputs/a", None),
        (SOCKET, "/v1/realtime", "/v1/realtime"),
        ("GET", "/v1/realtime", None),
    ],
)
def test_addresses_are_matched_as_the_router_does(method: str, path: str, found: str | None) -> None:
    """An address finds its own rule, whole and in its own letters, or none."""
    rule = rule_of(method, path)
    assert (None if rule is None else rule.path) == found


def test_the_table_is_kept(settings: Settings) -> None:
    """Each address, asked by each kind of key, answers as the table in docs/access.md says."""
    cells = [outcomes(settings, None, "192.0.2.7")]
    keys = [new_key(settings.keys_path, scope, scope) for scope in ("generate", "manage", "admin")]
    cells = [*(outcomes(settings, key, "127.0.0.1") for key in (None, *keys)), *cells]
    heads = ["address", "asks for", *COLUMNS]
    rows = [
        [f"`{rule.method} {shown(rule.path)}`", rule.asks, *(column[rule] for column in cells)]
        for rule in RULES
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])
    assert table in PAGE.read_text(), f"the table in docs/access.md should be:\n{table}"


def shown(path: str) -> str:
    """A path as people write it."""
    return re.sub(r"\{(\w+)(:path)?\}", r"<\1>", path)


def outcomes(settings: Settings, key: TestKey | None, address: str) -> dict[Rule, str]:
    """What each address answers: ``yes`` where it was let through, or the status of the refusal."""
    headers = {} if key is None else key.headers
    sockets = [rule for rule in RULES if rule.method == SOCKET]
    app = create_app(settings)
    found = {rule: talked(first_event(app, rule.path, address, headers)) for rule in sockets}
    with TestClient(app, client=(address, 50_000), headers=headers) as client:
        return found | {rule: asked(client, rule) for rule in RULES if rule not in sockets}


def talked(event: dict[str, Any]) -> str:
    if event["type"] == "session.created":
        return "yes"
    return {"invalid_api_key": "401", "forbidden": "403"}[event["error"]["code"]]


def asked(client: TestClient, rule: Rule) -> str:
    path = re.sub(r"\{\w+(:path)?\}", "x", rule.path)
    status = client.request(rule.method, path, follow_redirects=False).status_code
    return {401: "401", 403: "403"}.get(status, "yes")


def test_the_settings_are_explained() -> None:
    """The page speaks of every setting of access, and shows a link secret or key of nobody."""
    text = PAGE.read_text()
    for name in ("REQUIRE_KEYS", "KEYS_PATH", "USAGE_PATH", "ALLOWED_HOSTS", "LINK_SECONDS", "LUMEN_API_KEY"):
        assert name in text
    assert "MAX_CLIENT_SECRETS" in text
    assert not re.search(r"lumen_sk_[0-9a-f]{10}_[A-Za-z0-9_-]{43}", text)
    for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        json.loads(block)


def test_the_page_is_found() -> None:
    """The README leads to it."""
    assert "docs/access.md" in (Path(ROOT) / "README.md").read_text()
