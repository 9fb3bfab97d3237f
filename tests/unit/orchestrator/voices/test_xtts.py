"""The languages of XTTS."""

from lumen.families.xtts.text.languages import CHARACTER_LIMITS
from orchestrator.voices.voice import primary
from orchestrator.voices.xtts import LANGUAGES


def test_the_languages_are_the_models() -> None:
    """The API names the languages that the model speaks."""
    assert {primary(code) for code in LANGUAGES} == set(CHARACTER_LIMITS)
