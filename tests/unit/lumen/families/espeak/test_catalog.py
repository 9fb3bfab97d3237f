"""The catalogue of eSpeak's languages and voices."""

import pytest

from lumen.families.espeak import catalog as espeak_catalog


def test_catalog_is_what_espeak_speaks() -> None:
    """The languages and voices that the API names are those of the library."""
    espeak = pytest.importorskip("lumen.families.espeak.synthesizer")
    engine = espeak.Espeak()
    assert engine.languages() == espeak_catalog.LANGUAGES
    assert tuple(engine.voices()) == espeak_catalog.VOICES
    primary = {code.partition("-")[0] for code in espeak_catalog.LANGUAGES}
    others = {code.partition("-")[0] for code in espeak.ALIASES} - primary
    assert others == espeak_catalog.OTHER_CODES
