"""Bounds of a text's length in speech: the GPT now and then does not find its end."""

import math
from typing import Final

from lumen.families.xtts.dims import XttsDims
from lumen.families.xtts.text.languages import CHARACTER_LIMITS

MAX_CODES: Final = XttsDims().max_audio
"""Codes that the GPT has positions for: 28 seconds."""

ALLOWANCE_CODES: Final = 43
"""2 seconds more than the rate below allows: for breath, a pause, a drawn-out word."""

_ROMANISED: Final = {"zh": 3.0, "ja": 2.0, "ko": 2.0}
"""Letters and tone digits for a character, at least, where the spoken text is a transliteration."""


def max_codes(written: str, spoken: str, language: str) -> int:
    """The cap for a piece of text; natural speech stays far under it.

    The slowest plausible speech takes as long per character as a text of the language's limit that
    fills the GPT: 8.9 characters a second in English, about 0.6 of the usual rate, 2.9 in Chinese.

    Args:
        written: the text as it came.
        spoken: with numbers and abbreviations as words, maybe transliterated.
        language: a key of ``CHARACTER_LIMITS``.

    Returns:
        Codes, ``ALLOWANCE_CODES`` to ``MAX_CODES``.
    """
    characters = max(len(written), len(spoken) / _ROMANISED.get(language, 1.0))
    needed = ALLOWANCE_CODES + math.ceil(MAX_CODES * characters / CHARACTER_LIMITS[language])
    return min(MAX_CODES, needed)
