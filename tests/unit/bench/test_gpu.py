"""The figures of a GPU in one run: steps that fail or take too long, and what is told then."""

import sys
import time
from io import StringIO

from rich.console import Console

from bench.gpu import told
from bench.steps import Steps

LINE = '{"loads": [1]}'


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_step_gives_its_last_line() -> None:
    """Tables before it are no part of the result; a step without one has an empty result."""
    steps = Steps(60)
    assert steps.run("measured", python(f"print('a table'); print('{LINE}')")) == {"loads": [1]}
    assert steps.run("made", python("print('done')")) == {}
    assert list(steps.seconds) == ["measured", "made"]
    assert steps.missing == {}


def test_a_step_that_fails_is_named_with_its_last_words() -> None:
    """What it had measured before counts all the same."""
    steps = Steps(60)
    assert steps.run("broken", python("raise SystemExit('no such model')")) is None
    partly = python(f"print('{LINE}'); raise SystemExit(1)")
    assert steps.run("in part", partly) == {"loads": [1]}
    assert steps.run("silent", python("raise SystemExit(3)")) is None
    assert steps.missing == {
        "broken": "no such model",
        "in part": "some of it failed: see its errors",
        "silent": "it ended with 3",
    }


def test_a_step_that_takes_too_long_ends_with_all_that_it_started() -> None:
    """A grandchild that holds the output open delays nobody; later steps have no time."""
    steps = Steps(1.5)
    endless = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    assert steps.run("endless", python(endless)) is None
    assert steps.run("late", python("pass")) is None
    assert steps.missing["endless"].startswith("it was cut off")
    assert steps.missing["late"] == "no time was left"


def test_time_is_left_for_other_steps() -> None:
    """A step that must have ended sooner than all of them is not begun after that."""
    steps = Steps(60)
    assert steps.run("none", python("pass"), end=time.monotonic()) is None
    assert steps.run("other", python("pass"), end=time.monotonic() + 30) == {}


def test_the_table_tells_of_loads_that_failed() -> None:
    """A load without one answer has no times; its first error stands in their place."""
    failed = {"load": "64 clients", "speeches": 0, "errors": ["no memory"], "first_audio_s": None}
    some = {
        "load": "32 clients",
        "speeches": 31,
        "errors": ["late"],
        "first_audio_s": {"p50": 0.2},
        "real_time_factor": {"p50": 0.5},
        "audio_per_second": 60.0,
    }
    steps = Steps(60)
    steps.missing["serve 512"] = "a traceback\nit did not start"
    console = Console(file=StringIO(), width=200)
    with console.capture() as capture:
        console.print(told({"xtts": {"": [failed, some]}, "sadtalker": {}, "live": {}}, steps))
    text = capture.get()
    for words in ("no memory", "0.2 s", "1 failed", "it did not start"):
        assert words in text
