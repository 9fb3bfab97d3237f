"""The element in somebody else's page, as docs/embed.md shows it."""

import re

import pytest

from tests.support.api_server import Api, Serve
from tests.support.chat_page import PROBES, ChatPage
from tests.support.chromium import Chromium, Tab
from tests.support.http_server import Handler, serving
from tests.support.paths import ROOT

EXAMPLE = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "embed.md").read_text(), re.DOTALL)[0]


def page_of(html: str) -> type[Handler]:
    """A handler that answers a page."""

    class Page(Handler):
        def answer(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Page


def ask(tab: Tab, text: str) -> None:
    tab.run("document.getElementById('text').focus()")
    tab.type(text)
    tab.press("Enter")


def test_the_example_speaks(chromium: Chromium, api: Api, serve_with: Serve) -> None:
    """The documented page, served from another origin that the server knows, gets its answer."""
    with serving(page_of("")) as reserved:
        pass  # its port is free again, and the server is told of it
    server = serve_with(triton_url=api.settings.triton_url, cors_origins=[reserved])
    html = EXAMPLE.replace("http://localhost:8000", server.url)
    assert html != EXAMPLE
    with serving(page_of(html), port=int(reserved.rsplit(":", 1)[1])) as url, chromium.tab() as tab:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=PROBES.replace('"avatar"', '"ada"'))
        tab.open(url)
        tab.until("ada.state === 'idle'")
        ask(tab, "one two three")
        assert ChatPage(tab).hear_out() == ["one two three"]
        assert tab.problems == []


@pytest.mark.parametrize("part", ["script", "socket"])
def test_a_page_that_the_server_does_not_know(chromium: Chromium, api: Api, part: str) -> None:
    """A foreign page gets neither the script nor a conversation."""
    attempt = {
        "script": f"import('{api.url}/chat/lumen-avatar.js').then(() => 'taken', () => 'refused')",
        "socket": f"new Promise((done) => {{ new WebSocket('{api.url.replace('http', 'ws')}/v1/realtime')"
        ".onclose = ({code}) => done(code === 1008 ? 'refused' : code); })",
    }[part]
    with serving(page_of("<!doctype html><title>Foreign</title>")) as url, chromium.tab() as tab:
        tab.open(url)
        assert tab.run(attempt) == "refused"
