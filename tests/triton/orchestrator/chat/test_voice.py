"""The chat page in a real Chromium whose microphone plays a file; the listener is the real one."""

import json
import logging
from pathlib import Path

import numpy as np

from tests.support.api_server import Api, Serve
from tests.support.chat_page import SOUND, ChatPage, chatting
from tests.support.chromium import Chromium
from tests.support.microphone import speaking_browser
from tests.support.spoken import cough, noise, silence, speech

log = logging.getLogger(__name__)

LONG = " ".join(["word"] * 90)
"""Eighteen seconds of speech of the stand-in."""

SAID = "Please stop it now."

LATEST_MS = 1500
"""From the user's voice to the idle picture, on a busy machine: 200 of them are speech that is waited for."""

WATCH = """
window.found = {};
const hear = avatar.hear;
avatar.hear = (pcm) => {
  const loud = Math.sqrt(pcm.reduce((sum, one) => sum + one * one, 0) / pcm.length) > 600;
  if (loud) found.began ??= performance.now();
  hear.call(avatar, pcm);
};
const look = () => {
  const now = performance.now();
  if (found.began && loudness() < 0.001) found.silent ??= now - found.began;
  if (found.began && getComputedStyle(part(".live")).opacity < 1) found.fading ??= now - found.began;
  requestAnimationFrame(look);
};
look();
"""
"""Milliseconds from the first loud piece of the microphone to silence, and to the first idle frame."""


def start(page: ChatPage) -> None:
    """Let the portrait speak, and open the microphone."""
    page.tab.run(SOUND)
    page.tab.run(f"avatar.say({json.dumps(LONG)})")
    page.reach("speaking")
    page.tab.until("loudness() > 0.01")
    page.tab.run(WATCH)
    page.tab.click("#microphone")


def test_interruption_by_voice(hearing: Api, tmp_path: Path) -> None:
    """The user's voice makes the portrait silent; what was said is shown, and answered."""
    sound = np.concatenate([silence(1.5), speech(SAID), silence(20)])
    with speaking_browser(tmp_path, sound) as browser, chatting(browser, hearing.url) as page:
        start(page)
        page.tab.until("found.silent && found.fading")
        taken = page.tab.run("found")
        log.info("Interruption by voice, ms: %s", taken)
        assert taken["silent"] < LATEST_MS
        assert taken["fading"] < LATEST_MS
        page.tab.run("window.mark = told.length")
        assert page.hear_out() == [SAID]
        assert page.messages()[-2:] == [("user", SAID), ("assistant", SAID)]
        assert "listens" in page.tab.run("document.getElementById('hearing').innerText")


def test_a_cough_makes_a_pause_and_no_more(hearing: Api, tmp_path: Path) -> None:
    """The portrait is silent for the moment in which nobody knows, and goes on."""
    sound = np.concatenate([silence(1.5), cough(), silence(1), noise(0.3, 0.005), silence(20)])
    with speaking_browser(tmp_path, sound) as browser, chatting(browser, hearing.url) as page:
        start(page)
        page.tab.until("found.silent")
        page.tab.until("loudness() > 0.01")
        assert page.state == "speaking"
        assert [role for role, _ in page.messages()].count("user") == 1


def test_a_server_without_a_listener(chromium: Chromium, api: Api) -> None:
    """The microphone is off and says why; the browser's own recognition is offered, and off."""
    with chatting(chromium, api.url) as page:
        assert page.tab.run("document.getElementById('microphone').disabled")
        assert "recognises no speech" in page.tab.run("document.getElementById('microphone').title")
        assert page.tab.run("document.getElementById('recognition').checked") is False


def test_a_language_that_the_listener_does_not_know(
    hearing: Api, serve_with: Serve, chromium: Chromium
) -> None:
    """The microphone goes off with the language."""
    with chatting(chromium, hearing.url) as page:
        assert not page.tab.run("document.getElementById('microphone').disabled")
        page.tab.run("avatar.setAttribute('language', 'de')")
        page.tab.until("document.getElementById('microphone').disabled")
