"""A training of seconds learns something, and what it learned can be served."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from export.artifact import ExportOptions
from export.install import install
from export.mouth.artifact import MouthArtifact, Trained
from export.mouth.augment import augmented, normalized
from export.mouth.corpus import Recipe, load, save
from export.mouth.evaluate import heard, scores_of, torch_network
from export.mouth.measures import Score, score
from export.mouth.network import LIMITS, Limits, MouthNetwork, served
from export.mouth.noises import Noises
from export.mouth.streams import stream_of
from export.mouth.thresholds import (
    ALIKE,
    GAINS,
    MOST_SHUT_VOWELS,
    RAMP,
    STARTS,
    Bare,
    best_limits,
    with_frame_before,
)
from export.mouth.training import Schedule, train
from lumen.runtime.onnx_file import find_model
from lumen.visemes import features
from lumen.visemes.curves import OPEN, WIDTH, curves_of
from tests.support.timed_speech import LEARNED, UNSEEN, spoken

SCHEDULE = Schedule(steps=60, batch=8, rate=6e-3)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network() -> MouthNetwork:
    rng = np.random.default_rng(1)
    streams = [stream_of(spoken(LEARNED, voice, 1), rng) for voice in ("m3", "f2", "m7", "f4")]
    return train(streams, SCHEDULE, lambda text: None)


def test_a_short_training_learns(network: MouthNetwork) -> None:
    """Sentences and a voice that it did not hear: opening and width follow the truth, and not by chance:
    another sentence's truth fits worse by far."""
    utterances = spoken(UNSEEN, "f5", 5)
    found = [heard(each, torch_network(network)) for each in utterances]
    for column, least in ((OPEN, 0.5), (WIDTH, 0.3)):
        own, other = [], []
        for index, curves in enumerate(found):
            neighbour = utterances[index - 1]
            count = min(len(curves), len(neighbour.pcm) // 640)
            own.append(correlation(curves, curves_of(utterances[index].phonemes, len(curves)), column))
            other.append(correlation(curves[:count], curves_of(neighbour.phonemes, count), column))
        print(f"column {column}: {np.mean(own):.2f}, of another sentence {np.mean(other):.2f}")  # noqa: T201
        assert np.mean(own) >= least
        assert np.mean(own) >= np.mean(other) + 0.25


def test_limits_are_the_best_of_those_tried(network: MouthNetwork) -> None:
    """Where they were chosen, no other limit of those tried shows its events better by more than `ALIKE`."""
    speech = spoken(UNSEEN, "m3", 5)
    lines: list[str] = []
    chosen = best_limits(network, speech, lines.append)
    raw = [with_frame_before(heard(each, torch_network(Bare(network)))) for each in speech]

    def judged(limits: Limits) -> Score:
        return score(speech, [served(each, limits)[0].T.numpy() for each in raw])

    def closure(press: tuple[float, float]) -> float:
        found = judged(replace(LIMITS, press=press))
        return found.closure if found.shut_vowels <= MOST_SHUT_VOWELS else -found.shut_vowels

    def rounding(gain: float) -> float:
        return judged(replace(chosen, rounding=gain)).rounding

    assert closure(chosen.press) >= max(closure((start, round(start + RAMP, 2))) for start in STARTS) - ALIKE
    assert rounding(chosen.rounding) == max(rounding(gain) for gain in GAINS)
    assert len(lines) == 2 * len(STARTS) + len(GAINS)


def correlation(a: np.ndarray, b: np.ndarray, column: int) -> float:
    return float(np.corrcoef(a[:, column], b[:, column])[0, 1])


def test_training_is_repeatable() -> None:
    """The same seed gives the same network, another one another."""
    stream = stream_of(spoken(LEARNED[:3], "m3", 1), np.random.default_rng(1))
    schedule = replace(SCHEDULE, steps=3, batch=2)
    first, again, other = (
        train([stream], each, lambda text: None) for each in (schedule, schedule, replace(schedule, seed=2))
    )
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


def test_the_artifact_is_the_network(network: MouthNetwork, tmp_path: Path) -> None:
    """Exported, verified against torch (fp32, 1e-4 of the scale), below 1 MB, with a manifest that says
    of what it was made and that the loader accepts."""
    recipe = Recipe(espeak=1, hibari=0, kokoro=0, natives=0, noises=0)
    scores = scores_of({"f5": spoken(UNSEEN[:1], "f5", 5)}, torch_network(network))
    found = install(MouthArtifact(), Trained(network, recipe, SCHEDULE, scores), tmp_path, ExportOptions())
    print(f"largest {found.worst.largest:.1e}, mean {found.worst.mean:.1e}")  # noqa: T201
    folder = tmp_path / "mouth" / "1"
    assert find_model(folder, "").stat().st_size < 1_000_000
    manifest = (folder / "manifest.json").read_text()
    assert '"voices_held_out"' in manifest
    assert '"level_rule"' in manifest


def test_torch_features_are_the_served_ones() -> None:
    """Training normalises features as serving does: fp32, at most 1e-4."""
    (utterance,) = spoken(UNSEEN[:1], "m3", 2)
    power = stream_of([utterance], np.random.default_rng(0)).power
    ours = normalized(torch.from_numpy(power[None, :, : features.LOUDNESS_COLUMNS + 100]))[0].numpy()
    served = features.blocks_of(utterance.pcm, 0, 0, 25)[0, :, :100]
    print(f"largest {np.abs(ours - served).max():.1e}")  # noqa: T201
    np.testing.assert_allclose(ours, served, atol=1e-4)


def test_changed_sound_stays_sound() -> None:
    """Noise, rooms, filters and codecs leave finite, positive powers of the same shape, all different."""
    stream = stream_of(spoken(LEARNED[:2], "m3", 1), np.random.default_rng(1))
    power = torch.from_numpy(stream.power[:, :400]).repeat(16, 1, 1)
    found = augmented(power, torch.Generator().manual_seed(1))
    assert found.shape == power.shape
    assert torch.isfinite(normalized(found)).all()
    assert (found >= 0).all()
    assert all(not torch.equal(found[0], other) for other in found[1:])


def test_shards_come_back(tmp_path: Path) -> None:
    """A recording and its phonemes survive the disk; noises have none."""
    utterances = [*spoken(LEARNED[:2], "m3", 1), Noises().speak("", "", np.random.default_rng(1))]
    save(tmp_path / "shard.npz", utterances)
    back = load(tmp_path / "shard.npz")
    assert [each.phonemes for each in back] == [each.phonemes for each in utterances]
    for one, other in zip(back, utterances, strict=True):
        np.testing.assert_allclose(one.pcm, np.clip(other.pcm, -1, 1), atol=2e-5)
    assert back[-1].phonemes == ()


def test_espeak_closes_before_the_burst() -> None:
    """The labels of p lie where the sound is quietest: in the closure, not in the burst."""
    (utterance,) = spoken(["Papa appeared upon a popular ship, a puppy upon a pipe."], "m3", 1)
    level = [
        np.square(utterance.pcm[round(each.start * 16_000) : round(each.end * 16_000)]).mean()
        for each in utterance.phonemes
        if each.ipa == "p" and each.start > 0
    ]
    assert len(level) >= 6
    assert np.median(level) < 0.01 * np.square(utterance.pcm).mean()
