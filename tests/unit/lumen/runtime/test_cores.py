"""Threads come from what this process may use, not from what the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime as ort
import pytest

from lumen.runtime.cores import bound_threads, cpu_quota, usable_cores
from lumen.runtime.onnx_config import session_options


def cgroup(root: Path, files: dict[str, str], membership: str) -> float | None:
    """The quota that these files of a cgroup, and this ``/proc/self/cgroup``, stand for."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "membership").write_text(membership)
    return cpu_quota(root, root / "membership")


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, "0::/a/b\n", 2.0),
        ({"cpu.max": "400000 100000\n"}, "0::/of/the/host\n", 4.0),
        (
            {"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            "4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n",
            0.5,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "1:cpu:/\n", None),
        ({}, "0::/\n", None),
    ],
)
def test_a_quota_is_read_from_both_versions_of_cgroups(
    tmp_path: Path, files: dict[str, str], membership: str, expected: float | None
) -> None:
    """The least of one's own limit and of those above; a container sees its own cgroup as the root."""
    assert cgroup(tmp_path, files, membership) == expected


def test_affinity_bounds_the_cores() -> None:
    """A process that may use one core is told of one, in its environment and in ONNX Runtime's options."""
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}}); from lumen.runtime import cores, onnx_config; "
        "cores.bound_threads(os.environ); "
        "print(os.environ['OMP_NUM_THREADS'], onnx_config.session_options({}).intra_op_num_threads)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "1"], done.stderr


def test_what_is_set_stays() -> None:
    """An operator's own OMP_NUM_THREADS and GOMP_SPINCOUNT are not touched; what is missing is added."""
    environment = {"OMP_NUM_THREADS": "7"}
    bound_threads(environment)
    assert environment == {"OMP_NUM_THREADS": "7", "GOMP_SPINCOUNT": "1000"}


def test_sessions_are_bounded() -> None:
    """Without a count a session has as many threads as cores may be used, and they spin for a short time."""
    options: ort.SessionOptions = session_options({})
    assert options.intra_op_num_threads == usable_cores()
    assert options.get_session_config_entry("session.intra_op.spin_duration_us") == "10"
