"""Mouth curves of the committed network, in process."""

import numpy as np
import pytest
from numpy.typing import NDArray

from export.mouth.measures import looks_closed, score
from export.mouth.neural_voices import Hibari
from export.mouth.utterance import Utterance
from lumen.contracts import FACE_SAMPLE_RATE, SAMPLES_PER_FRAME, WARP_CONTEXT_FRAMES, WARP_LOOKAHEAD_FRAMES
from lumen.visemes.curves import OPEN, WIDTH, Curves, curves_of
from lumen.visemes.hearing import mouth_curves
from tests.support.paths import ROOT
from tests.support.served_mouth import NETWORK, Served, heard
from tests.support.speech import Pcm, espeak, noise, silence, tone
from tests.support.timed_speech import LEARNED, UNSEEN, spoken
from tests.support.warp_scenes import report


def curves_of_sound(pcm: NDArray[np.float32]) -> Curves:
    return heard(pcm, 0, 0, len(pcm) // SAMPLES_PER_FRAME)


def frames_of(utterance: Utterance) -> int:
    return len(utterance.pcm) // SAMPLES_PER_FRAME


def test_the_network_is_small() -> None:
    assert NETWORK.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    "pcm",
    [silence(3), tone(50, 0.2), tone(60, 0.2), tone(1000, 0.1), noise(0.001), noise(10 ** (-30 / 20))],
    ids=["silence", "50 Hz hum", "60 Hz hum", "beep", "noise at -60 dB", "noise at -30 dB"],
)
def test_no_speech_is_no_mouth(pcm: Pcm) -> None:
    """Silence, hum, a beep and noise move nothing that is seen; where they set in there may be a click."""
    found = np.abs(curves_of_sound(pcm)[5:-5])
    report(f"open {found[:, OPEN].max():.3f}, all {found.max():.3f}")
    assert found[:, OPEN].max() <= 0.02
    assert found.max() <= 0.06


@pytest.mark.parametrize("voice", ["m1", "f5", "m6"])
def test_speech_is_read_from_the_lips(voice: str) -> None:
    """Closures, rounding and shape of eSpeak's speech, far beyond chance (closures: .13 to .20)."""
    utterances = spoken([*LEARNED, *UNSEEN], voice, 3)
    found = score(utterances, [curves_of_sound(each.pcm) for each in utterances])
    truth = score(utterances, [curves_of(each.phonemes, frames_of(each)) for each in utterances])
    report(str(found))
    assert found.closure >= 0.6
    assert found.rounding >= 0.6
    assert found.shut_vowels <= truth.shut_vowels + 0.1  # of 60; eSpeak never says it twice the same
    assert found.open >= 0.7
    assert found.width >= 0.65


def test_short_vowels_are_not_shut() -> None:
    """Open vowels of sentences full of m, b, p by a natural voice: few look closed in their middle, of 364
    (37 did when openings were shown too small and presses lasted into the vowel; 18 do by the phonemes)."""
    lines = (ROOT / "bench" / "lips.txt").read_text(encoding="utf-8").splitlines()
    voice = Hibari()
    spoken_lines = [voice.speak(line, "", np.random.default_rng(seed)) for seed in range(4) for line in lines]
    found = score(spoken_lines, [curves_of_sound(each.pcm) for each in spoken_lines])
    report(str(found))
    assert found.shut_vowels <= 0.085
    assert found.recall >= 0.75


def test_level_does_not_matter() -> None:
    """20 dB softer or louder is the same mouth."""
    speech = espeak("The same words, whispered or shouted.") * np.float32(0.08)
    for gain in (0.1, 10):
        change = np.abs(curves_of_sound(speech * np.float32(gain)) - curves_of_sound(speech))
        assert change.mean() < 0.005


def test_pauses_shut_the_mouth() -> None:
    """In every pause of half a second the mouth is shut, and in the words it is not."""
    speech = np.concatenate([espeak("One more time."), silence(0.3), espeak("And again.")])
    curves = curves_of_sound(speech)
    level = np.abs(speech[: len(curves) * SAMPLES_PER_FRAME].reshape(len(curves), -1)).max(axis=1)
    quiet = np.convolve(level < 0.01, np.ones(9), "same") == 9
    assert quiet.sum() >= 5
    assert looks_closed(curves)[quiet].all()
    assert curves[:, OPEN].max() > 0.4


@pytest.mark.parametrize("window", [1, 7, 25, 40])
def test_windows_agree(window: int) -> None:
    """Any cut into windows with the promised context gives the whole clip's curves, bit for bit."""
    speech = espeak("Windows may be cut anywhere, and nobody hears a seam between two of them.")
    whole = curves_of_sound(speech)
    for first in range(0, len(whole), window):
        count = min(window, len(whole) - first)
        start = max(0, (first - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME)
        stop = (first + count + WARP_LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
        part = heard(speech[start:stop], start, first, count)
        np.testing.assert_array_equal(part, whole[first : first + count])


def test_nothing_else_is_heard() -> None:
    """A frame depends on no sample outside [f - context, f + look-ahead]."""
    speech = espeak("Windows may be cut anywhere, and nobody hears a seam between two of them.")
    frame = 70
    changed = speech.copy()
    changed[: (frame - WARP_CONTEXT_FRAMES) * SAMPLES_PER_FRAME] = 0.9
    changed[(frame + WARP_LOOKAHEAD_FRAMES + 1) * SAMPLES_PER_FRAME :] = -0.9
    np.testing.assert_array_equal(heard(changed, 0, frame, 1), heard(speech, 0, frame, 1))


def test_rounding_is_heard() -> None:
    """Open, round vowels are rounder than spread ones, which are spread."""
    round_lips, spread = (
        np.concatenate([curves_of_sound(each.pcm)[:, WIDTH] for each in spoken([text], "m1", 3)])
        for text in ("Your law, oh Paul, was all wrong.", "He sees these green teas.")
    )
    report(f"round {np.sort(round_lips)[:12].mean():.2f}, spread {np.sort(spread)[-12:].mean():.2f}")
    assert np.sort(round_lips)[:12].mean() < -0.6
    assert np.sort(spread)[-12:].mean() > 0.6


async def test_long_clips_are_heard_in_batches() -> None:
    """A minute is 60 blocks: never more than the model's batch at once, and every block once."""
    network = Served()
    curves = await mouth_curves(silence(60), 0, 0, 1500, network)
    assert curves.shape == (1500, 6)
    assert network.runs == 4
    assert len(silence(60)) == 60 * FACE_SAMPLE_RATE
