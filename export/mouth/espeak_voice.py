"""eSpeak NG as a voice of the training: any language, any variant, times from its own events."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.mouth.utterance import Utterance, at_face_rate, resampled
from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.families.espeak.events import CLOSURE_SECONDS
from lumen.families.espeak.library import library
from lumen.timed_speech import Interval
from lumen.visemes.curves import TimedPhoneme
from lumen.visemes.table import symbols_of

VOLUME_PERCENT: Final = 50
RATES: Final = (120, 230)
"""Words a minute."""

RESAMPLING: Final = (0.88, 1.15)
"""Range of the factor by which a voice is made smaller or larger."""


class EspeakVoice:
    """Speaks each text with a variant, rate and size of its own."""

    def __init__(self, variants: Sequence[str]) -> None:
        self.variants = variants

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        voice = f"{language}+{self.variants[rng.integers(len(self.variants))]}"
        speech = library().synthesize(text, voice, int(rng.integers(*RATES)), VOLUME_PERCENT)
        utterance = Utterance(at_face_rate(speech.pcm, ESPEAK_SAMPLE_RATE), _timed(speech.phonemes))
        return resampled(utterance, rng.uniform(*RESAMPLING))


def _timed(spoken: Sequence[Interval]) -> tuple[TimedPhoneme, ...]:
    """Phonemes from closure to closure: p, t or k is its closure, and what follows begins with the burst."""
    found: list[TimedPhoneme] = []
    for index, each in enumerate(spoken):
        start, end = each.start, each.end
        if _is_unvoiced_stop(each.label):
            end = min(end, start + CLOSURE_SECONDS)
        elif index and spoken[index - 1].end == start:
            start = found[-1].end
        found.append(TimedPhoneme(each.label, start, end))
    return tuple(found)


def _is_unvoiced_stop(ipa: str) -> bool:
    """p, t or k alone; the affricates' friction is a part of them."""
    return "".join(symbols_of(ipa)) in ("p", "t", "k")
