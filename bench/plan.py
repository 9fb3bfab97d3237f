"""``lumen plan``: from measured figures and a wish to machines, GPUs, memory, bandwidth and storage."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.figures import FaceFigures, Figures, documented, with_bench
from bench.queueing import WINDOWS_AHEAD, Load, simulate
from lumen.contracts import FACE_FPS
from lumen.errors import InvalidInputException, LumenException

SMOOTH: Final = 0.99
"""Part of the answers of which nothing may be late."""

VOICE_LOAD: Final = 0.7
"""Load of a voice that is planned: it is far faster than real time, so little waits at it."""

MOST_LOAD: Final = 0.8
"""Load of a face that is planned at most: one machine's speed differs by a fifth from start to start."""

SPARE: Final = 1
"""Machines of each kind that may be away, be it for an update."""

MOST_FACES: Final = 4096
"""Machines with a face that are tried."""

VIDEO_KBITS: Final = {256: 195, 512: 540}
"""Encoded video and sound in kbit/s, measured: of clips at 256 pixels, of moving portraits at 512."""

ENCODE_MILLISECONDS: Final = {256: 1.1, 512: 2.1}
"""Processor time for encoding a frame with its sound, measured on an AMD EPYC."""

WAV_KBITS: Final = 22_050 * 16 / 1000
"""Speech in a WAV, computed."""

API_CORE_LOAD: Final = 0.5
"""Load of the cores that encode."""


@dataclass(frozen=True)
class Wish:
    """Wish: what is to be served.

    Attributes:
        sessions: that speak at once.
        p95_first_frame: seconds until the first frame that one in twenty answers may exceed.
        kept_hours: of speech that are kept as clips.
    """

    sessions: int
    pixels: int
    face: str
    voice: str
    p95_first_frame: float
    kept_hours: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Machines that serve a wish.

    Attributes:
        face_replicas, voice_replicas: machines or GPUs, the spare ones included.
        face_load: of the faces, the spare one aside, 0 to 1.
        p95_first_frame: seconds, computed. smooth: part of the answers of which nothing is late.
        encode_cores: of the API.
        frames_mbits: raw frames between Triton and the API; out_mbits: to the clients.
        storage_gib: of kept clips, with their WAV.
        memory_gib: of the Tritons with a face, at rest; None where it is not measured.
        assumed: what the plan is made from. not_measured: what would make it a better one.
    """

    face_machine: str
    face_replicas: int
    face_load: float
    voice_machine: str
    voice_replicas: int
    p95_first_frame: float
    smooth: float
    gpus: int
    encode_cores: int
    frames_mbits: float
    out_mbits: float
    storage_gib: float
    memory_gib: float | None
    assumed: tuple[str, ...] = ()
    not_measured: tuple[str, ...] = ()


def make_plan(wish: Wish, figures: Figures) -> Plan:
    """The least machines that serve a wish, and one to spare of each kind.

    Raises:
        InvalidInputException: something has no figures, or the first frame takes longer for one alone.
    """
    face, voice = figures.face(wish.face, wish.pixels), figures.voice(wish.voice)
    alone = face.first_frame_s + voice.first_audio_s
    replicas, outcome = _least(wish, face, wish.p95_first_frame - alone)
    voices = math.ceil(wish.sessions / (voice.audio_per_second * VOICE_LOAD)) + SPARE
    faces = replicas + SPARE
    frames = wish.sessions * FACE_FPS
    missing = figures.not_measured(wish.face, wish.pixels), figures.not_measured(wish.voice)
    kbits = VIDEO_KBITS.get(wish.pixels, VIDEO_KBITS[512])
    return Plan(
        face_machine=face.machine,
        face_replicas=faces,
        face_load=round(frames / (face.frames_per_second * replicas), 2),
        voice_machine=voice.machine,
        voice_replicas=voices,
        p95_first_frame=round(alone + outcome.p(95), 2),
        smooth=round(outcome.smooth, 3),
        gpus=faces * face.gpu + voices * voice.gpu,
        encode_cores=math.ceil(frames * ENCODE_MILLISECONDS.get(wish.pixels, 2.1) / 1000 / API_CORE_LOAD),
        frames_mbits=round(frames * wish.pixels**2 * 3 * 8 / 1e6, 1),
        out_mbits=round(wish.sessions * kbits / 1000, 1),
        storage_gib=round(wish.kept_hours * 3600 * (kbits + WAV_KBITS) * 1000 / 8 / 2**30, 1),
        memory_gib=None if face.memory_mib is None else round(faces * face.memory_mib / 1024, 1),
        assumed=_assumed(wish, face.source, voice.source),
        not_measured=tuple(str(row) for row in missing if row is not None),
    )


def _least(wish: Wish, face: FaceFigures, room: float) -> tuple[int, Load]:
    """The least replicas with which the first frames are there in time and answers are smooth.

    More replicas never do worse but by chance, so their number is doubled, then halved in.

    Raises:
        InvalidInputException: no number of them does.
    """

    def load_of(replicas: int) -> Load:
        return simulate(wish.sessions, replicas, face.frames_per_second)

    def serves(load: Load) -> bool:
        return load.p(95) <= room and load.smooth >= SMOOTH

    if room <= 0:
        raise InvalidInputException(
            f"The first frame takes {wish.p95_first_frame - room:.2f} s for one session alone before any "
            f"is drawn, and {wish.p95_first_frame:g} s are wished for; wish for more, or give the "
            "figures of a faster machine."
        )
    high = math.ceil(wish.sessions * FACE_FPS / (face.frames_per_second * MOST_LOAD))
    low = high - 1
    while not serves(load_of(high)):
        low, high = high, high * 2
        if high > MOST_FACES:
            raise InvalidInputException(
                f"No number of machines serves this: one draws {face.frames_per_second:g} frames a second, "
                f"and a session, which plays {FACE_FPS}, has {WINDOWS_AHEAD} windows drawn at once; give the "
                "figures of a faster machine, or wish for a later first frame."
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if serves(load_of(middle)) else (middle, high)
    return high, load_of(high)


def _assumed(wish: Wish, face: str, voice: str) -> tuple[str, ...]:
    return (
        f"{wish.face} at {wish.pixels} pixels: {face}",
        f"{wish.voice}: {voice}",
        "every session speaks without a pause; the writer's time to its first words comes on top",
        "replicas are as fast as the measured one, and the network between them takes no time",
    )


def run(wish: Wish, figures: Path | None, console: Console) -> int:
    """Plan and print, a table and a line of JSON; returns the exit code, 1 after saying what is missing."""
    try:
        known = documented() if figures is None else with_bench(documented(), figures)
        plan = make_plan(wish, known)
    except LumenException as error:
        console.print(error.message, style="red", highlight=False, soft_wrap=True)
        return 1
    console.print(_table(wish, plan))
    for line in plan.assumed:
        console.print(f"From {line}", highlight=False, soft_wrap=True)
    for line in plan.not_measured:
        console.print(f"Not measured: {line}", style="yellow", highlight=False, soft_wrap=True)
    told: dict[str, Any] = {
        **asdict(wish),
        **{f"planned_{name}": value for name, value in asdict(plan).items()},
    }
    console.print(json.dumps(told), soft_wrap=True, highlight=False, markup=False)
    return 0


def _table(wish: Wish, plan: Plan) -> Table:
    table = Table(title=f"{wish.sessions} sessions that speak at once, {wish.face} at {wish.pixels} pixels")
    table.add_column("what")
    table.add_column("how much", justify="right")
    rows = {
        f"{wish.face}: {plan.face_machine}": f"{plan.face_replicas}, one to spare",
        f"{wish.voice}: {plan.voice_machine}": f"{plan.voice_replicas}, one to spare",
        "GPUs": f"{plan.gpus}",
        "load of the faces": f"{plan.face_load:.0%}",
        "p95 of the first frame": f"{plan.p95_first_frame:g} s",
        "answers in time": f"{plan.smooth:.1%}",
        "cores of the API, to encode": f"{plan.encode_cores}",
        "frames from Triton to the API": f"{plan.frames_mbits:g} Mbit/s",
        "to the clients": f"{plan.out_mbits:g} Mbit/s",
        "memory of the faces' Tritons": "not measured"
        if plan.memory_gib is None
        else f"{plan.memory_gib:g} GiB",
        f"storage of {wish.kept_hours:g} hours": f"{plan.storage_gib:g} GiB",
    }
    for what, much in rows.items():
        table.add_row(what, much)
    return table
