"""Text to the GPT's ids, with the reference's tokenizer and its limits."""

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unicodedata import decimal

import numpy as np
import numpy.typing as npt

from lumen.errors import InvalidInputException, ModelLoadException, TooLargeException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.text.languages import CHARACTER_LIMITS, language_of
from lumen.families.xtts.text.lengths import max_codes
from lumen.families.xtts.text.numbers import readable
from lumen.families.xtts.text.splitting import ends_sentence, halves, split
from lumen.text import sentences

MAX_CHARACTERS: Final = 10_000
"""Longest text: about ten minutes of speech; callers have lower limits of their own."""

MAX_TOKENS: Final = 401
"""Text ids of one piece: the reference takes less than the 402 positions of the released GPT."""

_DIGIT: Final = re.compile(r"\d")

_ROUND: Final = str.maketrans("[]", "()")
"""Brackets mark the vocabulary's own words: a text that has them could change its language."""

_TAGS: Final = {"zh": "zh-cn"}
"""Languages that the vocabulary calls otherwise."""


@dataclass(frozen=True)
class Piece:
    """Text that the GPT speaks at once.

    Attributes:
        ids: int32 [T], 1 <= T <= MAX_TOKENS, the language's id first, without start and stop.
        max_codes: audio codes after which the GPT has run on.
        ends_sentence: a pause belongs after it.
    """

    ids: npt.NDArray[np.int32]
    max_codes: int
    ends_sentence: bool


class Tokenizer:
    """The reference's tokenizer; one text at a time, whichever thread asks.

    Args:
        vocabulary: the checkpoint's ``vocab.json``.

    Raises:
        ModelLoadException: there is no such file, or it is no vocabulary.
    """

    def __init__(self, vocabulary: Path) -> None:
        self._lock = threading.Lock()
        self._reference = _load(vocabulary)
        self._words = self._reference.tokenizer

    def warm_up(self) -> None:
        """Load what the languages need (spaCy, dictionaries): seconds that the first texts would take."""
        for language, limit in CHARACTER_LIMITS.items():
            if self._words.token_to_id(_tag(language)) is not None:
                self.pieces("1, 2. " * limit, language)

    def pieces(self, text: str, language: str) -> list[Piece]:
        """Cut a text into what the GPT can speak at once.

        Args:
            text: at most ``MAX_CHARACTERS``; emoji and control characters are left out.
            language: one of the 17, in any case, with or without a region.

        Returns:
            At least one piece.

        Raises:
            InvalidInputException: an unknown language, one that the checkpoint lacks, or nothing to speak.
            TooLargeException: the text is too long, or one word of it has more than ``MAX_TOKENS`` ids.
        """
        code = language_of(language)
        if len(text) > MAX_CHARACTERS:
            raise TooLargeException(f"The text has {len(text)} characters, the limit is {MAX_CHARACTERS}.")
        if self._words.token_to_id(_tag(code)) is None:
            raise InvalidInputException(f"This checkpoint's vocabulary has no language {code!r}.")
        with self._lock:
            parts = split(_plain(text), code)
            pieces = [piece for part in parts for piece in self._fitting(part.strip().lower(), code)]
        if not pieces:
            raise InvalidInputException(f"Nothing to speak in {text[:40]!r}; expected words or numbers.")
        return pieces

    def _fitting(self, text: str, language: str) -> list[Piece]:
        """The text as one piece, or cut until each piece fits; none where there is nothing to speak."""
        spoken = readable(text, language, lambda attempt: self._spoken(attempt, language))
        ids = self._words.encode((_tag(language) + spoken).replace(" ", "[SPACE]")).ids
        if not any(map(self._is_speakable, ids)):
            return []
        if len(ids) <= MAX_TOKENS:
            return [Piece(np.array(ids, np.int32), max_codes(text, spoken, language), ends_sentence(text))]
        parts = halves(text)
        if parts is None:
            raise TooLargeException(
                f"The word {text[:40]!r} has {len(ids)} tokens, the limit is {MAX_TOKENS}; space it."
            )
        return [piece for part in parts for piece in self._fitting(part, language)]

    def _spoken(self, text: str, language: str) -> str:
        return str(self._reference.preprocess_text(text, language))

    def _is_speakable(self, token: int) -> bool:
        """Whether there is a letter or a digit in it; the special ones are in brackets."""
        word = self._words.id_to_token(token)
        return not word.startswith("[") and any(map(str.isalnum, word))


def _plain(text: str) -> str:
    """The text on one line, without what is not to be spoken, digits of all scripts as 0 to 9."""
    kept = _DIGIT.sub(lambda digit: str(decimal(digit[0])), sentences.clean(text))
    return " ".join(kept.translate(_ROUND).split())


def _tag(language: str) -> str:
    return f"[{_TAGS.get(language, language)}]"


def _load(vocabulary: Path) -> Any:
    if not vocabulary.is_file():
        raise ModelLoadException(f"{vocabulary} is missing; run `lumen export xtts`.")
    try:
        return coqui("TTS.tts.layers.xtts.tokenizer").VoiceBpeTokenizer(str(vocabulary))
    except ModelLoadException:
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise ModelLoadException(
            f"{vocabulary} is no vocabulary: {error}; run `lumen export xtts` again."
        ) from error
