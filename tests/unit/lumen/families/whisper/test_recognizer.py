"""Whisper's recogniser on a stand-in for its package."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families import description
from lumen.families.whisper.family import FAMILY
from lumen.families.whisper.recognizer import Whisper

LOUD = np.full(16_000, 0.5, np.float32)


class WhisperModel:
    """The package's class: it knows two languages, or says what a broken file makes it say."""

    asked: list[tuple[int, str]]

    def __init__(
        self, folder: str, *, device: str, compute_type: str, cpu_threads: int, local_files_only: bool
    ) -> None:
        if (Path(folder) / "model.bin").read_bytes() == b"broken":
            raise RuntimeError("File model.bin is incomplete")
        assert (device, compute_type, cpu_threads, local_files_only) == ("cpu", "int8", 2, True)
        self.supported_languages = ["de", "no"]
        self.model = SimpleNamespace(is_multilingual=True)

    def transcribe(self, pcm: Any, *, language: str, **how: Any) -> tuple[list[Any], None]:
        assert how == {"beam_size": 1, "condition_on_previous_text": False, "without_timestamps": True}
        WhisperModel.asked.append((len(pcm), language))
        return [SimpleNamespace(text=" Guten"), SimpleNamespace(text=" Tag.")], None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of a model, and the package."""
    package = ModuleType("faster_whisper")
    vars(package)["WhisperModel"] = WhisperModel
    WhisperModel.asked = []
    monkeypatch.setitem(sys.modules, "faster_whisper", package)
    monkeypatch.setattr(description, "find_spec", lambda package: package)
    for name in FAMILY.files:
        (tmp_path / name).touch()
    return tmp_path


def test_speech_is_recognised_in_its_language(folder: Path) -> None:
    """The segments are one text; a region is left off, and Norwegian has Whisper's name."""
    whisper = Whisper(folder, "cpu", 2)
    assert [whisper.transcribe(LOUD, code) for code in ("de-AT", "nb")] == ["Guten Tag."] * 2
    assert WhisperModel.asked == [(16_000, "de"), (16_000, "no")]


def test_nothing_is_asked_where_nothing_is_said(folder: Path) -> None:
    """Whisper makes up words in silence."""
    assert Whisper(folder, "cpu", 2).transcribe(0 * LOUD, "de") == ""
    assert WhisperModel.asked == []


def test_a_language_that_it_does_not_know(folder: Path) -> None:
    """Sizes for English alone are not asked for others."""
    whisper = Whisper(folder, "cpu", 2)
    with pytest.raises(InvalidInputException, match="Got speech in 'fr'"):
        whisper.transcribe(LOUD, "fr")


def test_what_is_no_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken network, a missing one and a missing package each say what to do."""
    (folder / "model.bin").write_bytes(b"broken")
    with pytest.raises(ModelLoadException, match=r"is no Whisper model of CTranslate2's: .* incomplete"):
        Whisper(folder, "cpu", 2)
    (folder / "model.bin").unlink()
    with pytest.raises(ModelLoadException, match=r"no model\.bin .* `lumen export download whisper`"):
        Whisper(folder, "cpu", 2)
    monkeypatch.setattr(description, "find_spec", lambda package: None)
    with pytest.raises(ModelLoadException, match=r"scripts/setup --whisper"):
        Whisper(folder, "cpu", 2)
