"""``lumen doctor``: what is installed, found and missing, and what to do about it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.console import Console

from lumen import __version__, registry
from lumen.addresses import port_of
from lumen.errors import LumenException
from lumen.runtime.cores import usable_cores
from lumen.settings import Settings
from lumen.triton.guard import SHARED_MEMORY
from lumen.triton.install import find_triton, gpu_usable
from lumen.triton.ports import claim_port
from lumen.triton.serve import check_models
from orchestrator.access.access import DECIDE
from orchestrator.access.key_file import KeyFile
from orchestrator.access.origins import is_loopback

SHARED_BYTES: Final = 256 * 2**20
"""Free shared memory that the models of a profile get by with."""

DISK_BYTES: Final = 2**30


@dataclass(frozen=True)
class Finding:
    """Outcome of one look.

    Attributes:
        subject: part that was looked at.
        text: what was found.
        advice: what to do; "" where all is well.
        needed: whether the profile does not run without it.
    """

    subject: str
    text: str
    advice: str = ""
    needed: bool = False


def examine(settings: Settings) -> int:
    """Print all findings; returns 1 where something is missing that the profile needs."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    found = list(findings(settings))
    for each in found:
        mark = "ok  " if not each.advice else "MISS" if each.needed else "note"
        console.print(f"{mark}  {each.subject:<9} {each.text}" + (f"; {each.advice}" if each.advice else ""))
    return int(any(each.advice and each.needed for each in found))


def findings(settings: Settings) -> Iterator[Finding]:
    """Findings in the order in which a start needs them."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("LUMEN", f"{__version__}, profile {settings.profile}, Python {version}")
    yield Finding("cores", f"{usable_cores()} may be used")
    yield _triton(settings)
    gpu = "one can be used" if gpu_usable() else "none can be used; models run on the CPU"
    yield Finding("GPU", gpu)
    yield from _packages()
    yield _models(settings)
    yield from _folders(settings)
    yield from _ports(settings)
    yield _shared_memory()
    yield _writer(settings)
    yield _keys(settings)


def _triton(settings: Settings) -> Finding:
    with tempfile.TemporaryDirectory(prefix="lumen-doctor-") as folder:
        try:
            return Finding("Triton", str(find_triton(settings.backends_path, Path(folder)).executable))
        except LumenException as error:
            return Finding("Triton", error.message, "see above", needed=True)


def _packages() -> Iterator[Finding]:
    for module, name, use in (
        ("torch", "PyTorch", "for XTTS, SadTalker and GFPGAN: scripts/setup --models"),
        ("TTS", "coqui-tts", "for XTTS: scripts/setup --models"),
        ("silero_vad", "silero-vad", "to know when somebody speaks: scripts/setup"),
        ("moonshine_voice", "moonshine-voice", "to recognise English speech: scripts/setup --listen"),
        ("faster_whisper", "faster-whisper", "for LISTENER=whisper: scripts/setup --whisper"),
    ):
        if find_spec(module) is None:
            yield Finding("package", f"{name} is not installed", use)
        else:
            yield Finding("package", f"{name} is installed")


def _models(settings: Settings) -> Finding:
    families = registry.voice(settings.voice), registry.face(settings.face)
    try:
        check_models(settings)
    except LumenException as error:
        return Finding("models", error.message.rstrip("."), "the profile needs it", needed=True)
    return Finding("models", " and ".join(family.name for family in families) + " are there")


def _folders(settings: Settings) -> Iterator[Finding]:
    for name in ("outputs_path", "logs_path"):
        folder: Path = getattr(settings, name)
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if not os.access(there, os.W_OK | os.X_OK):
            yield Finding("folder", f"{folder} cannot be written", f"set {name.upper()}", needed=True)
            continue
        free = shutil.disk_usage(there).free
        advice = "" if free > DISK_BYTES else "make room: clips need some"
        yield Finding("folder", f"{folder} has {free / 2**30:.1f} GiB free", advice)


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted = {
        "API_PORT": (settings.api_host, settings.api_port),
        "TRITON_URL": (settings.triton_host, port_of(settings.triton_url) or 0),
        "TRITON_HTTP_PORT": (settings.triton_host, settings.triton_http_port),
        "TRITON_METRICS_PORT": (settings.triton_host, settings.triton_metrics_port),
    }
    for name, (host, port) in wanted.items():
        if port == 0:
            yield Finding("port", f"any that is free ({name})")
        elif _is_free(host, port, name):
            yield Finding("port", f"{port} is free ({name})")
        else:
            yield Finding("port", f"{port} is taken", f"by a LUMEN that runs? else set {name}")


def _is_free(host: str, port: int, setting: str) -> bool:
    try:
        claim_port(host, port, setting)
    except LumenException:
        return False
    return True


def _shared_memory() -> Finding:
    free = shutil.disk_usage(SHARED_MEMORY).free
    advice = "" if free > SHARED_BYTES else "give a container more: docker run --shm-size=1g"
    return Finding("memory", f"{SHARED_MEMORY} has {free / 2**20:.0f} MiB free", advice)


def _writer(settings: Settings) -> Finding:
    if settings.gemini_api_key is not None or settings.writer == "echo":
        return Finding("writer", "echo" if settings.writer == "echo" else "Gemini, with a key")
    key = "put GEMINI_API_KEY into .env; without it the prompt itself is spoken"
    return Finding("writer", "there is no key for Gemini", key)


def _keys(settings: Settings) -> Finding:
    """Tell who may use the API."""
    try:
        made = len(KeyFile(settings.keys_path).read().keys)
    except LumenException as error:
        return Finding("keys", error.message.rstrip("."), "see above", needed=True)
    if settings.require_keys == "off":
        return Finding("keys", "none is asked for (REQUIRE_KEYS=off)")
    if made:
        return Finding("keys", f"{made} are made, and one is asked for")
    if settings.require_keys == "on":
        return Finding("keys", "none is made, and one is asked for", "lumen keys add NAME")
    if is_loopback(settings.api_host):
        return Finding("keys", "none is made; only this machine can ask")
    return Finding("keys", "none is made; other machines may neither keep nor remove anything", DECIDE)
