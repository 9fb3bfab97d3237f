"""A real Chromium without a window, driven over its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import ClientConnection, connect

from lumen.errors import GenerationException, ServiceUnavailableException, UpstreamTimeoutException

SECONDS: Final = 30.0

POLL_SECONDS: Final = 0.01

PROGRAM: Final = shutil.which("chromium") or shutil.which("google-chrome")

FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)

PLAYS_SOUND: Final = "--autoplay-policy=no-user-gesture-required"
"""Lets a page play sound without a gesture."""

START_SECONDS: Final = 60.0

KEYS: Final = {"Escape": 27, "Enter": 13, "Tab": 9}


class Tab:
    """A page in the browser.

    Attributes:
        problems: what its scripts did not catch, and what its policy forbade.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0
        self.problems: list[str] = []
        for domain in ("Runtime", "Page", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while (message := json.loads(self._socket.recv(SECONDS))).get("id") != self._calls:
            self._note(message)
        if "error" in message:
            raise GenerationException(f"{method}: {message['error']}")
        return dict(message["result"])

    def run(self, script: str, *, gesture: bool = False) -> Any:
        """Evaluate an expression; a promise is awaited."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=gesture,
        )
        if "exceptionDetails" in result:
            raise GenerationException(f"The page's script failed: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, script: str, seconds: float = SECONDS) -> Any:
        """Wait until an expression is true, and return it.

        Raises:
            UpstreamTimeoutException: it is not in time.
        """
        deadline = time.monotonic() + seconds
        while not (found := self.run(script)):
            if time.monotonic() > deadline:
                raise UpstreamTimeoutException(f"It was not true within {seconds:g} s: {script.strip()}")
            time.sleep(POLL_SECONDS)
        return found

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def type(self, text: str) -> None:
        """Type at the focus, a key at a time."""
        for character in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=character)
            self.call("Input.dispatchKeyEvent", type="keyUp")

    def press(self, key: str) -> None:
        code = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def click(self, selector: str) -> None:
        """Click into the middle of an element, as a mouse does."""
        place = self.run(
            f"(() => {{ const box = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        where = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screen(self, width: int, height: int, *, dark: bool = False, telephone: bool = False) -> None:
        """Choose the size of the screen and the user's colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=telephone,
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"])[:500])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["source"] == "security":
            self.problems.append(params["entry"]["text"])


class Chromium:
    """A running browser."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def tab(self) -> Iterator[Tab]:
        """A new empty tab, which is closed afterwards."""
        target = httpx.put(f"{self._url}/json/new?about:blank").json()
        with connect(target["webSocketDebuggerUrl"], max_size=2**26) as socket:
            yield Tab(socket)
        httpx.get(f"{self._url}/json/close/{target['id']}")


@contextmanager
def browsing(folder: Path, *flags: str) -> Iterator[Chromium]:
    """Run a browser whose files lie in ``folder``.

    Raises:
        ServiceUnavailableException: none is installed, or it does not start.
    """
    if PROGRAM is None:
        raise ServiceUnavailableException("No Chromium is installed; on Debian: apt-get install chromium.")
    command = [PROGRAM, *FLAGS, f"--user-data-dir={folder}", *flags]
    with (folder / "console.txt").open("wb") as console:
        process = subprocess.Popen(command, stdout=console, stderr=console)
        try:
            yield Chromium(f"http://127.0.0.1:{_port_of(process, folder / 'DevToolsActivePort')}")
        finally:
            process.terminate()
            process.wait(20)


def microphone_flags(sound: Path) -> tuple[str, ...]:
    """Flags of a browser that may use the microphone, which plays a WAV over and over."""
    return (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
        PLAYS_SOUND,
    )


def _port_of(process: "subprocess.Popen[bytes]", told: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if told.exists() and "\n" in (text := told.read_text()):
            return text.splitlines()[0]
        time.sleep(POLL_SECONDS)
    raise ServiceUnavailableException(f"Chromium did not start; {told.parent}/console.txt says why.")
