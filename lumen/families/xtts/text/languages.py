"""The 17 languages of XTTS v2."""

import re
from typing import Final

from lumen.errors import InvalidInputException

CHARACTER_LIMITS: Final = {
    "en": 250,
    "es": 239,
    "fr": 273,
    "de": 253,
    "it": 213,
    "pt": 203,
    "pl": 224,
    "tr": 226,
    "ru": 182,
    "nl": 251,
    "cs": 186,
    "ar": 166,
    "zh": 82,
    "ja": 71,
    "hu": 224,
    "ko": 95,
    "hi": 150,
}
"""Characters that the reference gives to the GPT at once: about what fits into its 605 audio positions."""

_CODE: Final = re.compile(r"([a-z]{2})(?:-[a-z0-9]+)*")


def language_of(code: str) -> str:
    """The key in ``CHARACTER_LIMITS`` for a code in any case, with or without a region: pt-BR, zh_CN.

    Raises:
        InvalidInputException: XTTS does not speak it; the message lists what it speaks.
    """
    found = _CODE.fullmatch(code.strip().lower().replace("_", "-"))
    if found is None or found[1] not in CHARACTER_LIMITS:
        known = ", ".join(sorted(CHARACTER_LIMITS))
        raise InvalidInputException(f"Unknown language {code[:40]!r}; expected one of {known}.")
    return found[1]
