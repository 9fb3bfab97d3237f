"""An S3 server on this machine, as benchmarks and tests start it: SeaweedFS."""

import urllib.request
from pathlib import Path
from typing import Final

from lumen.triton.ports import own_port

SERVERS: Final = ("master", "volume", "filer", "s3")
"""Servers in its one process; each listens on a port, and on another one for gRPC."""

PUT_SECONDS: Final = 5.0


def weed_command(program: str, folder: Path) -> tuple[list[str], int]:
    """Command of a server that keeps its data in ``folder``, and the port that speaks S3.

    It tells nobody of itself, and listens nowhere but on ports of this process's own.
    """
    numbers = {name: own_port() for name in SERVERS}
    flags = [f"-{name}.port={number}" for name, number in numbers.items()]
    # gRPC's ports are 10,000 above these, unless they are told.
    flags += [f"-{name}.port.grpc={own_port()}" for name in SERVERS]
    flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command = [program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3", *flags]
    return command, numbers["s3"]


def put(address: str) -> bool:
    """Put nothing at a signed address, which makes a bucket; whether the server took it."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="PUT"), timeout=PUT_SECONDS):
            return True
    except OSError:
        return False
