"""Runs Triton as a child that cannot outlive its launcher.

Started by `lumen.triton.server` as a script of its own, with the standard library only. The
launcher holds the other end of standard input: when it closes, because the launcher stops the
server or because the launcher was killed, the server is stopped, what it started is killed and
its shared memory is removed. The exit code is the server's.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

SHARED_MEMORY = Path("/dev/shm")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class _StopError(Exception):
    """Raised by the signal handler."""


def main(prefix: str, workdir: str, grace: float, command: list[str]) -> int:
    """Run `command` until it exits or standard input closes; returns its exit code.

    Args:
        prefix: of the names of the server's shared-memory segments.
        workdir: the server's own directory, removed in the end.
        grace: seconds between SIGTERM and SIGKILL.
        command: the server and its arguments.
    """
    signal.signal(signal.SIGTERM, _raise_stop)
    signal.signal(signal.SIGINT, _raise_stop)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_together
    )
    try:
        _wait_for_end(server)
    except _StopError:
        pass
    finally:
        _stop(server, grace)
        _reap_orphans()
        remove_segments(prefix)
        shutil.rmtree(workdir, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def remove_segments(prefix: str) -> None:
    """Remove the shared-memory segments whose names begin with `prefix`."""
    for segment in SHARED_MEMORY.glob(f"{prefix}*"):
        with contextlib.suppress(PermissionError):  # another user's
            segment.unlink(missing_ok=True)


def _raise_stop(signum: int, frame: FrameType | None) -> None:
    raise _StopError


def _die_together() -> None:
    # Only for the case that this process is killed hard: the server then ends by itself.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_for_end(server: "subprocess.Popen[bytes]") -> None:
    exited = os.pidfd_open(server.pid)
    try:
        select.select([sys.stdin.fileno(), exited], [], [])
    finally:
        os.close(exited)


def _stop(server: "subprocess.Popen[bytes]", grace: float) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _reap_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
