"""The languages of XTTS."""

from lumen.families.xtts.family import LANGUAGES
from lumen.families.xtts.text.languages import CHARACTER_LIMITS
from lumen.text.scripts import primary


def test_the_languages_are_the_models() -> None:
    """The API names the languages that the model speaks."""
    assert {primary(code) for code in LANGUAGES} == set(CHARACTER_LIMITS)
