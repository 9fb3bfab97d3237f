"""The log's form, and a disk that takes none."""

import json
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from lumen.settings import PROJECT_ROOT
from tests.support.api_server import Api
from tests.support.waiting import wait_until

TEXT = "/api/generate/text"


def test_log_lines_have_the_promised_form(lonely: Api) -> None:
    """Date, name, level and request id, exactly as the front end's tools read them."""
    request_id = lonely.client.post(TEXT, json={"prompt": "Hello log"}).json()["request_id"]

    def mine() -> list[str]:
        log = lonely.log()
        return [line for line in log.splitlines() if request_id in line]

    wait_until(lambda: len(mine()) == 2)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - lumen - INFO - "
    assert re.fullmatch(stamp + rf"\[{request_id}\] Text generation request: Hello log", mine()[0])
    assert re.fullmatch(
        stamp + rf"\[{request_id}\] POST {TEXT} - 200 - \d+\.\d{{3}} s - 127\.0\.0\.1", mine()[1]
    )


def test_a_clients_fault_is_one_line(lonely: Api) -> None:
    """A text that is no UTF-8 closes its socket, and leaves no traceback in the log."""
    before = len(lonely.log())  # the process has one log, and other tests have written into it
    with websockets.sync.client.connect(lonely.url.replace("http", "ws") + "/v1/realtime") as client:
        with client.send_context():
            client.protocol.send_text(b"\xff\xfe")
        with suppress(ConnectionClosed):
            for _ in range(10):
                client.recv(10)
    assert client.close_code == CloseCode.INVALID_DATA
    wait_until(lambda: "Invalid UTF-8" in lonely.log()[before:])
    assert "Traceback" not in lonely.log()[before:]


LOG_THREE_LINES = """
import logging, sys
from pathlib import Path
from orchestrator.core.logging_config import logging_to
with logging_to(Path(sys.argv[1])):
    for word in ("one", "two", "three"):
        logging.getLogger("lumen").info(word)
"""


def test_a_disk_that_takes_no_log(tmp_path: Path) -> None:
    """A full disk costs the log file: the console has every line, and says once what is wrong."""
    (tmp_path / "lumen.log").symlink_to("/dev/full")
    done = subprocess.run(
        [sys.executable, "-c", LOG_THREE_LINES, str(tmp_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert len(lines) == 4, done.stderr
    assert sum("lumen.log cannot be written" in line for line in lines) == 1


LOG_AS_JSON = """
import logging, sys
from pathlib import Path
from orchestrator.core.logging_config import logging_to
from orchestrator.request_context import identified, job, owner
log = logging.getLogger("lumen")
with logging_to(Path(sys.argv[1]), "json"):
    log.info("before")
    with identified("my-own.id_0001"):
        owner.set("key-1"), job.set("job-1")
        log.info("two\\nlines", extra={"status": 200, "seconds": 0.5})
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("failed")
"""


def test_lines_of_json(tmp_path: Path) -> None:
    """One record is one line on the standard output and in the file, with what it belongs to."""
    done = subprocess.run(
        [sys.executable, "-c", LOG_AS_JSON, str(tmp_path)], cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "lumen.log").read_text() == done.stdout
    before, told, failed = map(json.loads, done.stdout.splitlines())
    assert before.keys() == {"time", "level", "logger", "message"}
    context = {"request": "my-own.id_0001", "owner": "key-1", "job": "job-1"}
    expected = {"level": "INFO", "message": "two\nlines", "status": 200, "seconds": 0.5, **context}
    assert expected.items() <= told.items()
    assert "ValueError: broken" in failed["exception"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("abc-DEF_12.3", True),
        ("short", False),
        ("x" * 65, False),
        ("a b c d e f g", False),
        ("../../etc/pw", False),
    ],
)
def test_an_id_of_safe_form_is_kept(lonely: Api, sent: str, kept: bool) -> None:
    """Whatever else is sent gets a new one, and no line of the log has it."""
    answer = lonely.client.get("/livez", headers={"X-Request-ID": sent})
    assert (answer.headers["x-request-id"] == sent) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
