"""eSpeak NG's C library through ctypes, with library and data of the ``espeakng-loader`` wheel.

The library holds one global state: it is initialised once per process, and a lock lets one
sentence be spoken at a time. A sentence takes a few milliseconds.
"""

import ctypes
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import espeakng_loader  # type: ignore[import-untyped]  # has no stubs
import numpy as np

from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.errors import GenerationException, ModelLoadException
from lumen.families.espeak.events import Event, phonemes_of, read_events, words_of
from lumen.timed_speech import TimedSpeech

# Constants of eSpeak NG's speak_lib.h.
OUTPUT_SYNCHRONOUS: Final = 2
INITIALIZE_PHONEME_EVENTS: Final = 0x0001
INITIALIZE_PHONEME_IPA: Final = 0x0002
INITIALIZE_DONT_EXIT: Final = 0x8000
CHARS_UTF8: Final = 1
"""Flag for UTF-8 without those for SSML and phonemes: markup is text like any other."""
PHONEMES_IPA: Final = 0x02
POSITION_CHARACTER: Final = 1
PARAMETER_RATE: Final = 1
PARAMETER_VOLUME: Final = 2

PCM16_SCALE: Final = np.float32(1 / 32_768)


class _Voice(ctypes.Structure):
    """The head of speak_lib.h's espeak_VOICE: the fields that are read here."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
    )


@dataclass(frozen=True)
class Language:
    """Language of eSpeak's data.

    Attributes:
        name: in English.
        identifier: file in eSpeak's data, which selects it.
        codes: what it is called, each with a priority; the lowest wins where languages share one.
    """

    name: str
    identifier: str
    codes: tuple[tuple[int, str], ...]


class EspeakLibrary:
    """The initialised library; get it from :func:`library`."""

    def __init__(self) -> None:
        self.data = Path(espeakng_loader.get_data_path())
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self._events: list[Event] = []
        self._c = ctypes.CDLL(espeakng_loader.get_library_path())
        self._declare()
        options = INITIALIZE_PHONEME_EVENTS | INITIALIZE_PHONEME_IPA | INITIALIZE_DONT_EXIT
        rate = self._c.espeak_Initialize(OUTPUT_SYNCHRONOUS, 0, str(self.data).encode(), options)
        if rate != ESPEAK_SAMPLE_RATE:
            raise ModelLoadException(
                f"eSpeak NG did not start with its data in {self.data}: it answered {rate}, expected "
                f"{ESPEAK_SAMPLE_RATE} samples per second; reinstall the espeakng-loader package."
            )
        self._callback = _synth_callback(self._chunks.append, self._events.extend)
        self._c.espeak_SetSynthCallback(self._callback)

    def languages(self) -> list[Language]:
        """List the languages in the data whose dictionary is there too."""
        with self._lock:
            voices = self._c.espeak_ListVoices(None)
            found = []
            index = 0
            while voices[index]:
                found.append(_language(voices[index].contents))
                index += 1
        return [language for language in found if self._has_dictionary(language)]

    def variants(self) -> list[str]:
        """Names of the voice variants, sorted."""
        return sorted(path.name for path in (self.data / "voices" / "!v").iterdir() if path.is_file())

    def synthesize(self, text: str, voice: str, words_per_minute: int, volume: int) -> TimedSpeech:
        """Speak one piece of text.

        Args:
            text: without control characters.
            voice: a language's identifier, with ``+`` and a variant's name where one is wanted.
            words_per_minute: 80 to 450.
            volume: in percent of eSpeak's normal amplitude.

        Returns:
            Sound of ``ESPEAK_SAMPLE_RATE`` with its times; empty when nothing sounds.
        """
        data = text.encode()
        with self._lock:
            self._chunks.clear()
            self._events.clear()
            self._check(self._c.espeak_SetVoiceByName(voice.encode()), f"select the voice {voice}")
            self._check(self._c.espeak_SetParameter(PARAMETER_RATE, words_per_minute, 0), "set the rate")
            self._check(self._c.espeak_SetParameter(PARAMETER_VOLUME, volume, 0), "set the volume")
            status = self._c.espeak_Synth(
                data, len(data) + 1, 0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None
            )
            self._check(status, f"speak {len(text)} characters")
            samples, events = np.frombuffer(b"".join(self._chunks), np.int16), list(self._events)
        pcm = samples.astype(np.float32) * PCM16_SCALE
        return TimedSpeech(pcm, phonemes_of(events), words_of(events, text))

    def phonemes(self, text: str, voice: str) -> str:
        """IPA of a text with stress marks, words apart, clauses on lines of their own."""
        data = ctypes.c_char_p(text.encode())
        rest = ctypes.c_void_p(ctypes.cast(data, ctypes.c_void_p).value)
        clauses = []
        with self._lock:
            self._check(self._c.espeak_SetVoiceByName(voice.encode()), f"select the voice {voice}")
            while rest.value:
                clauses.append(
                    self._c.espeak_TextToPhonemes(ctypes.byref(rest), CHARS_UTF8, PHONEMES_IPA) or b""
                )
        return "\n".join(clause.decode() for clause in clauses)

    def _declare(self) -> None:
        c = self._c
        c.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        c.espeak_TextToPhonemes.restype = ctypes.c_char_p
        c.espeak_TextToPhonemes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        c.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]

    def _has_dictionary(self, language: Language) -> bool:
        lines = (self.data / "lang" / language.identifier).read_text(encoding="utf-8").splitlines()
        named = [line.split()[1] for line in lines if line.startswith("dictionary ")]
        default = language.codes[0][1].split("-")[0]
        return (self.data / f"{(named or [default])[0]}_dict").is_file()

    @staticmethod
    def _check(status: int, action: str) -> None:
        if status != 0:
            raise GenerationException(f"eSpeak NG could not {action}: it answered {status}, expected 0.")


@cache
def library() -> EspeakLibrary:
    """The process's one library, initialised by the first call."""
    return EspeakLibrary()


def _synth_callback(
    take: Callable[[bytes], None], note: Callable[[Iterable[Event]], None]
) -> "ctypes._FuncPointer":
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)

    def receive(samples: int | None, count: int, events: int | None) -> int:
        if events:
            note(read_events(events))
        if samples and count > 0:
            take(ctypes.string_at(samples, count * 2))
        return 0

    return kind(receive)


def _language(voice: _Voice) -> Language:
    codes = []
    position = voice.languages
    while priority := ctypes.string_at(position, 1)[0]:
        code = ctypes.string_at(position + 1)
        codes.append((priority, code.decode().lower()))
        position += len(code) + 2
    return Language(voice.name.decode().strip(), voice.identifier.decode(), tuple(codes))
