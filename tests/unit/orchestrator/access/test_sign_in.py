"""The chat page of a server that asks for keys, in a real Chromium."""

import json
from pathlib import Path

import pytest

from tests.support.api_server import Serve
from tests.support.chat_page import PROBES
from tests.support.chromium import Chromium
from tests.support.keys import new_key


@pytest.mark.parametrize("wrong_first", [False, True])
def test_the_page_asks_for_the_key(
    chromium: Chromium, serve_with: Serve, tmp_path: Path, wrong_first: bool
) -> None:
    """It asks for the key, again after a wrong one, converses with it, and keeps it for the tab."""
    key = new_key(tmp_path / "keys.json", "visitor")
    api = serve_with(keys_path=tmp_path / "keys.json")
    with chromium.tab() as tab:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=PROBES)
        tab.open(f"{api.url}/chat")
        for typed in ["none", key.token] if wrong_first else [key.token]:
            tab.until("document.getElementById('sign-in').open")
            tab.run(f"document.getElementById('key').value = {json.dumps(typed)}")
            tab.run("document.querySelector('#sign-in button').click()")
        tab.until("avatar.state === 'idle' && document.getElementById('language').options.length > 0")
        assert not tab.run("document.getElementById('sign-in').open")
        assert tab.run("avatar.session.avatar.idle_url").count("token=") == 1
        tab.open(f"{api.url}/chat")
        tab.until("avatar.state === 'idle' && document.getElementById('language').options.length > 0")
        assert tab.run("document.getElementById('language').value") == "en"
        assert not tab.run("document.getElementById('sign-in').open")
