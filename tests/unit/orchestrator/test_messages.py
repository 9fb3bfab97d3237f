"""Messages that repeat what a caller sent."""

import pytest

from orchestrator.messages import unknown, unknown_language

KNOWN = {"de": "German", "en": "English", "ja": "Japanese"}


@pytest.mark.parametrize(
    ("code", "meant"), [("english", "en"), ("Deutsch", "de"), ("jp", "ja"), ("german", "de")]
)
def test_a_wrong_code_is_answered_with_the_one_that_was_meant(code: str, meant: str) -> None:
    """`english` was answered with a list of hundred codes and more."""
    assert unknown_language(code, KNOWN).endswith(f"send {meant!r} for {KNOWN[meant]}.")


def test_a_code_that_means_nothing_is_answered_with_the_list() -> None:
    """What there is, where nothing comes near."""
    assert unknown_language("qx", KNOWN) == "There is no language 'qx'; send one of: de, en, ja."


def test_a_near_name_is_not_told_as_the_whole_list() -> None:
    """One near voice of many was told as the only one; many that are not near are listed in part."""
    voices = ["Andy", "annie", *(f"v{n}" for n in range(90))]
    assert (
        unknown("voice", "Andi", voices)
        == "There is no voice 'Andi'; did you mean 'Andy' or 'annie'? GET /api/voices lists all."
    )
    listed = unknown("voice", "xyz", voices)
    assert listed.endswith(" and 52 more. GET /api/voices lists all.")
    assert listed.startswith("There is no voice 'xyz'; send one of: Andy, annie, v0,")
