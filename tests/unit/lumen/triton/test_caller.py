"""A caller's death is noticed at once, and a call that outlives it too."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lumen.triton import caller
from lumen.triton.caller import Callers

SECONDS = 10.0


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    monkeypatch.setattr(caller, "STUCK_SECONDS", 0.01)
    return threading.Event()


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(SECONDS)


def test_a_death_is_noticed(process: "subprocess.Popen[bytes]", stuck: threading.Event) -> None:
    """By the calls of the process; one that then ends does no harm, and one that begins is gone at once."""
    callers = Callers(stuck.set)
    with callers.call(process.pid) as is_gone, callers.call(None) as is_nobody_gone:
        assert not is_gone()
        end(process)
        assert is_gone()
        assert not is_nobody_gone()
    with callers.call(process.pid) as is_gone:
        assert is_gone()


def test_a_call_that_outlives_its_caller(process: "subprocess.Popen[bytes]", stuck: threading.Event) -> None:
    """The model hears that it is stuck."""
    with Callers(stuck.set).call(process.pid):
        assert not stuck.wait(0.05)
        end(process)
        assert stuck.wait(SECONDS)


@pytest.mark.parametrize("pid", [-1, 2**40, 2**62])
def test_a_process_that_never_was_is_gone(pid: int, stuck: threading.Event) -> None:
    """Whatever number a request names."""
    with Callers(stuck.set).call(pid) as is_gone:
        assert is_gone()
