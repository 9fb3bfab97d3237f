"""Languages and voices of hibari, for those who ask before its model is loaded.

A test compares the voices with the package's own list.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LANGUAGES: Final[dict[str, str]] = {
    "en": "English",
    "en-gb": "English (Great Britain)",
    "en-us": "English (America)",
}
"""Codes with the languages' English names. The voice decides the accent."""

REPOSITORY: Final = "maureesewilliams/hibari"
"""Repository on the hub of the voices that are not in the package."""


@dataclass(frozen=True)
class VoiceFile:
    """A voice: one network.

    Attributes:
        name: of the file, on the hub under ``voices/``.
        size: bytes.
        british: whether it reads by British rules.
        bundled: whether it is in the package.
        gender: of the speaker that it learned from.
    """

    name: str
    size: int
    sha256: str
    british: bool = False
    bundled: bool = False
    gender: Literal["female", "male"] = "female"


DEFAULT_VOICE: Final = "heart"

VOICES: Final = {
    "heart": VoiceFile(
        "hibari.onnx",
        7_936_868,
        "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
        bundled=True,
    ),
    "emma": VoiceFile(
        "bf_emma.int8.onnx",
        7_936_868,
        "f709f0488ee63b583a22189a955aaf4257b9806dd330be3490661e53af0a89c1",
        british=True,
    ),
    "fenrir": VoiceFile(
        "am_fenrir_v2.int8.onnx",
        8_031_158,
        "f59fbd87908c91f827bc21b1b89443757b9a8580db9eee20aa948deb731321f4",
        gender="male",
    ),
    "fable": VoiceFile(
        "bm_fable.int8.onnx",
        7_936_868,
        "c28529302f2d27cd12f62625c24425888c4e3c2675583100ec530259136b8bc6",
        british=True,
        gender="male",
    ),
    "kore": VoiceFile(
        "af_kore.int8.onnx",
        7_936_868,
        "346885752673e45d42f9864c9e2432094bc4b6385df060d4b83273da764d2fa9",
    ),
}
"""Heart and kore are American women, fenrir an American man, emma a British woman, fable a British man."""


def installed(folder: Path) -> tuple[str, ...]:
    """Voices of the package, and those whose file was downloaded into ``folder``."""
    return tuple(name for name, file in VOICES.items() if file.bundled or (folder / file.name).is_file())
