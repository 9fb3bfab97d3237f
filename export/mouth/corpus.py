"""The recordings of the training and of the evaluation: who speaks, how much, kept in shards.

A shard is a minute or two of one voice, made from a seed of its own: an interrupted run goes on where
it was, and more of a voice can be added.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby, product
from pathlib import Path
from typing import Final

import numpy as np

from export.mouth.alignment import aligned
from export.mouth.espeak_voice import RESAMPLING, EspeakVoice
from export.mouth.flite_voices import Flite
from export.mouth.neural_voices import Hibari, Joe, Kokoro, Natives, blended, kokoro_styles
from export.mouth.noises import Noises
from export.mouth.texts import LANGUAGES, held_out, sentence
from export.mouth.utterance import PCM16_MAX, Utterance, Voice, resampled, seed_of
from lumen.families.espeak.library import library
from lumen.visemes.curves import TimedPhoneme

SHARD_SECONDS: Final = 60.0

HELD_OUT_STYLES: Final = ("jf_nezumi", "jf_tebukuro")
"""Kokoro's voices that the training never hears, alone or in a blend."""

HELD_OUT_LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pl")
"""Languages in which the evaluation hears them."""

FLITE_VOICES: Final = ("awb", "slt")
HELD_OUT_FLITE: Final = "rms"
"""flite's voices of the training, and the one that it never hears."""

SPOKEN: Final = {
    "hibari": ("en",),
    "flite": ("en",),
    "natives": ("en",) * 14 + ("es", "fr", "hi", "it", "pt", "zh"),
}
"""Languages of the voices that do not speak all, as often as they are drawn."""

DRAWN: Final = {"hibari": 2, "natives": 2, "flite": 2}
"""Times that natural voices of English are drawn; others once."""

CALIBRATED: Final = ("espeak", "hibari", "natives", "flite")
CALIBRATION_SHARDS: Final = range(1_000, 1_004)
"""Numbers of shards that no recipe reaches."""

BLENDS: Final = 160
"""Blended Kokoro voices of the training."""


@dataclass(frozen=True)
class Recipe:
    """Minutes of every voice in the training.

    Attributes:
        kokoro: blends of three Japanese voices in every language. natives: Kokoro's 49 other voices, most of
            the time in English. flite: ``FLITE_VOICES``.
    """

    espeak: int = 80
    hibari: int = 25
    kokoro: int = 23
    natives: int = 120
    noises: int = 12
    flite: int = 24

    def shards(self) -> Iterator[tuple[str, int]]:
        """Names and numbers of all shards."""
        for name, minutes in asdict(self).items():
            yield from ((name, index) for index in range(minutes))


def make(recipe: Recipe, folder: Path, report: Callable[[str], None]) -> list[Path]:
    """Make the shards that are not in ``folder`` yet; all of the recipe's paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, index in recipe.shards():
        path = folder / f"{name}-{index:03}.npz"
        paths.append(path)
        if not path.is_file():
            save(path, shard(name, index, folder))
            report(f"{path.name} is there")
    return paths


def weighted(paths: Sequence[Path]) -> list[Path]:
    """Shards as often as the training draws them."""
    by_voice = [list(group) for _, group in groupby(paths, _voice_of)]
    return [path for group in by_voice for path in group * DRAWN.get(_voice_of(group[0]), 1)]


def _voice_of(path: Path) -> str:
    return path.name.partition("-")[0]


def calibration_speech(folder: Path) -> list[Utterance]:
    """Sentences of the training's voices that the training never hears; they are kept in ``folder``."""
    found = []
    for name, index in product(CALIBRATED, CALIBRATION_SHARDS):
        path = folder / f"calibration-{name}-{index}.npz"
        if not path.is_file():
            save(path, shard(name, index, folder))
        found += load(path)
    return found


def shard(name: str, index: int, folder: Path) -> list[Utterance]:
    """About ``SHARD_SECONDS`` of the training's voice ``name``; ``folder``: see ``Natives``."""
    rng = np.random.default_rng(seed_of(name, index))
    voice, found, seconds = _voices(folder)[name](), [], 0.0
    while seconds < SHARD_SECONDS:
        language = str(rng.choice(SPOKEN.get(name, tuple(LANGUAGES))))
        utterance = voice.speak(sentence(language, rng), LANGUAGES[language], rng)
        if name in ("hibari", "kokoro", "natives", "flite"):
            utterance = resampled(utterance, rng.uniform(*RESAMPLING))
        found.append(utterance)
        seconds += utterance.seconds
    return found


@cache
def _voices(folder: Path) -> dict[str, Callable[[], Voice]]:
    """Makers of the voices; a package is asked for only where its voice speaks."""
    return {
        "espeak": lambda: EspeakVoice(library().variants()),
        "hibari": Hibari,
        "kokoro": lambda: Kokoro(_blends()),
        "natives": lambda: Natives(folder),
        "noises": Noises,
        "flite": lambda: Flite(FLITE_VOICES),
    }


@cache
def _blends() -> Sequence[np.ndarray]:  # type: ignore[type-arg]
    known = [style for name, style in sorted(kokoro_styles().items()) if name not in HELD_OUT_STYLES]
    rng = np.random.default_rng(seed_of("blends"))
    return [*known, *(blended(known, rng) for _ in range(BLENDS))]


def evaluation_speech(folder: Path) -> dict[str, list[Utterance]]:
    """Voices and sentences that are in no training: "joe" and "rms" in English, "kok2" in six languages.

    They are kept in ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, speak in (("joe", _spoken_by_joe), ("rms", _spoken_by_rms), ("kok2", _spoken_by_two)):
        path = folder / f"evaluation-{name}.npz"
        if not path.is_file():
            save(path, speak(np.random.default_rng(seed_of("evaluation", name))))
        found[name] = load(path)
    return found


def _spoken_by_joe(rng: np.random.Generator) -> list[Utterance]:
    """joe, who says nothing twice alike; sentences that cannot be aligned are left out."""
    joe = Joe()
    spoken = [(joe.speak(text, LANGUAGES["en"], rng), text) for text in held_out("en")]
    return [one for each, text in spoken for one in aligned(each.pcm, text)]


def _spoken_by_rms(rng: np.random.Generator) -> list[Utterance]:
    rms = Flite((HELD_OUT_FLITE,))
    return [rms.speak(text, LANGUAGES["en"], rng) for text in held_out("en")]


def _spoken_by_two(rng: np.random.Generator) -> list[Utterance]:
    styles = kokoro_styles()
    pair = [Kokoro([styles[name]]) for name in HELD_OUT_STYLES]
    texts = [(text, language) for language in HELD_OUT_LANGUAGES for text in held_out(language)[:8]]
    return [voice.speak(text, LANGUAGES[language], rng) for voice in pair for text, language in texts]


def save(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a shard: samples of all utterances in 16 bits, and their phonemes."""
    phonemes = [[(each.ipa, each.start, each.end) for each in one.phonemes] for one in utterances]
    pcm = np.concatenate([one.pcm for one in utterances])
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        pcm=np.round(np.clip(pcm, -1, 1) * PCM16_MAX).astype(np.int16),
        lengths=np.array([len(one.pcm) for one in utterances]),
        phonemes=np.array(json.dumps(phonemes)),
    )
    temporary.replace(path)


def load(path: Path) -> list[Utterance]:
    """Read a shard."""
    with np.load(path) as data:
        pcm = data["pcm"].astype(np.float32) / PCM16_MAX
        bounds = np.cumsum(data["lengths"])[:-1]
        phonemes = json.loads(str(data["phonemes"]))
    return [
        Utterance(part, tuple(TimedPhoneme(*each) for each in rows))
        for part, rows in zip(np.split(pcm, bounds), phonemes, strict=True)
    ]
