"""Measured figures that a plan is made from: those of the documents, or of a `lumen bench` of one's own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lumen.contracts import FACE_FPS
from lumen.errors import InvalidInputException

DOCUMENTED: Final = Path(__file__).with_name("figures.json")
"""Rows of docs/benchmarks.md."""


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
class Figures:
    faces: tuple[FaceFigures, ...]
    voices: tuple[VoiceFigures, ...]

    def face(self, name: str, pixels: int) -> FaceFigures:
        """Raises:
        InvalidInputException: nobody has measured it.
        """
        for row in self.faces:
            if (row.face, row.pixels) == (name, pixels):
                return row
        known = ", ".join(f"{row.face} at {row.pixels}" for row in self.faces)
        raise InvalidInputException(
            f"There are no figures of {name} at {pixels} pixels, only of {known}; measure it with "
            "`lumen bench > bench.txt` and give --figures bench.txt."
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


def documented() -> Figures:
    """The figures of docs/benchmarks.md."""
    found = json.loads(DOCUMENTED.read_text())
    faces = tuple(FaceFigures(**row) for row in found["faces"])
    return Figures(faces, tuple(VoiceFigures(**row) for row in found["voices"]))


def with_bench(known: Figures, path: Path) -> Figures:
    """``known`` with the face of a `lumen bench`, whose output (its last line is JSON) is in the file.

    Raises:
        InvalidInputException: the file has no such line, or no clips in it.
    """
    face = _face_of(_last_line(path), path)
    return Figures((face, *known.faces), known.voices)


def _last_line(path: Path) -> dict[str, Any]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
        return dict(json.loads(lines[-1]))
    except (OSError, UnicodeDecodeError, IndexError, ValueError) as error:
        raise InvalidInputException(
            f"{path} has no figures ({error}); expected the output of `lumen bench`."
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
