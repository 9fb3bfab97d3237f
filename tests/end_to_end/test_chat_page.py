"""The chat page in a real Chromium, before the real starter chain."""

import wave
from pathlib import Path

import numpy as np
import pytest

from bench.browser import microphone_flags
from tests.support.chat_page import SOUND, chatting, difference
from tests.support.chromium import Chromium, browsing
from tests.support.lumen_process import Chain
from tests.support.spoken import needs
from tests.support.waiting import wait_until

TONE_HZ = 440.0
RATE = 24_000

RECORD = """
window.heard = [];
const hear = avatar.hear;
avatar.hear = (pcm) => { heard.push(...pcm); hear.call(avatar, pcm); };
"""


def test_the_portrait_speaks_and_moves(chromium: Chromium, chain: Chain) -> None:
    """The answer is heard, its captions follow the speech, and the picture moves before it and with it."""
    with chatting(chromium, chain.url) as page:
        page.tab.until("part('.idle').classList.contains('shown')", 90)
        page.tab.run(SOUND)
        silent = page.frame(".idle")
        moved: list[float] = []
        wait_until(lambda: moved.append(difference(silent, page.frame(".idle"))) or moved[-1] > 0.5)
        page.ask("Hello, my friend. This is how I speak.")
        page.reach("speaking")
        page.tab.until("loudness() > 0.01")
        frames = [page.frame()]
        page.tab.until("part('.live').currentTime > 1")
        frames.append(page.frame())
        assert difference(*frames) > 0.5
        assert page.hear_out() == ["Hello, my friend.", "This is how I speak."]
        assert page.tab.run("loudness()") == pytest.approx(0, abs=1e-3)


def test_a_browser_is_led_to_the_page(chromium: Chromium, chain: Chain) -> None:
    """A browser at the server's address finds the page, which says what makes its video."""
    with chromium.tab() as tab:
        tab.open(f"{chain.url}/")
        assert tab.run("location.pathname") == "/chat"
        tab.until("document.body.innerText.includes('voice: hibari')")
        text = tab.run("document.body.innerText")
        assert "AI-generated" in text
        assert "It repeats what you write: no language model is set up." in text
        assert tab.run("document.querySelector('#notice a').href") == "https://aistudio.google.com/apikey"


def test_the_microphone_reaches_the_server(tmp_path: Path, chain: Chain) -> None:
    """The microphone's sound arrives as PCM of 24 kHz at its own pitch."""
    sound = tmp_path / "tone.wav"
    _write_tone(sound)
    needs("moonshine_voice")
    with browsing(tmp_path, *microphone_flags(sound)) as browser, chatting(browser, chain.url) as page:
        page.tab.run(RECORD)
        page.tab.click("#microphone")
        page.tab.until(f"heard.length > {2 * RATE}")
        assert page.tab.run("document.getElementById('hearing').innerText") == (
            "The microphone is on; the server listens."
        )
        page.tab.click("#microphone")
        assert page.tab.run("document.getElementById('microphone').ariaPressed") == "false"
        pcm = np.array(page.tab.run(f"heard.slice({RATE}, {2 * RATE})")) / 2**15
        spectrum = np.abs(np.fft.rfft(pcm))
        assert np.argmax(spectrum) == pytest.approx(TONE_HZ, abs=2)
        assert page.told("error") == []


def _write_tone(path: Path) -> None:
    times = np.arange(10 * 48_000) / 48_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((0.5 * 2**15 * np.sin(2 * np.pi * TONE_HZ * times)).astype("<i2").tobytes())
