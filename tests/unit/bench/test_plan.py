"""Plans: the simulation against what was measured, and what comes out for a wish."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.figures import documented, with_bench
from bench.plan import Wish, make_plan, run
from bench.queueing import simulate
from lumen.errors import InvalidInputException
from tests.support.paths import ROOT

SHEET = ROOT / "docs" / "capacity.md"
ROW = re.compile(r"^\| (\w+), (\w+) \| (\d+) \| ([\d,]+) \|(.+)\|$", re.MULTILINE)


@pytest.mark.parametrize(
    ("clips", "frames_per_second", "alone", "seconds", "measured"),
    [
        (8, 147.8, 0.60, 4.0, 2.10),  # SadTalker on an H200, first frame of the slowest of eight
        (4, 147.8, 0.60, 4.0, 0.92),
        (2, 147.8, 0.60, 4.0, 0.61),
        (6, 193.0, 0.125, 12.0, 0.773),  # warp of 2026-11-23 through the API, p95 of six clients
        (4, 272.0, 0.083, 10.8, 0.405),  # warp at 256 pixels through the API, p95 of four clients
        (4, 106.0, 0.117, 10.8, 0.715),  # the same at 512
    ],
)
def test_first_frames_are_as_measured_or_somewhat_earlier_in_truth(
    clips: int, frames_per_second: float, alone: float, seconds: float, measured: float
) -> None:
    """Rows of docs/benchmarks.md: the simulation is at most 5 % too quick and 45 % too slow."""
    load = simulate(clips, 1, frames_per_second, at_once=True, answers=1, answer_seconds=seconds)
    assert 0.95 * measured <= alone + max(load.first_frames) <= 1.45 * measured


def test_conversations_are_smooth_as_measured() -> None:
    """Four conversations with warp at 256 pixels were smooth on two cores: 16 of 16 answers."""
    assert simulate(4, 1, 193.0).smooth == 1.0


def test_too_many_are_late_and_take_their_frames_time() -> None:
    """Work that exceeds a replica's speed is late; all of it lasts as long as its frames do."""
    load = simulate(12, 1, 150.0, at_once=True, answers=1)
    assert load.smooth < 0.5
    assert load.makespan == pytest.approx(12 * 8 * 25 / 150, rel=0.01)
    assert simulate(12, 3, 150.0).smooth == 1.0


def test_larger_pools_may_be_fuller() -> None:
    """One replica is good to half of its load; many share theirs."""
    figures = documented()
    plans = [make_plan(Wish(n, 256, "warp", "hibari", 0.4), figures) for n in (2, 10, 200)]
    loads = [plan.face_load for plan in plans]
    assert loads == sorted(loads)
    assert all(plan.p95_first_frame <= 0.4 and plan.smooth >= 0.99 for plan in plans)


def test_the_sheet_is_what_the_command_says() -> None:
    """Each row of docs/capacity.md is a plan of its own; those of a thousand sessions are not made anew."""
    rows = ROW.findall(SHEET.read_text())
    assert {(face, voice, pixels) for face, voice, pixels, *_ in rows} == {
        ("warp", "hibari", "512"),
        ("warp", "hibari", "256"),
        ("sadtalker", "xtts", "256"),
    }
    for face, voice, pixels, sessions, told in rows:
        number = int(sessions.replace(",", ""))
        if number > 100:
            continue
        plan = make_plan(Wish(number, int(pixels), face, voice, 1.5), documented())
        expected = [
            plan.face_replicas,
            plan.voice_replicas,
            plan.encode_cores,
            f"{plan.face_load:.0%}",
            plan.p95_first_frame,
            plan.frames_mbits,
            plan.out_mbits,
        ]
        assert [cell.strip() for cell in told.split("|")] == [str(value) for value in expected], told


def bench_output(folder: Path) -> Path:
    """What `lumen bench` prints: tables, then a line."""
    clips = [
        {
            "path": "REST API, to the MP4",
            "audio_per_second": speed,
            "first_audio_s": {"p50": 0.02},
            "first_frame_s": {"p50": first},
        }
        for speed, first in ((3.0, 0.2), (4.0, 0.9))
    ]
    about = {"face": "warp", "size": 512, "voice": "hibari", "cpu": "some CPU", "cores": 4, "date": "today"}
    path = folder / "bench.txt"
    path.write_text("a table\n" + json.dumps({**about, "clips": clips}) + "\n")
    return path


def test_figures_of_ones_own(tmp_path: Path) -> None:
    """The fastest load is the speed, the quickest first frame that of one alone."""
    face = with_bench(documented(), bench_output(tmp_path)).face("warp", 512)
    assert (face.frames_per_second, face.machine) == (100.0, "4 cores of some CPU")
    assert face.first_frame_s == pytest.approx(0.18)


def gpu_output(folder: Path, **changes: Any) -> Path:
    """What `scripts/bench_gpu` prints: a table, then a line."""
    clips = [
        {"clips": 1, "fps": 90.0, "slowest_fps": 110.0, "first_frame_s": 0.5, "batches": {"1": 19}},
        {"clips": 8, "fps": 240.0, "slowest_fps": 31.0, "first_frame_s": 1.4, "batches": {"4": 38}},
    ]
    speech = [
        {"speeches": 32, "audio_per_second": 9.0, "first_audio_s": {"p50": 0.2}, "errors": []},
        {"speeches": 64, "audio_per_second": 150.0, "first_audio_s": {"p50": 0.9}, "errors": []},
        {"speeches": 0, "audio_per_second": 0.0, "first_audio_s": None, "errors": ["out of memory"]},
    ]
    about = {"gpu": "NVIDIA H200", "cpu": "some CPU", "cores": 16, "date": "today", "tiny": False}
    loads = {"xtts": {"": speech}, "sadtalker": {"256": clips, "512": []}, "live": {}}
    path = folder / "gpu.txt"
    path.write_text("a table\n" + json.dumps({**about, **loads, "missing": {}, **changes}) + "\n")
    return path


def test_figures_of_a_gpu(tmp_path: Path) -> None:
    """SadTalker and XTTS are taken from the GPU's run, and are no longer missing; what is, still is."""
    figures = with_bench(documented(), gpu_output(tmp_path))
    face, voice = figures.face("sadtalker", 256), figures.voice("xtts")
    assert (face.frames_per_second, face.first_frame_s, face.machine) == (240.0, 0.5, "NVIDIA H200")
    assert (voice.audio_per_second, voice.first_audio_s, voice.gpu) == (150.0, 0.2, True)
    plan = make_plan(Wish(30, 256, "sadtalker", "xtts", 2.0), figures)
    assert plan.gpus == plan.face_replicas + plan.voice_replicas
    assert plan.not_measured == ()
    with pytest.raises(InvalidInputException, match="at 512 pixels; measure it with `scripts/bench_gpu"):
        figures.face("sadtalker", 512)


def test_figures_of_tiny_networks_say_so(tmp_path: Path) -> None:
    """A plan from networks that say nothing of speed says that it is one."""
    figures = with_bench(documented(), gpu_output(tmp_path, tiny=True, gpu=None))
    plan = make_plan(Wish(4, 256, "sadtalker", "xtts", 2.0), figures)
    assert plan.gpus == 0
    assert plan.face_machine == "16 cores of some CPU"
    assert sum("say nothing of speed" in line for line in plan.assumed) == 2


def test_machines_that_are_too_slow_for_one_session_are_no_plan(tmp_path: Path) -> None:
    """Windows of a session are drawn on two machines at once, so more of them do not make it play."""
    slow = [{"clips": 1, "fps": 4.0, "slowest_fps": 4.0, "first_frame_s": 0.5, "batches": {}}]
    figures = with_bench(documented(), gpu_output(tmp_path, sadtalker={"256": slow}))
    with pytest.raises(InvalidInputException, match="one draws 4 frames a second"):
        make_plan(Wish(1, 256, "sadtalker", "xtts", 60.0), figures)


def test_a_run_that_measured_nothing_says_why(tmp_path: Path) -> None:
    """Reasons of a run on a machine where nothing worked."""
    nothing = {"xtts": {}, "sadtalker": {}, "missing": {"export xtts": "a traceback\nno space left"}}
    with pytest.raises(InvalidInputException, match="export xtts: no space left"):
        with_bench(documented(), gpu_output(tmp_path, **nothing))


def test_a_plan_names_the_figures_that_would_make_it_better() -> None:
    """XTTS on a CPU stands for a GPU, and the renderer before for the lean one; `warp` lacks nothing."""
    plan = make_plan(Wish(4, 256, "sadtalker", "xtts", 2.0), documented())
    lean, speech = plan.not_measured
    assert "lean renderer" in lean
    assert "XTTS on a GPU" in speech
    assert all("scripts/bench_gpu > figures.txt" in line for line in plan.not_measured)
    assert make_plan(Wish(4, 256, "warp", "hibari", 2.0), documented()).not_measured == ()


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    """Figures that nobody has, a first frame that no machine makes in time, a file without figures."""
    written = StringIO()
    console = Console(file=written, width=200)
    assert run(Wish(8, 512, "warp", "hibari", 1.0), bench_output(tmp_path), console) == 0
    assert json.loads(written.getvalue().splitlines()[-1])["planned_gpus"] == 0
    assert run(Wish(8, 512, "sadtalker", "xtts", 1.0), None, console) == 1
    assert "SadTalker at 512 pixels; measure it with `scripts/bench_gpu" in written.getvalue()
    with pytest.raises(InvalidInputException, match=r"0\.12 s for one session alone"):
        make_plan(Wish(1, 256, "warp", "hibari", 0.1), documented())
    (tmp_path / "empty").write_text("nothing")
    with pytest.raises(InvalidInputException, match="no figures"):
        with_bench(documented(), tmp_path / "empty")
