"""flite's voices, used in training and evaluation: statistical models of three people's recordings, English.

The program comes with Debian and others; it prints the phonemes that it speaks and when each ends.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from export.mouth.utterance import Utterance, from_closure_to_closure, read_wav
from lumen.visemes.curves import TimedPhoneme

STRETCH: Final = (0.85, 1.25)
"""Range of the factor on durations."""

PHONES: Final = {
    **{"aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "b": "b"},
    **{"ch": "tʃ", "d": "d", "dh": "ð", "dx": "ɾ", "eh": "ɛ", "el": "əl", "em": "m", "en": "n", "er": "ɝ"},
    **{"ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "hv": "ɦ", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k"},
    **{"l": "l", "m": "m", "n": "n", "nx": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ"},
    **{"s": "s", "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j"},
    **{"z": "z", "zh": "ʒ", "pau": ""},
}
"""flite's phones in IPA."""


class Flite:
    """Speaks each text with one of ``voices``, at a pace of its own.

    "awb" is a Scot, "rms" an American man, "slt" an American woman: Carnegie Mellon's ARCTIC recordings.
    """

    def __init__(self, voices: Sequence[str]) -> None:
        self.voices = voices

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        """``language`` is English whatever it says.

        Raises: FileNotFoundError where the program is not installed.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "said.wav"
            command = ["flite", "-voice", str(rng.choice(self.voices)), "-psdur", "-o", str(path)]
            command += ["--setf", f"duration_stretch={rng.uniform(*STRETCH):.3f}", "-t", text]
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            pcm = read_wav(path)
        return Utterance(pcm, from_closure_to_closure(timed_phonemes(printed)))


def timed_phonemes(printed: str) -> list[TimedPhoneme]:
    """Phonemes of a line such as "pau:0.249 m:0.320 ay:0.455"."""
    found, start = [], 0.0
    for each in printed.split():
        phone, _, end = each.partition(":")
        found.append(TimedPhoneme(PHONES[phone], start, float(end)))
        start = float(end)
    return found
