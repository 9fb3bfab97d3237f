"""Scripts: which letters a language is written in."""

import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Final

LATIN: Final = "LATIN"
HAN: Final = "CJK"
KANA: Final = frozenset({"HIRAGANA", "KATAKANA"})

_LANGUAGES: Final = {
    "CYRILLIC": "ba be bg cv kk kv ky mhr mk mn os ru sah sr tg tt uk",
    "ARABIC": "ar arz azb ckb fa ks ps sd ug ur",
    "DEVANAGARI": "bh gom hi kok mai mr ne new sa",
    "BENGALI": "as bn bpy",
    "GURMUKHI": "pa",
    "GUJARATI": "gu",
    "ORIYA": "or",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "THAI": "th",
    "LAO": "lo",
    "TIBETAN": "bo",
    "MYANMAR": "my shn",
    "KHMER": "km",
    "GEORGIAN": "ka xmf",
    "ARMENIAN": "hy",
    "HEBREW": "he iw yi",
    "GREEK": "el grc",
    "ETHIOPIC": "am ti",
    "CHEROKEE": "chr",
    "SHAVIAN": "en-shaw",
    "HANGUL": "ko",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "BOPOMOFO": "zh cmn yue hak",
    HAN: "zh cmn yue hak wuu ja",
}

SCRIPTS: Final = {
    code: frozenset(script for script, codes in _LANGUAGES.items() if code in codes.split())
    for code in {code for codes in _LANGUAGES.values() for code in codes.split()}
}
"""Scripts of the languages that are not written in Latin letters."""

_USUAL: Final = {
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "DEVANAGARI": "hi",
    "BENGALI": "bn",
    "MYANMAR": "my",
    "GEORGIAN": "ka",
    "HEBREW": "he",
    "GREEK": "el",
    "ETHIOPIC": "am",
    HAN: "zh",
}
"""Language with most speakers of each script that several share."""


def primary(code: str) -> str:
    """The language of a code without region and script."""
    return code.strip().lower().replace("_", "-").partition("-")[0]


def scripts_of(language: str) -> frozenset[str]:
    """The scripts of a language; Latin for one that is not listed."""
    return SCRIPTS.get(primary(language), frozenset({LATIN}))


@lru_cache(4096)
def script_of(character: str) -> str:
    """The script of a letter, by the first word of its name; empty for what is no letter."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0]


def written_in(character: str, language: str) -> bool:
    """Whether a language is written with a character: Latin letters, digits and signs go with each."""
    return script_of(character) in {"", LATIN, "MODIFIER", "FEMININE", "MASCULINE"} | scripts_of(language)


def main_script(text: str) -> frozenset[str]:
    """The script that most letters are in; all three of Japanese where kana are among them."""
    counts = Counter(filter(None, map(script_of, text)))
    wide = sum(counts[script] for script in (HAN, *KANA))
    if any(counts[script] for script in KANA) and 2 * wide > counts.total():
        return KANA | {HAN}
    return frozenset(script for script, _ in counts.most_common(1))


def usual_language(scripts: frozenset[str]) -> str | None:
    """The language that a word in a script is in where nothing else tells; None for Latin letters."""
    if scripts & KANA:
        return "ja"
    found = (_USUAL.get(script) or _LANGUAGES.get(script, "").partition(" ")[0] for script in scripts)
    return next(filter(None, found), None)
