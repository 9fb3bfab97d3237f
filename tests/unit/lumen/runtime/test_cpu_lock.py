"""Models that take turns at the cores."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lumen.errors import LumenException
from lumen.runtime.batches import Request, Tensors
from lumen.runtime.cpu_lock import CpuLock
from lumen.triton.backend import BackendAdapter

HOLD = "import sys; from pathlib import Path; from lumen.runtime.cpu_lock import CpuLock\n" + (
    "with CpuLock(Path(sys.argv[1])).hold(): print('in', flush=True); sys.stdin.read()"
)


def is_taken(folder: Path) -> bool:
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def test_one_after_the_other(tmp_path: Path) -> None:
    """Whoever comes while a turn is taken has his when it is given back, and not before."""
    order: list[str] = []

    def second() -> None:
        with CpuLock(tmp_path).hold():
            order.append("second")

    with CpuLock(tmp_path).hold():
        other = threading.Thread(target=second)
        other.start()
        other.join(0.05)
        order.append("first")
    other.join(20)
    assert order == ["first", "second"]
    assert not is_taken(tmp_path)


def test_a_process_that_is_killed_leaves_its_turn(tmp_path: Path) -> None:
    """The other models go on."""
    command, pipe = [sys.executable, "-c", HOLD, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        assert is_taken(tmp_path)
        holder.send_signal(signal.SIGKILL)
    assert not is_taken(tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "taken"), [("true", "CPU", True), ("false", "CPU", False), ("true", "GPU", False)]
)
def test_a_backend_computes_in_its_turn(value: str, kind: str, taken: bool) -> None:
    """A model on the CPU holds the lock if its configuration says so; models of one server share it."""
    server = Path("/proc", str(os.getppid()))
    found: list[bool] = []

    class Model:
        def execute(self, requests: Sequence[Request | LumenException]) -> list[Tensors | LumenException]:
            found.append(is_taken(server))
            return []

    config: dict[str, Any] = {"parameters": {"CPU_LOCK": {"string_value": value}}}
    BackendAdapter(SimpleNamespace(), config, Model(), kind).execute([])
    assert found == [taken]
    assert not is_taken(server)
