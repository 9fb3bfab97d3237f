"""Word errors of the voices, as a speech recogniser hears them.

    pip install faster-whisper            # not among the project's dependencies
    python -m bench.word_errors --whisper FOLDER

FOLDER holds a Whisper model in CTranslate2's format. Voices speak each sentence of ``sentences.txt``; text
and transcript are written out alike (numbers, dates, money in words) before they are compared. Ends in one
line of JSON.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from hibari.g2p import numbers  # type: ignore[import-untyped]
from hibari.g2p.normalize import normalize  # type: ignore[import-untyped]

from bench.machine import machine
from lumen.contracts import ESPEAK_SAMPLE_RATE, HIBARI_SAMPLE_RATE
from lumen.families.espeak.synthesizer import Espeak
from lumen.families.hibari.synthesizer import Hibari
from orchestrator.media.resample import Resampler

SENTENCES: Final = Path(__file__).parent / "sentences.txt"
KINDS: Final = {"replies": 40, "numbers": 25, "names": 20, "questions": 15}
"""Sentences of each kind, in the order of the file."""

WHISPER_RATE: Final = 16_000
SEED: Final = 1

Speak = Callable[[str], npt.NDArray[np.float32]]
Recognise = Callable[[npt.NDArray[np.float32]], str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Speak, recognise, compare and print."""
    parser = argparse.ArgumentParser(description="word errors of the voices")
    parser.add_argument("--whisper", required=True, help="folder of a Whisper model for CTranslate2")
    parser.add_argument("--show", action="store_true", help="print sentences that were heard wrongly")
    options = parser.parse_args(arguments)
    recognise = _recogniser(options.whisper)
    result = {
        name: _errors(speak, recognise, name if options.show else None) for name, speak in voices().items()
    }
    print(json.dumps({**machine(), "sentences": sum(KINDS.values()), "word_error_rate": result}))  # noqa: T201
    return 0


def voices() -> Mapping[str, Speak]:
    """A sentence to float32 [n_samples] of `WHISPER_RATE`, by voice part."""
    hibari, espeak = Hibari(Path()), Espeak()

    def natural(text: str) -> npt.NDArray[np.float32]:
        pcm = [speech.pcm for speech in hibari.speak(text, "en", seed=SEED)]
        return _resampled(np.concatenate(pcm), HIBARI_SAMPLE_RATE)

    def formant(text: str) -> npt.NDArray[np.float32]:
        return _resampled(np.concatenate(list(espeak.speak(text, "en-us"))), ESPEAK_SAMPLE_RATE)

    return {"hibari": natural, "espeak": formant}


def _resampled(pcm: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
    resampler = Resampler(rate, WHISPER_RATE)
    return np.concatenate([resampler.process(pcm), resampler.flush()])


def _recogniser(folder: str) -> Recognise:
    whisper: Any = import_module("faster_whisper")
    model = whisper.WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)

    def recognise(pcm: npt.NDArray[np.float32]) -> str:
        segments, _ = model.transcribe(pcm, language="en", beam_size=5, condition_on_previous_text=False)
        return "".join(segment.text for segment in segments)

    return recognise


def _errors(speak: Speak, recognise: Recognise, shown: str | None) -> dict[str, float]:
    """Word error rate of each kind and of all: errors by words of the text."""
    counts: list[tuple[str, int, int]] = []
    for kind, sentence in _sentences():
        expected, heard = words_of(sentence), words_of(recognise(speak(sentence)))
        errors = edit_distance(expected, heard)
        counts.append((kind, errors, len(expected)))
        if errors and shown:
            print(f"{shown}: {' '.join(expected)!r} was heard as {' '.join(heard)!r}")  # noqa: T201
    rates = {kind: _rate(list(group)) for kind, group in groupby(counts, lambda count: count[0])}
    return {**rates, "all": _rate(counts)}


def _sentences() -> Iterator[tuple[str, str]]:
    lines = iter(SENTENCES.read_text(encoding="utf-8").splitlines())
    for kind, count in KINDS.items():
        yield from ((kind, next(lines)) for _ in range(count))


def _rate(counts: Sequence[tuple[str, int, int]]) -> float:
    return round(sum(errors for _, errors, _ in counts) / sum(words for *_, words in counts), 4)


def words_of(text: str) -> list[str]:
    """Words of a text in lower case, without punctuation; numbers, money, dates and titles written out."""
    text = re.sub(r"\$(\d+)\.(\d\d)", r"\1 dollars \2 cents", text)
    text = re.sub(r"\$([\d,]+)", r"\1 dollars", text)
    text = normalize(text).replace("%", " percent").lower()
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda found: numbers.ordinal(int(found[1])), text)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    text = re.sub(r"\d+\.\d+", lambda found: numbers.decimal(found[0]), text)
    text = re.sub(r"\d+", _number, text)
    text = text.replace("a.m.", "am").replace("p.m.", "pm").replace("'", "")
    return [word for word in re.findall(r"[a-z]+", text) if word != "and"]


def _number(found: re.Match[str]) -> str:
    number = int(found[0])
    return str(numbers.year(number) if 1_100 <= number < 2_100 and number % 100 else numbers.cardinal(number))


def edit_distance(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Fewest words to exchange, leave out or put in."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(expected, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


if __name__ == "__main__":
    sys.exit(main())
