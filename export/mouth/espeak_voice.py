"""eSpeak NG as a voice of the training: any language, any variant, times from its own events."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from export.mouth.utterance import Utterance, at_face_rate, resampled
from lumen.contracts import ESPEAK_SAMPLE_RATE
from lumen.families.espeak.library import SpokenPhoneme, library
from lumen.visemes.curves import TimedPhoneme
from lumen.visemes.table import symbols_of

VOLUME_PERCENT: Final = 50
RATES: Final = (120, 230)
"""Words a minute."""

RESAMPLING: Final = (0.88, 1.15)
"""Range of the factor by which a voice is made smaller or larger."""

CLOSURE: Final = 0.035
"""Seconds of closure before the burst that eSpeak reports for p, t and k."""


class EspeakVoice:
    """Speaks each text with a variant, rate and size of its own."""

    def __init__(self, variants: Sequence[str]) -> None:
        self.variants = variants

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        voice = f"{language}+{self.variants[rng.integers(len(self.variants))]}"
        pcm, spoken = library().synthesize_timed(text, voice, int(rng.integers(*RATES)), VOLUME_PERCENT)
        phonemes = _timed(spoken, len(pcm) / ESPEAK_SAMPLE_RATE)
        return resampled(Utterance(at_face_rate(pcm, ESPEAK_SAMPLE_RATE), phonemes), rng.uniform(*RESAMPLING))


def _timed(spoken: Sequence[SpokenPhoneme], end: float) -> tuple[TimedPhoneme, ...]:
    """Phonemes from closure to closure: what follows p, t or k begins with the burst."""
    bursts = [_is_unvoiced_stop(each.ipa) for each in spoken]
    at = [each.sample / ESPEAK_SAMPLE_RATE for each in spoken]
    starts = [time - CLOSURE if burst else time for time, burst in zip(at, bursts, strict=True)]
    for index in range(1, len(spoken)):
        if bursts[index - 1] and not bursts[index]:
            starts[index] = at[index - 1]
    ends = [
        time if burst else following
        for time, burst, following in zip(at, bursts, [*starts[1:], end], strict=True)
    ]
    return tuple(
        TimedPhoneme(each.ipa, start, max(start, stop))
        for each, start, stop in zip(spoken, starts, ends, strict=True)
    )


def _is_unvoiced_stop(ipa: str) -> bool:
    """p, t or k alone; the affricates' friction is a part of them."""
    return "".join(symbols_of(ipa)) in ("p", "t", "k")
