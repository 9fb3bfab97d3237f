"""The chat page in a real Chromium: the first picture, and interruptions to silence and the idle picture.

    python -m bench.live_page --url http://127.0.0.1:8000 --times 20

Needs a LUMEN that runs, and a Chromium. Interrupts by the button, by a key and, where the server recognises
speech, by voice: a file plays as the microphone. Ends in one line of JSON.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.browser import Tab, browsing, microphone_flags
from bench.load import PERCENTILES
from bench.runner import Report, joined_percentiles, run_benchmark, table_of
from bench.sounds import RATE, silence, spoken, wav
from lumen.errors import UpstreamTimeoutException

QUESTION: Final = "Good morning, and thank you for asking."
SAID: Final = "Please stop it now."
LONG: Final = "This is a long answer, which goes on and on until somebody stops it. " * 6

QUIET_BEFORE, QUIET_AFTER = 1.0, 8.0
"""Seconds around what the user says: the portrait speaks again by then."""

UNANSWERED: Final = """
avatar.send({type: "session.update", session: {type: "realtime", audio: {input: {turn_detection:
  {type: "server_vad", create_response: false}}}}})
"""
"""Lets what the user says interrupt, and not be answered: the next answer is the benchmark's own."""

LIMITS: Final = "const LOUD = 0.02, QUIET_PIECES = 20, SILENCE_MS = 500;"
"""Root mean square of a piece of 40 ms in which the user's voice has begun, quiet pieces before it, and how
long the portrait must be silent for good: its speech has pauses."""

PROBES: Final = """
window.part = (name) => avatar.shadowRoot.querySelector(name);
window.context = new AudioContext();
window.meter = context.createAnalyser();
meter.fftSize = 1024;
context.createMediaElementSource(part(".live")).connect(meter).connect(context.destination);
window.samples = new Float32Array(meter.fftSize);
window.loudness = () => {
  meter.getFloatTimeDomainData(samples);
  return Math.hypot(...samples) / Math.sqrt(samples.length);
};
window.opacity = () => Number(getComputedStyle(part(".live")).opacity);
window.firstPicture = (text) => new Promise((resolve) => {
  const began = performance.now();
  avatar.say(text);
  const live = part(".live");
  const wait = () => live.requestVideoFrameCallback((now) => {
    if (avatar.state === "speaking" && opacity() > 0) resolve(now - began);
    else wait();
  });
  wait();
});
window.watch = (start) => {
  window.found = {};
  start((began) => {
    let silent = null;
    const look = () => {
      const now = performance.now() - began;
      silent = loudness() < 0.001 ? silent ?? now : null;
      if (opacity() < 1) found.idle_ms ??= now;
      if (opacity() === 0) found.gone_ms ??= now;
      if ("gone_ms" in found && silent !== null && now - silent > SILENCE_MS) found.silent_ms = silent;
      else requestAnimationFrame(look);
    };
    look();
  });
};
window.metrics = [];
document.addEventListener("lumen-event", ({detail: event}) => {
  if (event.type === "response.metrics") metrics.push(event);
});
window.hearing = null;
let quiet = 0;
const hear = avatar.hear.bind(avatar);
avatar.hear = (pcm) => {
  const loud = Math.sqrt(pcm.reduce((sum, one) => sum + one * one, 0) / pcm.length) / 32768 > LOUD;
  if (hearing && loud && quiet > QUIET_PIECES) {
    const begin = hearing;
    window.hearing = null;
    begin(performance.now());
  }
  quiet = loud ? 0 : quiet + 1;
  hear(pcm);
};
"""
"""Script that measures in the page."""

EVENT: Final = (
    "watch((go) => addEventListener('{}', () => go(performance.now()), {{once: true, capture: true}}))"
)

WAYS: Final = {
    "button": EVENT.format("mousedown"),
    "typing": EVENT.format("keydown"),
    "voice": "watch((go) => { window.hearing = go; })",
}
"""Scripts that begin to watch, by what the user does."""

SPEAKS: Final = "avatar.state === 'speaking' && opacity() === 1 && loudness() > 0.01"


def measure(options: argparse.Namespace) -> Report:
    """Ask and interrupt in the browser."""
    with tempfile.TemporaryDirectory(prefix="lumen-browser-") as name, _page(options.url, Path(name)) as tab:
        parts = tab.run("avatar.session.parts")
        first = [_first(tab) for _ in range(options.times)]
        server = [each["first_fragment_ms"] for each in tab.run("metrics")[-options.times :]]
        ways = [way for way in options.ways if way != "voice" or "listener" in parts]
        cuts = {way: _interruptions(tab, way, options.times) for way in ways}
    result = {
        "parts": parts,
        "times": options.times,
        "first_picture_ms": _percentiles(first),
        "first_fragment_ms": _percentiles([each for each in server if each is not None]),
        "interruption": {
            way: {
                name: _percentiles([one[name] for one in taken])
                for name in ("silent_ms", "idle_ms", "gone_ms")
            }
            for way, taken in cuts.items()
        },
    }
    return Report(result, [_table(result)])


@contextmanager
def _page(url: str, folder: Path) -> Iterator[Tab]:
    """The page, ready, in a browser whose microphone says `SAID` now and then."""
    sound = np.concatenate([silence(QUIET_BEFORE), spoken(url, SAID), silence(QUIET_AFTER)])
    file = folder / "microphone.wav"
    file.write_bytes(wav(np.repeat(sound, 2), 2 * RATE))  # Chromium's own rate
    with browsing(folder, *microphone_flags(file)) as browser, browser.tab() as tab:
        yield _ready(tab, url)


def _ready(tab: Tab, url: str) -> Tab:
    tab.open(f"{url}/chat")
    tab.until("document.getElementById('avatar').state === 'idle'", 120)
    tab.run(LIMITS + PROBES)
    tab.until("part('.idle').classList.contains('shown')", 120)
    tab.run("avatar.say('One. Two.')")
    tab.until("avatar.state === 'speaking'", 120)
    tab.until("avatar.state === 'idle'", 60)
    return tab


def _first(tab: Tab) -> float:
    taken = float(tab.run(f"firstPicture({json.dumps(QUESTION)})"))
    tab.run("avatar.interrupt()")
    tab.until("avatar.state === 'idle' && opacity() === 0")
    return taken


def _interruptions(tab: Tab, way: str, times: int) -> list[dict[str, float]]:
    act: dict[str, Callable[[], None]] = {
        "button": lambda: tab.click("#stop"),
        "typing": lambda: tab.type("x"),
        "voice": lambda: None,
    }
    if way == "voice":
        tab.click("#microphone")
        tab.until("document.getElementById('hearing').innerText.includes('listens')")
        tab.run(UNANSWERED)
    taken = [_interrupted(tab, way, act[way]) for _ in range(times)]
    if way == "voice":
        tab.click("#microphone")
    return taken


def _interrupted(tab: Tab, way: str, act: Callable[[], None]) -> dict[str, float]:
    """Milliseconds from the act to silence, to the first idle frame, and to the last speaking one."""
    tab.run("document.getElementById('prompt').value = ''; document.getElementById('prompt').focus()")
    _let_speak(tab)
    tab.run(f"{WAYS[way]}; 0")
    act()
    try:
        tab.until("found.gone_ms !== undefined && found.silent_ms !== undefined")
    except UpstreamTimeoutException as late:
        raise UpstreamTimeoutException(f"The interruption by {way} did nothing: {tab.run('found')}") from late
    found = tab.run("found")
    return {name: float(value) for name, value in found.items()}


def _let_speak(tab: Tab) -> None:
    """Ask until an answer is heard: the microphone's file may interrupt one before."""
    found = ""
    while found != "speaks":
        tab.run(f"avatar.say({json.dumps(LONG)})")
        found = tab.until(f"{SPEAKS} ? 'speaks' : avatar.state === 'idle' && 'idle'")


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    found = {f"p{p}": round(float(np.percentile(values, p)), 1) for p in PERCENTILES[:2]}
    return {**found, "max": round(max(values), 1)}


def _table(result: dict[str, Any]) -> Any:
    rows = [
        ("question", "first fragment, at the server", joined_percentiles(result["first_fragment_ms"])),
        ("question", "first picture", joined_percentiles(result["first_picture_ms"])),
    ]
    for way, found in result["interruption"].items():
        rows += [(way, name.removesuffix("_ms"), joined_percentiles(found[name])) for name in found]
    return table_of("The chat page, p50 / p95 / max", ["what", "until"], ["ms"], rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the API")
    parser.add_argument("--ways", nargs="*", choices=tuple(WAYS), default=tuple(WAYS), help="of interrupting")
    parser.add_argument("--times", type=int, default=20, help="of each measurement, in a row")


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
