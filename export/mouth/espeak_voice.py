"""eSpeak NG as a voice of the training: any language, any variant, times from its own events."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.mouth.utterance import Utterance, at_face_rate, from_closure_to_closure, resampled
from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.families.espeak.library import library
from lumen.visemes.curves import TimedPhoneme

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
        spoken = [TimedPhoneme(each.label, each.start, each.end) for each in speech.phonemes]
        pcm = at_face_rate(speech.pcm, ESPEAK_SAMPLE_RATE)
        utterance = Utterance(pcm, from_closure_to_closure(spoken))
        return resampled(utterance, rng.uniform(*RESAMPLING))
