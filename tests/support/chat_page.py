"""The chat page in a real browser, as its user sees it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lumen.errors import UpstreamTimeoutException
from tests.support.chromium import Chromium, Tab

PROBES: Final = """
window.told = [];
for (const name of ["state", "caption", "error"]) {
  document.addEventListener("lumen-" + name, ({detail}) => told.push([name, detail]));
}
window.part = (name) => document.getElementById("avatar").shadowRoot.querySelector(name);
"""
"""Script that shows the tests the page: the element's events, and its two videos."""

SOUND: Final = """
(() => {
  const context = new AudioContext();
  const meter = context.createAnalyser();
  context.createMediaElementSource(part(".live")).connect(meter).connect(context.destination);
  const samples = new Float32Array(meter.fftSize);
  window.loudness = () => {
    meter.getFloatTimeDomainData(samples);
    return Math.hypot(...samples) / Math.sqrt(samples.length);
  };
})()
"""
"""Makes ``loudness()``, the root mean square of the sound in the last 43 ms, from 0 to 1."""

SPOKEN: Final = """
(() => {
  const states = told.slice(mark).filter(([name]) => name === "state").map(([, {state}]) => state);
  return states.includes("speaking") && states.at(-1) === "idle";
})()
"""

FINGERPRINT: Final = """
(() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
  const paper = canvas.getContext("2d");
  paper.drawImage(part(%s), 0, 0, 64, 64);
  return [...paper.getImageData(0, 0, 64, 64).data];
})()
"""


class ChatPage:
    """A tab with the page, which has a conversation."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    @property
    def state(self) -> str:
        return str(self.tab.run("avatar.state"))

    def reach(self, state: str) -> None:
        """Wait until the conversation is in this state."""
        self.tab.until(f"avatar.state === {json.dumps(state)}")

    def hear_out(self, do: str = "") -> list[str]:
        """Wait until an answer was spoken to its end; returns its captions.

        Args:
            do: a script that asks for the answer, where it is not asked for yet.
        """
        self.tab.run(f"window.mark ??= 0; {do}")
        try:
            self.tab.until(SPOKEN)
        except UpstreamTimeoutException:
            raise AssertionError(f"no answer was spoken: {self.tab.run('told.slice(mark)')}") from None
        told = self.tab.run("told.slice(mark)")
        self.tab.run("window.mark = told.length")
        return [detail["text"] for name, detail in told if name == "caption"]

    def ask(self, text: str) -> None:
        """Type a message and send it."""
        self.tab.run("window.mark = told.length")
        self.tab.run("document.getElementById('prompt').focus()")
        self.tab.type(text)
        self.tab.press("Enter")

    def messages(self) -> list[tuple[str, str]]:
        """The conversation: who said what."""
        found = self.tab.run(
            "[...document.querySelectorAll('#log li')].map((one) => [one.classList[0], one.innerText])"
        )
        return [(role, text) for role, text in found]

    def told(self, name: str) -> list[Any]:
        """Details of the element's events of one name, so far."""
        return [detail for kind, detail in self.tab.run("told") if kind == name]

    def frame(self, video: str = ".live") -> list[int]:
        """The picture of a video now: RGBA of 64 x 64 pixels."""
        pixels = self.tab.run(FINGERPRINT % json.dumps(video))
        assert isinstance(pixels, list)
        return pixels


@contextmanager
def chatting(browser: Chromium, url: str, before: str = "") -> Iterator[ChatPage]:
    """The page of the server at ``url``, ready; what went wrong in it fails the test.

    Args:
        before: a script that runs before the page's own.
    """
    with browser.tab() as tab:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=PROBES + before)
        tab.open(f"{url}/chat")
        page = ChatPage(tab)
        page.reach("idle")
        yield page
        assert tab.problems == []


def difference(one: list[int], other: list[int]) -> float:
    """Mean difference of two frames, in 0..255."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)
