"""Description of hibari, made without loading it, against its package."""

import json
from pathlib import Path

from lumen.families.hibari.catalog import REPOSITORY, VOICES, installed
from lumen.families.hibari.synthesizer import ASSETS


def test_the_voices_are_the_packages() -> None:
    """Names, files, sizes, hashes and accents agree with the list in the wheel."""
    theirs = json.loads((ASSETS / "voices.json").read_text())
    ours = {
        name: (file.name, file.size, file.sha256, file.british, file.bundled) for name, file in VOICES.items()
    }
    keys = ("file", "bytes", "sha256", "british", "bundled")
    assert ours == {name: tuple(voice[key] for key in keys) for name, voice in theirs.items()}


def test_the_hub_is_the_packages() -> None:
    """The downloads come from where the package itself would fetch them."""
    from hibari.voices import BASE_URL

    assert f"/{REPOSITORY}/resolve/" in BASE_URL


def test_a_voice_is_installed_by_its_file(tmp_path: Path) -> None:
    """The package's voice is always there, the others after their download."""
    assert installed(tmp_path) == ("heart",)
    (tmp_path / VOICES["fable"].name).touch()
    assert installed(tmp_path) == ("heart", "fable")
