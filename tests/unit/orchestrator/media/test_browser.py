"""The MP4 in a real browser."""

import functools
import http.server
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lumen.contracts import FACE_FPS
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.sinks import Mp4FileSink

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIDE = 128
RATE = 22_050
SECONDS = 2
ANSWER_SECONDS = 60.0

PAGE = """<!doctype html><video id="v" muted autoplay src="clip.mp4"></video><script>
const v = document.getElementById("v");
const tell = (found) => fetch("/found", {method: "POST", body: JSON.stringify(found)});
v.onerror = () => tell({error: v.error.message || v.error.code});
v.onended = () => {
  const canvas = document.createElement("canvas");
  canvas.width = v.videoWidth; canvas.height = v.videoHeight;
  const pen = canvas.getContext("2d");
  pen.drawImage(v, 0, 0);
  tell({duration: v.duration, width: v.videoWidth, height: v.videoHeight,
        colour: [...pen.getImageData(64, 64, 1, 1).data],
        audio: v.webkitAudioDecodedByteCount, frames: v.getVideoPlaybackQuality().totalVideoFrames});
};
</script>"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps what the page finds."""

    found: queue.Queue[dict[str, Any]]

    def do_POST(self) -> None:
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, "queue.Queue[dict[str, Any]]"]]:
    """A folder with a page and a clip, served on a free port."""
    frame = np.full((SECONDS * FACE_FPS, SIDE, SIDE, 3), (200, 60, 40), np.uint8)
    tone = (0.3 * np.sin(np.arange(SECONDS * RATE) * 0.1)).astype(np.float32)
    with encoding(ClipFormat(SIDE, SIDE, FACE_FPS, RATE), Mp4FileSink(tmp_path / "clip.mp4")) as writer:
        writer.write_audio(tone)
        writer.write_frames(frame)
    (tmp_path / "page.html").write_text(PAGE)
    handler = type("Handler", (_Handler,), {"found": queue.Queue()})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(tmp_path))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.html", handler.found
        server.shutdown()
        thread.join()


@pytest.mark.heavy
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_a_browser_plays_the_clip(site: tuple[str, "queue.Queue[dict[str, Any]]"], tmp_path: Path) -> None:
    """Chromium plays it to its end: length, size, colour and sound are those that were written."""
    url, found = site
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            seen = found.get(timeout=ANSWER_SECONDS)
        finally:
            browser.terminate()
    assert seen.get("error") is None
    assert seen["duration"] == pytest.approx(SECONDS, abs=1 / FACE_FPS)
    assert (seen["width"], seen["height"]) == (SIDE, SIDE)
    assert np.abs(np.array(seen["colour"][:3]) - (200, 60, 40)).max() <= 4
    assert seen["audio"] > 0
    assert seen["frames"] >= SECONDS * FACE_FPS * 0.5
