"""The eSpeak voice: text in any of eSpeak NG's languages becomes speech, sentence by sentence."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.errors import InvalidInputException, TooLargeException
from lumen.families.espeak.library import EspeakLibrary, Language, library
from lumen.text import sentences
from lumen.timed_speech import TimedSpeech

NORMAL_WORDS_PER_MINUTE: Final = 165
MIN_RATE: Final = 0.5
MAX_RATE: Final = 2.0

MAX_CHARACTERS: Final = 10_000
"""Longest text: about ten minutes of speech; callers have lower limits of their own."""

DEFAULT_VOICE: Final = "default"

VOLUME_PERCENT: Final = 50
"""eSpeak speaks at half amplitude, because its louder variants clip at the full one."""

GAIN: Final = 100 / VOLUME_PERCENT
"""Brings the normal amplitude back."""

PEAK_LIMIT: Final = 0.95
"""No sample is louder; a sentence that would be is turned down as a whole."""

SILENCE_LEVEL: Final = 10 ** (-50 / 20)
"""Amplitude below which the end of a sentence is cut off: -50 dB of full scale."""

PAUSE_SECONDS: Final = 0.35
"""Silence after a sentence at the normal rate."""

LANGUAGE_CODE: Final = re.compile("[a-z0-9]+(-[a-z0-9]+)*")

ALIASES: Final = {
    "zh-cn": "cmn",
    "zh-tw": "cmn",
    "zh-hans": "cmn",
    "zh-hant": "cmn",
    "zh-sg": "cmn",
    "zh-hk": "yue",
    "zh-mo": "yue",
    "nn": "nb",
    "iw": "he",
    "in": "id",
    "mo": "ro",
    "sh": "hr",
}
"""Codes of other standards, and where cutting off the region would pick another language."""


class Espeak:
    """Speaks with eSpeak NG. Instances share the process's one library and may be used by threads.

    The same text sounds the same twice but not to the bit: the flutter of eSpeak's pitch runs on
    from one sentence to the next, which moves samples by up to a pitch period.
    """

    def __init__(self) -> None:
        self._library: EspeakLibrary = library()
        self._languages = _by_code(self._library.languages())
        self._variants = self._library.variants()

    def languages(self) -> dict[str, str]:
        """Codes that ``speak`` takes, in lower case, each with the language's English name."""
        return {code: language.name for code, language in sorted(self._languages.items())}

    def voices(self) -> list[str]:
        """Names that ``speak`` takes as voices; each goes with every language."""
        return [DEFAULT_VOICE, *self._variants]

    def speak(
        self, text: str, language: str, voice: str = DEFAULT_VOICE, rate: float = 1.0
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Speak a text; everything that can be refused is refused before the first sentence.

        Args:
            text: at most ``MAX_CHARACTERS``; markup in it is spoken, emoji are left out.
            language: a code of :meth:`languages` in any case, or one with a region added to it.
            voice: a name of :meth:`voices` in any case.
            rate: ``MIN_RATE`` to ``MAX_RATE``, 1.0 is about 165 words a minute.

        Returns:
            Per sentence, with the pause after it: float32 [n_samples] in -1..1, mono,
            ``ESPEAK_SAMPLE_RATE``.

        Raises:
            LumenException: as :meth:`speak_timed`.
        """
        return (speech.pcm for speech in self.speak_timed(text, language, voice, rate))

    def speak_timed(
        self, text: str, language: str, voice: str = DEFAULT_VOICE, rate: float = 1.0
    ) -> Iterator[TimedSpeech]:
        """Speak a text, see :meth:`speak`, with the times of its phonemes and words.

        Raises:
            InvalidInputException: an unknown language or voice, a rate out of range, or a text
                without anything to speak; the last one also later, when nothing sounds.
            TooLargeException: the text is too long.
        """
        if len(text) > MAX_CHARACTERS:
            raise TooLargeException(f"The text has {len(text)} characters, the limit is {MAX_CHARACTERS}.")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InvalidInputException(f"Got the rate {rate}, expected {MIN_RATE} to {MAX_RATE}.")
        name = self._identifier(language) + self._suffix(voice)
        pieces = sentences.split(sentences.clean(text))
        if not pieces:
            raise InvalidInputException(f"Nothing to speak in {text[:40]!r}; expected words or numbers.")
        return self._sounds(pieces, name, rate)

    def _sounds(self, pieces: list[str], name: str, rate: float) -> Iterator[TimedSpeech]:
        words_per_minute = round(NORMAL_WORDS_PER_MINUTE * rate)
        pause = np.zeros(round(PAUSE_SECONDS / rate * ESPEAK_SAMPLE_RATE), np.float32)
        silent = True
        for piece in pieces:
            speech = self._library.synthesize(piece, name, words_per_minute, VOLUME_PERCENT)
            pcm = _trimmed(speech.pcm)
            if len(pcm):
                silent = False
                yield replace(speech, pcm=np.concatenate([_leveled(pcm), pause]))
        if silent:
            raise InvalidInputException(
                f"eSpeak has no sound for {pieces[0][:40]!r} in this language; choose the text's language."
            )

    def _identifier(self, language: str) -> str:
        """The data file of a language; regions that eSpeak does not know are left off."""
        code = language.strip().lower().replace("_", "-")
        while LANGUAGE_CODE.fullmatch(code):
            known = self._languages.get(ALIASES.get(code, code))
            if known is not None:
                return known.identifier
            code = code.rpartition("-")[0]
        raise InvalidInputException(self._unknown_language(language))

    def _unknown_language(self, language: str) -> str:
        names = self.languages()
        words = {code: code for code in names} | {name.lower(): code for code, name in names.items()}
        near = {words[word] for word in difflib.get_close_matches(language.lower(), words)}
        hint = ", ".join(f"{code} ({names[code]})" for code in sorted(near)) or ", ".join(names)
        return f"Unknown language {language[:40]!r}; expected one of eSpeak's codes, such as: {hint}."

    def _suffix(self, voice: str) -> str:
        """Suffix of a language's file name that chooses the voice."""
        if voice == DEFAULT_VOICE:
            return ""
        folded = {name.casefold(): name for name in self._variants}
        if voice.casefold() not in folded:
            near = difflib.get_close_matches(voice.casefold(), folded)
            hint = ", ".join(folded[name] for name in near) or ", ".join(self.voices())
            raise InvalidInputException(f"Unknown voice {voice[:40]!r}; expected one such as: {hint}.")
        return f"+{folded[voice.casefold()]}"


def _by_code(languages: list[Language]) -> dict[str, Language]:
    """Files' names by all codes; where languages share a code, the best priority wins."""
    ranked = [(priority, code, lang) for lang in languages for priority, code in lang.codes]
    table: dict[str, Language] = {}
    for _, code, language in sorted(ranked, key=lambda entry: entry[0]):
        table.setdefault(code, language)
    for language in languages:
        table.setdefault(language.identifier.rpartition("/")[2].lower(), language)
    return table


def _trimmed(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Cut the silence off the end; empty when there is nothing else."""
    loud = np.flatnonzero(np.abs(pcm) > SILENCE_LEVEL)
    return pcm[: loud[-1] + 1] if len(loud) else pcm[:0]


def _leveled(pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    gain = min(GAIN, PEAK_LIMIT / float(np.abs(pcm).max()))
    return pcm * np.float32(gain)
