"""Names of the server and pages of others, by the heads of requests alone."""

from typing import Any

import pytest

from lumen.errors import ForbiddenException
from orchestrator.access.origins import check_host, from_this_machine, is_foreign


def head(client: str = "127.0.0.1", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": raw, "client": (client, 50_000)}


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "app.localhost", "192.168.1.9:8000", "api", ""]
)
def test_names_that_no_page_can_rebind(host: str) -> None:
    """Addresses, names of this machine and names without a dot are taken from this machine."""
    check_host(head(host=host), [])


@pytest.mark.parametrize(
    "host", ["evil.example", "EVIL.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_rebound_name_is_refused(host: str) -> None:
    """A page of another name that has itself resolved to this machine gets nothing, whatever it forwards."""
    for forwarded in ({}, {"x_forwarded_for": "192.0.2.7"}):
        with pytest.raises(ForbiddenException, match="ALLOWED_HOSTS"):
            check_host(head(host=host, **forwarded), [])
    with pytest.raises(ForbiddenException):
        check_host(head(host=host), ["lumen.example"])


@pytest.mark.parametrize(
    ("host", "allowed", "welcome"),
    [
        ("lumen.example", [], True),
        ("lumen.example:443", ["lumen.example"], True),
        ("a.lumen.example", ["*.lumen.example"], True),
        ("evillumen.example", ["*.lumen.example"], False),
        ("lumen.example", ["*"], True),
        ("api", ["lumen.example"], False),
        ("10.0.0.3:8000", ["lumen.example"], True),
    ],
)
def test_hosts_from_other_machines(host: str, allowed: list[str], welcome: bool) -> None:
    """Other machines may use any name, until the names are listed."""
    scope = head("192.0.2.7", host=host)
    if welcome:
        check_host(scope, allowed)
    else:
        with pytest.raises(ForbiddenException):
            check_host(scope, allowed)


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"origin": "http://localhost:8000"}, False),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "http://localhost:9000"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://["}, True),
        ({"sec_fetch_site": "cross-site"}, True),
        ({"sec_fetch_site": "same-site"}, True),
        ({"sec_fetch_site": "same-origin"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"origin": "http://localhost:3000", "sec_fetch_site": "same-site"}, False),
    ],
)
def test_pages_of_others(headers: dict[str, str], foreign: bool) -> None:
    """What a browser says of the page decides; a program says nothing."""
    assert is_foreign(head(host="localhost:8000", **headers), ["http://localhost:3000"]) == foreign
    assert not is_foreign(head(host="localhost:8000", **headers), ["*"]) or "origin" not in headers


@pytest.mark.parametrize(
    ("client", "headers", "here"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.168.1.9", {}, False),
        ("127.0.0.1", {"x_forwarded_for": "192.0.2.7"}, False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1, 192.0.2.7"}, False),
        ("127.0.0.1", {"x_forwarded_for": "::ffff:127.0.0.1"}, True),
        ("127.0.0.1", {"x_forwarded_for": ""}, False),
        ("127.0.0.1", {"forwarded": "for=192.0.2.7"}, False),
        ("a name", {}, False),
    ],
)
def test_this_machine(client: str, headers: dict[str, str], here: bool) -> None:
    """A proxy on this machine that asks for another one does not count as this machine."""
    assert from_this_machine(head(client, host="localhost", **headers)) == here
