"""The ends of sentences: run-on quiet is cut, nothing else is."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import XTTS_SAMPLE_RATE
from lumen.families.xtts.tails import FADE_SAMPLES, PAUSE_SAMPLES, TAIL_SAMPLES, Tail, pause

Pcm = npt.NDArray[np.float32]


def tone(seconds: float, level: float = 0.5) -> Pcm:
    return np.resize(np.array([level, -level], np.float32), round(seconds * XTTS_SAMPLE_RATE))


def noise(seconds: float, level: float = 0.002) -> Pcm:
    source = np.random.default_rng(0)
    return source.uniform(-level, level, round(seconds * XTTS_SAMPLE_RATE)).astype(np.float32)


def through(pcm: Pcm, cuts: Sequence[int]) -> tuple[Pcm, Tail]:
    tail = Tail()
    out = [tail.push(chunk) for chunk in np.split(pcm, cuts)]
    return np.concatenate([*out, tail.finish()]), tail


@pytest.mark.parametrize("size", [100, 4_800, 50_000])
@pytest.mark.parametrize("quiet", [0.0, 0.1, 0.2, 0.25])
def test_natural_ends_are_not_touched(quiet: float, size: int) -> None:
    """Whatever the chunks are, all samples come out as they went in."""
    pcm = np.concatenate([tone(0.5), noise(quiet)])
    out, tail = through(pcm, range(size, len(pcm), size))
    np.testing.assert_array_equal(out, pcm)
    assert abs(tail.quiet_samples - round(quiet * XTTS_SAMPLE_RATE)) < 2


@pytest.mark.parametrize("size", [100, 4_800, 50_000])
@pytest.mark.parametrize("quiet", [0.3, 0.6, 3.0])
def test_a_run_on_end_keeps_a_quarter_of_a_second(quiet: float, size: int) -> None:
    """The rest of the quiet goes, and what is left fades out."""
    pcm = np.concatenate([tone(0.5), noise(quiet)])
    out, tail = through(pcm, range(size, len(pcm), size))
    assert len(out) == round(0.5 * XTTS_SAMPLE_RATE) + TAIL_SAMPLES
    np.testing.assert_array_equal(out[:-FADE_SAMPLES], pcm[: len(out) - FADE_SAMPLES])
    assert out[-1] == 0
    assert tail.quiet_samples == TAIL_SAMPLES


def test_quiet_inside_a_sentence_is_kept() -> None:
    """A pause of two seconds before the last word comes out whole."""
    pcm = np.concatenate([noise(1.0), tone(0.5), noise(2.0), tone(0.1)])
    out, _ = through(pcm, range(1_000, len(pcm), 1_000))
    np.testing.assert_array_equal(out, pcm)


def test_only_quiet_is_held_back() -> None:
    """Speech leaves with the chunk that it came with."""
    tail = Tail()
    for _ in range(5):
        assert len(tail.push(tone(0.1))) == len(tone(0.1))
    assert len(tail.push(noise(0.2))) == len(noise(0.2))
    assert len(tail.push(noise(0.2))) < len(noise(0.2))


def test_a_soft_voice_is_not_taken_for_quiet() -> None:
    """Loudness is judged against the sentence's own peak."""
    pcm = np.concatenate([tone(0.3, 0.01), tone(1.0, 0.004)])
    out, _ = through(pcm, [5_000])
    np.testing.assert_array_equal(out, pcm)


def test_a_pause_is_what_the_end_lacks_of_it() -> None:
    """The end's own quiet counts, and a faster speech has shorter pauses."""
    assert len(pause(0, 1.0)) == PAUSE_SAMPLES
    assert len(pause(1_000, 1.0)) == PAUSE_SAMPLES - 1_000
    assert len(pause(0, 2.0)) == PAUSE_SAMPLES // 2
    assert len(pause(TAIL_SAMPLES, 2.0)) == 0
