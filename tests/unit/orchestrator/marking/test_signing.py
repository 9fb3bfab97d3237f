"""Signed provenance of files, read back by the library that programs check it with."""

from pathlib import Path

import numpy as np
import pytest

from lumen.contracts import FACE_FPS
from lumen.errors import InvalidInputException
from lumen.settings import Settings
from orchestrator.marking.marking import Mark, Marking
from orchestrator.marking.signing import SOURCE_TYPES, check_signature
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.media.sound_files import SUFFIXES, FormatName, sound_file
from tests.support.signing import root_of, signed_settings

RATE = 22_050
PARTS = {"voice": "espeak", "face": "warp"}


@pytest.fixture
def mark(certificates: Path) -> Mark:
    settings = Settings.model_validate(signed_settings(certificates))
    return Marking(settings).mark("one", PARTS, composite=True)


@pytest.fixture
def film(mark: Mark, tmp_path: Path) -> Path:
    """A signed video of half a second."""
    path = tmp_path / "one.mp4"
    sink = Mp4FileSink(path, tags=mark.tags, seal=mark.seal)
    with encoding(ClipFormat(64, 64, FACE_FPS, RATE), sink) as clip:
        clip.write_audio(np.zeros(RATE // 2, np.float32))
        clip.write_frames(np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), np.uint8))
    return path


def test_a_signed_video(film: Path, certificates: Path) -> None:
    """The library finds it valid, trusted where its root is, and made by a machine of a real picture."""
    found, trusted = check_signature(film), check_signature(film, root_of(certificates))
    assert found is not None
    assert trusted is not None
    assert (found.state, found.failures) == ("Valid", ["signingCredential.untrusted"])
    assert (trusted.state, trusted.failures) == ("Trusted", [])
    (action,) = found.actions
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
    assert action["parameters"] == {"org.lumen.parts": PARTS}
    assert [path.name for path in film.parent.iterdir()] == [film.name]


@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_a_byte_that_is_changed(film: Path, place: float) -> None:
    """One byte of another value anywhere in the pictures or the sound, and the file is not valid."""
    data = bytearray(film.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin + int(place * (len(data) - begin))] ^= 1
    film.write_bytes(data)
    found = check_signature(film)
    assert found is not None
    assert (found.state, found.valid) == ("Invalid", False)
    assert "assertion.bmffHash.mismatch" in found.failures


@pytest.mark.parametrize("kind", ["m4a", "wav", "mp3", "flac"])
def test_signed_sound(mark: Mark, kind: FormatName, tmp_path: Path) -> None:
    """Sound files are signed as videos are."""
    path = tmp_path / f"one{SUFFIXES[kind]}"
    with sound_file(kind, path, RATE, RATE, mark.tags, mark.seal) as write:
        write(np.zeros(RATE, np.float32))
    found = check_signature(path)
    assert found is not None
    assert found.valid
    assert mark.told(path.suffix)["signed"] is True


def test_ogg_cannot_be_signed(mark: Mark, tmp_path: Path) -> None:
    """The library signs no Ogg: the file has metadata alone, and what is told says so."""
    path = tmp_path / "one.ogg"
    with sound_file("opus", path, RATE, RATE, mark.tags, mark.seal) as write:
        write(np.zeros(RATE, np.float32))
    assert mark.told(path.suffix)["signed"] is False
    with pytest.raises(InvalidInputException, match="cannot carry a signature"):
        check_signature(path)


def test_an_unsigned_file(tmp_path: Path) -> None:
    """A file without a record is told from one whose record is not valid."""
    path = tmp_path / "plain.wav"
    with sound_file("wav", path, RATE, RATE, {}) as write:
        write(np.zeros(RATE, np.float32))
    assert check_signature(path) is None


def test_a_certificate_that_cannot_be_used(certificates: Path, tmp_path: Path) -> None:
    """The message names both settings, and what they are; one alone is refused at once."""
    (tmp_path / "bad.pem").write_text("no certificate")
    settings = Settings.model_validate({**signed_settings(certificates), "sign_cert": tmp_path / "bad.pem"})
    with pytest.raises(InvalidInputException, match=r"SIGN_CERT .*bad.pem.* and SIGN_KEY"):
        Marking(settings).start()
    with pytest.raises(ValueError, match="belong together"):
        Settings.model_validate({"sign_cert": certificates / "chain.pem"})
