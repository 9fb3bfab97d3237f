"""The chat page as it is served."""

import re
from pathlib import Path

import pytest

from orchestrator.routes.chat import FILES
from tests.support.api_server import Api, assert_error

WEB = sorted(path for path in FILES.iterdir() if path.is_file())
FOREIGN = re.compile(r"""(?:src|href|import|url)\s*[=(]?\s*["']?(?:https?:)?//""")


def test_the_page_is_confined(lonely: Api) -> None:
    """The policy lets the page load, run and ask nothing but this server."""
    response = lonely.client.get("/chat")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(line.split(" ", 1) for line in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    sources = {source for name, line in policy.items() if name.endswith("-src") for source in line.split()}
    assert sources == {"'none'", "'self'", "blob:"}
    assert "microphone=(self)" in response.headers["permissions-policy"]


@pytest.mark.parametrize("path", WEB, ids=lambda path: path.name)
def test_files(lonely: Api, path: Path) -> None:
    """Every file has a type that browsers take, comes again when it has changed, and needs nobody else."""
    first = lonely.client.get(f"/chat/{path.name}")
    assert first.status_code == 200
    types = {".html": "html", ".js": "javascript", ".css": "css", ".svg": "svg", ".ts": "plain"}
    assert types[path.suffix] in first.headers["content-type"]
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-content-type-options"] == "nosniff"
    again = lonely.client.get(f"/chat/{path.name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert not FOREIGN.search(path.read_text())


def test_a_browser_is_led_to_the_page_and_a_program_is_not(lonely: Api) -> None:
    """`/` answers programs with JSON as ever; who asks for HTML is sent to the page."""
    browser = lonely.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (browser.status_code, browser.headers["location"]) == (307, "/chat")
    program = lonely.client.get("/")
    assert program.json()["service"] == "LUMEN"
    assert "Accept" in browser.headers["vary"]
    assert "Accept" in program.headers["vary"]


def test_other_ways_to_the_page(lonely: Api) -> None:
    """A slash too many leads to the page too, and HEAD is answered as GET is."""
    slash = lonely.client.get("/chat/", follow_redirects=True)
    assert (slash.status_code, slash.url.path) == (200, "/chat")
    head = lonely.client.head("/chat")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == slash.headers["etag"]


def test_the_bundled_portraits_can_be_seen(lonely: Api) -> None:
    """A page shows the portraits that `/api/status` names."""
    picture = lonely.client.get("/api/portraits/ada")
    assert picture.headers["content-type"] == "image/png"
    assert picture.content == (lonely.settings.assets_path / "portraits" / "ada.png").read_bytes()
    assert_error(lonely.client.get("/api/portraits/..%2Fada"), 404, "NotFoundException")
    assert_error(lonely.client.get("/api/portraits/nobody-else"), 400, "InvalidInputException", "ada")


def test_only_the_page_is_served(lonely: Api) -> None:
    """No address under /chat leads out of its folder."""
    for path in ("/chat/%2e%2e/main.py", "/chat/..%2fmain.py", "/chat/nothing.js"):
        assert lonely.client.get(path).status_code == 404
