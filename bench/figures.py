"""Measured figures that a plan is made from: those of the documents, or of a benchmark of one's own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lumen.contracts import FACE_FPS, SADTALKER, XTTS
from lumen.errors import InvalidInputException

DOCUMENTED: Final = Path(__file__).with_name("figures.json")
"""Rows of docs/benchmarks.md."""

BENCH: Final = "lumen bench > figures.txt"
"""Command that measures a face on any machine, beside `lumen serve`."""


@dataclass(frozen=True)
class FaceFigures:
    """Speed of one machine, or of one GPU, that animates.

    Attributes:
        frames_per_second: of all clips together, at full load.
        first_frame_s: seconds of the first frames of a clip that is alone.
        source: measurement that it comes from.
        memory_mib: of its Triton at rest; None where it is not measured.
    """

    face: str
    pixels: int
    machine: str
    gpu: bool
    frames_per_second: float
    first_frame_s: float
    source: str
    memory_mib: float | None = None


@dataclass(frozen=True)
class VoiceFigures:
    """Speed of one machine, or of one GPU, that speaks; likewise.

    Attributes:
        audio_per_second: seconds of speech in a second, of all streams together.
        first_audio_s: seconds until the first sound of a sentence that is alone.
    """

    voice: str
    machine: str
    gpu: bool
    audio_per_second: float
    first_audio_s: float
    source: str


@dataclass(frozen=True)
class Missing:
    """Figure that nobody has measured.

    Attributes:
        part: voice or face. pixels: of the face; None for a voice.
        what: is not measured. measure: command that measures it.
    """

    part: str
    pixels: int | None
    what: str
    measure: str

    def __str__(self) -> str:
        return f"{self.what}; measure it with `{self.measure}` and give --figures figures.txt"


@dataclass(frozen=True)
class Figures:
    faces: tuple[FaceFigures, ...]
    voices: tuple[VoiceFigures, ...]
    missing: tuple[Missing, ...] = ()

    def face(self, name: str, pixels: int) -> FaceFigures:
        """Raises:
        InvalidInputException: nobody has measured it.
        """
        for row in self.faces:
            if (row.face, row.pixels) == (name, pixels):
                return row
        known = ", ".join(f"{row.face} at {row.pixels}" for row in self.faces)
        how = self.not_measured(name, pixels) or Missing(name, pixels, f"{name} at {pixels}", BENCH)
        raise InvalidInputException(
            f"There are no figures of {name} at {pixels} pixels, only of {known}. Not measured: {how}."
        )

    def voice(self, name: str) -> VoiceFigures:
        """Raises:
        InvalidInputException: nobody has measured it.
        """
        for row in self.voices:
            if row.voice == name:
                return row
        known = ", ".join(row.voice for row in self.voices)
        raise InvalidInputException(f"There are no figures of the voice {name}, only of {known}.")

    def not_measured(self, part: str, pixels: int | None = None) -> Missing | None:
        """Figure that is missing of a part, though there may be others of it."""
        return next((row for row in self.missing if (row.part, row.pixels) == (part, pixels)), None)

    def with_own(self, faces: Sequence[FaceFigures], voices: Sequence[VoiceFigures]) -> "Figures":
        """These figures with others, which go first, and stand for what was missing."""
        measured = {(row.face, row.pixels) for row in faces} | {(row.voice, None) for row in voices}
        missing = tuple(row for row in self.missing if (row.part, row.pixels) not in measured)
        return Figures((*faces, *self.faces), (*voices, *self.voices), missing)


def documented() -> Figures:
    """The figures of docs/benchmarks.md."""
    found = json.loads(DOCUMENTED.read_text())
    faces = tuple(FaceFigures(**row) for row in found["faces"])
    voices = tuple(VoiceFigures(**row) for row in found["voices"])
    return Figures(faces, voices, tuple(Missing(**row) for row in found["missing"]))


def with_bench(known: Figures, path: Path) -> Figures:
    """``known`` with what `lumen bench` or `scripts/bench_gpu` measured, whose output is in the file.

    Raises:
        InvalidInputException: its last line is not theirs, or nothing was measured.
    """
    bench = _last_line(path)
    if SADTALKER in bench:
        return known.with_own(_faces_of_gpu(bench, path), _voices_of_gpu(bench, path))
    return known.with_own((_face_of(bench, path),), ())


def _last_line(path: Path) -> dict[str, Any]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
        return dict(json.loads(lines[-1]))
    except (OSError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise InvalidInputException(
            f"{path} has no figures ({error}); expected the output of `lumen bench` or `scripts/bench_gpu`."
        ) from error


def _face_of(bench: dict[str, Any], path: Path) -> FaceFigures:
    """Throughput of the fastest load, and the first frames of the one that was quickest."""
    clips = [
        clip for clip in bench.get("clips", []) if clip.get("audio_per_second") and clip["first_frame_s"]
    ]
    through_api = [clip for clip in clips if "API" in clip["path"]] or clips
    if not through_api:
        raise InvalidInputException(f"{path} has no clips; run `lumen bench` with --clips 6 or more.")
    fastest = max(clip["audio_per_second"] for clip in through_api)
    audio = min(clip["first_audio_s"]["p50"] for clip in through_api)
    return FaceFigures(
        face=bench["face"],
        pixels=bench["size"],
        machine=f"{bench['cores']} cores of {bench['cpu']}",
        gpu=False,
        frames_per_second=round(fastest * FACE_FPS, 1),
        first_frame_s=min(clip["first_frame_s"]["p50"] for clip in through_api) - audio,
        source=f"{path.name}, {bench['date']}",
    )


def _faces_of_gpu(bench: dict[str, Any], path: Path) -> list[FaceFigures]:
    """SadTalker at each size that was measured: speed of the fastest load, first frame of the quickest.

    Raises:
        InvalidInputException: nothing at all was measured.
    """
    if not any(loads for part in (SADTALKER, XTTS) for loads in bench[part].values()):
        reasons = "; ".join(f"{step}: {why.splitlines()[-1]}" for step, why in bench["missing"].items())
        raise InvalidInputException(f"{path} has no figures, because nothing was measured: {reasons}.")
    return [
        FaceFigures(
            face=SADTALKER,
            pixels=int(side),
            frames_per_second=max(load["fps"] for load in loads),
            first_frame_s=min(load["first_frame_s"] for load in loads),
            **_measured_on(bench, path),
        )
        for side, loads in bench[SADTALKER].items()
        if loads
    ]


def _voices_of_gpu(bench: dict[str, Any], path: Path) -> list[VoiceFigures]:
    """XTTS, likewise."""
    loads = [load for found in bench[XTTS].values() for load in found if load["speeches"]]
    if not loads:
        return []
    audio = max(load["audio_per_second"] for load in loads)
    first = min(load["first_audio_s"]["p50"] for load in loads)
    return [
        VoiceFigures(voice=XTTS, audio_per_second=audio, first_audio_s=first, **_measured_on(bench, path))
    ]


def _measured_on(bench: dict[str, Any], path: Path) -> dict[str, Any]:
    """Machine and source of a figure."""
    tiny = ", tiny networks, which say nothing of speed" if bench["tiny"] else ""
    return {
        "machine": bench["gpu"] or f"{bench['cores']} cores of {bench['cpu']}",
        "gpu": bench["gpu"] is not None,
        "source": f"{path.name}, {bench['date']}{tiny}",
    }
