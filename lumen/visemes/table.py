"""The mouth of every IPA phoneme.

Values are those of ``curves.CURVES``. ``jaw`` and ``lips`` are dominances: the weight of a phoneme's
opening and of its width against its neighbours' (Cohen & Massaro 1993, "Modeling coarticulation in
synthetic visual speech"). A vowel has 1; a consonant that is made without the lips takes its
neighbours' width.
"""

import unicodedata
from typing import Final, NamedTuple


class Mouth(NamedTuple):
    """Target of one phoneme: six curves, then two dominances."""

    open: float = 0.0
    width: float = 0.0
    press: float = 0.0
    teeth: float = 0.0
    upper: float = 0.0
    tongue: float = 0.0
    jaw: float = 1.0
    lips: float = 1.0


REST: Final = Mouth(jaw=1.2, lips=0.8)
"""The mouth while nobody speaks."""


def _vowel(opening: float, width: float) -> Mouth:
    return Mouth(opening, width, upper=max(0.0, 0.3 * width))


_BILABIAL: Final = Mouth(press=1.0, jaw=0.9, lips=0.15)
_LABIODENTAL: Final = Mouth(0.16, 0.05, teeth=1.0, upper=0.35, jaw=0.9, lips=0.4)
_STOP: Final = Mouth(0.25, 0.1, upper=0.15, tongue=0.7, jaw=0.5, lips=0.15)
_DENTAL: Final = Mouth(0.22, 0.1, upper=0.2, tongue=1.0, jaw=0.7, lips=0.2)
_LATERAL: Final = Mouth(0.34, 0.1, upper=0.1, tongue=0.9, jaw=0.5, lips=0.15)
_SIBILANT: Final = Mouth(0.14, 0.3, upper=0.5, jaw=1.1, lips=0.5)
_HUSHING: Final = Mouth(0.18, -0.5, upper=0.5, jaw=1.1, lips=0.9)
_PALATAL: Final = Mouth(0.22, 0.4, upper=0.2, jaw=0.6, lips=0.5)
_VELAR: Final = Mouth(0.30, 0.0, jaw=0.25, lips=0.05)
_GLOTTAL: Final = Mouth(0.35, 0.0, jaw=0.1, lips=0.02)
_ROUND_GLIDE: Final = Mouth(0.12, -1.0, jaw=1.1, lips=1.5)
_RHOTIC: Final = Mouth(0.25, -0.4, jaw=0.6, lips=0.6)
_TAP: Final = Mouth(0.28, 0.0, tongue=0.6, jaw=0.4, lips=0.1)

_CONSONANTS: Final[dict[str, Mouth]] = {
    "m b p ɓ ʙ": _BILABIAL,
    "ɱ f v ʋ": _LABIODENTAL,
    "β ɸ": _BILABIAL._replace(press=0.5, open=0.06),
    "t d n ʈ ɖ ɳ ɗ": _STOP,
    "θ ð": _DENTAL,
    "l ɭ ɫ ɬ ɮ": _LATERAL,
    "s z ʦ ʣ": _SIBILANT,
    "ʃ ʒ ʂ ʐ ʧ ʤ": _HUSHING,
    "ɕ ʑ ʨ ʥ": _HUSHING._replace(width=-0.1, lips=0.6),
    "j ç ʝ ɲ ʎ c ɟ": _PALATAL,
    "k ɡ ŋ x ɣ q ɢ ɴ χ ʁ ʀ ħ ʕ": _VELAR,
    "h ɦ ʔ": _GLOTTAL,
    "w ʍ ɥ": _ROUND_GLIDE,
    "ɰ": _VELAR._replace(lips=0.3),
    "ɹ ɻ ɺ": _RHOTIC,
    "r ɾ ɽ": _TAP,
}

_VOWELS: Final[dict[str, Mouth]] = {
    "i": _vowel(0.24, 1.0),
    "ɪ": _vowel(0.32, 0.65),
    "e": _vowel(0.42, 0.75),
    "ɛ": _vowel(0.58, 0.55),
    "æ": _vowel(0.78, 0.5),
    "a": _vowel(0.90, 0.2),
    "ɐ": _vowel(0.65, 0.1),
    "ɑ": _vowel(0.95, 0.0),
    "ɒ": _vowel(0.75, -0.45),
    "ʌ": _vowel(0.65, 0.1),
    "ɔ": _vowel(0.62, -0.65),
    "o": _vowel(0.42, -0.85),
    "ɤ": _vowel(0.42, 0.1),
    "ʊ": _vowel(0.28, -0.75),
    "u": _vowel(0.20, -1.0),
    "ɯ": _vowel(0.24, 0.1),
    "y": _vowel(0.20, -0.95),
    "ʏ": _vowel(0.28, -0.75),
    "ø": _vowel(0.36, -0.8),
    "œ": _vowel(0.52, -0.6),
    "ɶ": _vowel(0.75, -0.3),
    "ɵ": _vowel(0.34, -0.6),
    "ʉ": _vowel(0.24, -0.8),
    "ɨ": _vowel(0.28, 0.35),
    "ə": _vowel(0.40, 0.0)._replace(jaw=0.6, lips=0.35),
    "ɘ": _vowel(0.40, 0.1)._replace(jaw=0.7, lips=0.5),
    "ɜ": _vowel(0.46, -0.1),
    "ɞ": _vowel(0.50, -0.4),
    "ɚ": _vowel(0.38, -0.3)._replace(jaw=0.7, lips=0.6),
    "ɝ": _vowel(0.42, -0.3),
}

TABLE: Final[dict[str, Mouth]] = {
    **{symbol: mouth for symbols, mouth in _CONSONANTS.items() for symbol in symbols.split()},
    **_VOWELS,
}
"""IPA base symbol -> mouth; ``symbols_of`` finds them in a phoneme's name."""

VARIANTS: Final = {"g": "ɡ", "ᵻ": "ɪ", "ᵊ": "ə", "ɩ": "ɪ", "ɿ": "ɨ", "ʅ": "ɨ", "ẽ": "e", "ꭧ": "ʨ"}
"""Other ways to write a symbol of the table."""


def symbols_of(ipa: str) -> list[str]:
    """Base symbols of a phoneme, "aɪ" -> ["a", "ɪ"]: no stress, length, tone or diacritics.

    Empty for a pause, and for what is no phoneme.
    """
    letters = unicodedata.normalize("NFD", ipa.replace("ç", "\0"))
    named = (VARIANTS.get(letter, letter) for letter in letters.replace("\0", "ç"))
    return [letter for letter in named if letter in TABLE]
