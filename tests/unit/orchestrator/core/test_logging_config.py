"""The log's form, and a disk that takes none."""

import re
import subprocess
import sys
from pathlib import Path

from lumen.settings import PROJECT_ROOT
from tests.support.api_server import Api
from tests.support.waiting import wait_until

TEXT = "/api/generate/text"


def test_log_lines_have_the_promised_form(lonely: Api) -> None:
    """Date, name, level and request id, exactly as the front end's tools read them."""
    request_id = lonely.client.post(TEXT, json={"prompt": "Hello log"}).json()["request_id"]

    def mine() -> list[str]:
        log = (lonely.settings.logs_path / "lumen.log").read_text()
        return [line for line in log.splitlines() if request_id in line]

    wait_until(lambda: len(mine()) == 2)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - lumen - INFO - "
    assert re.fullmatch(stamp + rf"\[{request_id}\] Text generation request: Hello log", mine()[0])
    assert re.fullmatch(
        stamp + rf"\[{request_id}\] POST {TEXT} - 200 - \d+\.\d{{3}} s - 127\.0\.0\.1", mine()[1]
    )


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
