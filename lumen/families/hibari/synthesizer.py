"""The hibari voice: English text becomes natural speech, sentence by sentence, with times."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import hibari  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from hibari.g2p import G2P  # type: ignore[import-untyped]
from hibari.g2p.normalize import normalize  # type: ignore[import-untyped]

from lumen.contracts import HIBARI_SAMPLE_RATE
from lumen.errors import InvalidInputException, TooLargeException
from lumen.families.hibari import catalog
from lumen.families.hibari.network import Network
from lumen.families.hibari.phonemes import Word, chunks, words_of
from lumen.families.hibari.text import readable
from lumen.families.hibari.timing import bounds_of, phonemes_of, symbols_of, until_pauses, words_with_times
from lumen.pauses import pause_starts
from lumen.text import sentences
from lumen.timed_speech import Interval, TimedSpeech

ASSETS: Final = Path(hibari.__file__).parent / "assets"
"""Folder of the package's networks, dictionaries and the alphabet."""

MIN_RATE: Final = 0.5
MAX_RATE: Final = 2.0

MAX_CHARACTERS: Final = 10_000
"""About ten minutes of speech; callers have lower limits of their own."""

DEFAULT_VOICE: Final = "default"

GAIN: Final = 1.5
"""Makes the voice about as loud as eSpeak's."""

PEAK_LIMIT: Final = 0.95
"""No sample is louder; a chunk that would be is turned down as a whole."""

ONSET_LEVEL: Final = 10 ** (-60 / 20)
SILENCE_LEVEL: Final = 10 ** (-50 / 20)
"""Share of full scale: softer sound is cut off before a chunk, and after it."""

ONSET_SECONDS: Final = 0.02
"""Left of the silence before a chunk."""

SENTENCE_PAUSE: Final = 0.35
CLAUSE_PAUSE: Final = 0.15
"""Seconds of silence after a chunk at the normal rate."""


@dataclass(frozen=True)
class _Manner:
    network: Network
    read: Callable[[str], Iterator[list[Word]]]
    rate: float
    noise: np.random.Generator


class Hibari:
    """Speaks with hibari's networks; may be used by threads, and computes in the thread that asks.

    Args:
        folder: of the voices that were downloaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._networks: dict[str, Network] = {}
        self._lock = threading.Lock()
        alphabet: dict[str, int] = json.loads((ASSETS / "vocab.json").read_text(encoding="utf-8"))
        self._ids = alphabet
        self._known = frozenset(alphabet)
        self._network(catalog.DEFAULT_VOICE)
        _reader(british=False)

    def speak(
        self, text: str, language: str, voice: str = DEFAULT_VOICE, rate: float = 1.0, seed: int | None = None
    ) -> Iterator[TimedSpeech]:
        """Speak a text; everything that can be refused is refused before the first sentence.

        Args:
            text: at most ``MAX_CHARACTERS``; markup in it is spoken, emoji are left out.
            language: ``en``, with or without a region.
            voice: a name of the catalogue in any case, whose file is there.
            rate: ``MIN_RATE`` to ``MAX_RATE``.
            seed: the same one gives the same samples; None draws one.

        Returns:
            Per sentence, or clause of a very long one, with the pause after it: `HIBARI_SAMPLE_RATE`.

        Raises:
            InvalidInputException: an unknown language or voice, a rate or seed out of range, or a text
                without anything to speak; the last one also later, when nothing sounds.
            TooLargeException: the text is too long.
        """
        if len(text) > MAX_CHARACTERS:
            raise TooLargeException(f"The text has {len(text)} characters, the limit is {MAX_CHARACTERS}.")
        if not MIN_RATE <= rate <= MAX_RATE:
            raise InvalidInputException(f"Got the rate {rate}, expected {MIN_RATE} to {MAX_RATE}.")
        if seed is not None and seed < 0:
            raise InvalidInputException(f"Got the seed {seed}, expected 0 or more.")
        if language.strip().lower().replace("_", "-").partition("-")[0] != "en":
            raise InvalidInputException(f"hibari speaks English; got the language {language[:40]!r}.")
        name = self._voice(voice)
        pieces = sentences.split(sentences.clean(text))
        if not pieces:
            raise InvalidInputException(f"Nothing to speak in {text[:40]!r}; expected words or numbers.")
        read = _reader(catalog.VOICES[name].british)
        return self._sounds(pieces, _Manner(self._network(name), read, rate, np.random.default_rng(seed)))

    def _sounds(self, pieces: Sequence[str], manner: _Manner) -> Iterator[TimedSpeech]:
        silent = True
        for piece in pieces:
            clauses = (clause for words in manner.read(piece) for clause in chunks(words))
            for clause, is_last in _with_last(clauses):
                pause = SENTENCE_PAUSE if is_last else CLAUSE_PAUSE
                speech = self._chunk(clause, manner, pause / manner.rate)
                if len(speech.pcm):
                    silent = False
                    yield speech
        if silent:
            raise InvalidInputException(
                f"hibari has no sound for {pieces[0][:40]!r}: it speaks English; choose the text's language."
            )

    def _chunk(self, words: Sequence[Word], manner: _Manner, pause: float) -> TimedSpeech:
        symbols, owners = symbols_of(words, self._known)
        ids = [0, *(self._ids[symbol] for symbol in symbols), 0]
        pcm, durations = manner.network.synthesize(ids, manner.rate, manner.noise)
        held = phonemes_of(symbols, bounds_of(durations, manner.rate))
        phonemes = until_pauses(held, pause_starts(pcm, HIBARI_SAMPLE_RATE))
        spoken = words_with_times(words, owners, phonemes)
        return _trimmed(TimedSpeech(pcm, [phoneme for _, phoneme in phonemes], spoken), pause)

    def _voice(self, voice: str) -> str:
        """The catalogue's name of a voice that is there."""
        name = voice.strip().casefold()
        if name == DEFAULT_VOICE:
            return catalog.DEFAULT_VOICE
        if name in catalog.installed(self._folder):
            return name
        if name in catalog.VOICES:
            raise InvalidInputException(
                f"The voice {name!r} is not installed; run `lumen export download hibari {name}`."
            )
        known = ", ".join(catalog.installed(self._folder))
        raise InvalidInputException(f"Unknown voice {voice[:40]!r}; expected one of: {known}.")

    def _network(self, name: str) -> Network:
        """The voice's network, loaded at its first use."""
        file = catalog.VOICES[name]
        with self._lock:
            if name not in self._networks:
                folder = ASSETS if file.bundled else self._folder
                self._networks[name] = Network(folder / file.name, file)
            return self._networks[name]


@cache
def _reader(british: bool) -> Callable[[str], Iterator[list[Word]]]:
    """Reads a sentence by American or British rules, block by block; may be used by threads."""
    g2p: Any = G2P(british=british)
    g2p("warm up zyxxo")  # loads the network for unknown words

    def read(sentence: str) -> Iterator[list[Word]]:
        for block in readable(sentence, lambda word: g2p.lexicon.is_known(word, None)):
            yield words_of(g2p.phonemize_tokens(g2p.tokenize(normalize(block))))

    return read


def _with_last(clauses: Iterator[list[Word]]) -> Iterator[tuple[list[Word], bool]]:
    """Clauses, each with whether it is the last one."""
    clause = next(clauses, None)
    while clause is not None:
        following = next(clauses, None)
        yield clause, following is None
        clause = following


def _trimmed(speech: TimedSpeech, pause: float) -> TimedSpeech:
    """Speech at its level, from its first sound to ``pause`` seconds after its last; empty without any."""
    level = np.abs(speech.pcm)
    onset, loud = np.flatnonzero(level > ONSET_LEVEL), np.flatnonzero(level > SILENCE_LEVEL)
    if not len(loud):
        return TimedSpeech(speech.pcm[:0])
    first = max(0, int(onset[0]) - round(ONSET_SECONDS * HIBARI_SAMPLE_RATE))
    last = int(loud[-1]) + 1
    gain = np.float32(min(GAIN, PEAK_LIMIT / float(level.max())))
    silence = np.zeros(round(pause * HIBARI_SAMPLE_RATE), np.float32)
    pcm: npt.NDArray[np.float32] = np.concatenate([speech.pcm[first:last] * gain, silence])
    shift, end = first / HIBARI_SAMPLE_RATE, (last - first) / HIBARI_SAMPLE_RATE
    return TimedSpeech(pcm, _shifted(speech.phonemes, shift, end), _shifted(speech.words, shift, end))


def _shifted(intervals: Sequence[Interval], shift: float, end: float) -> list[Interval]:
    """Intervals as seen from ``shift`` seconds later, within 0 to ``end``."""
    times = [(each.label, *np.clip([each.start - shift, each.end - shift], 0, end)) for each in intervals]
    return [Interval(label, float(start), float(stop)) for label, start, stop in times]
