"""Lips of rendered clips as a face mesh network sees them, against the phonemes that were spoken.

    lumen serve &
    python -m bench.lips --corpus .lumen/mouth --announcements FOLDER

The starter's voices speak ``lips.txt`` and its face is drawn through Triton; the mesh is found in the
frames of the finished MP4. Each sound is drawn by its known phonemes, by sound alone, by the level rule,
and with a mouth at rest, against which the others are measured. The corpus holds natural voices that the
training never heard (``python -m export.mouth evaluate`` keeps them there), the announcements a person's
(``python -m export.mouth announcements``). Ends in one line of JSON.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from bench.lips_seen import Clip, LipScore, Numbers, closed_limit, mouths, score
from bench.portraits import portrait_pixels
from bench.runner import Report, run_benchmark, table_of
from export.mouth.corpus import evaluation_speech
from export.mouth.level_rule import level_rule
from export.mouth.real_speech import announcements
from export.mouth.utterance import Utterance
from lumen.aio import exhaust, once
from lumen.contracts import FACE_SAMPLE_RATE, SAMPLES_PER_FRAME
from lumen.settings import load_settings
from lumen.visemes.curves import CURVES, Curves, TimedPhoneme
from lumen.visemes.track import PhonemeTrack
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.media.decode_video import driving_frames
from orchestrator.media.resample import Resampler
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.pipeline.rendering import Recording, Scene, render
from orchestrator.pipeline.speech import in_pieces
from orchestrator.pipeline.utterance import sentences_of
from orchestrator.voices.voice import SpeechOptions

SENTENCES: Final = Path(__file__).parent / "lips.txt"
"""Sentences with many closed, rounded and spread lips."""

LANGUAGE: Final = "en"
STARTER: Final = {"hibari": "default", "espeak": "Denis"}
"""Names of the starter's voices for English, by part."""

SEED: Final = 7
MAX_SECONDS: Final = 120.0
TOGETHER: Final = 4
"""Sentences of a clip, with the voice's own pauses between them."""

STEADY_SECONDS: Final = 3.0
NOISE_LEVEL: Final = 10 ** (-30 / 20)

KNOWN, HEARD, RULE = "phonemes", "sound", "level rule"
"""Sources that the mouth follows."""

Pcm = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Speech:
    """Speech with its truth, and what the face is told of it.

    Attributes:
        pcm: float32 [n_samples] at ``rate``. heard: the same at the face's rate.
        phonemes: in seconds. track: the same as the voice tells them; None where it tells none.
    """

    pcm: Pcm
    rate: int
    heard: Pcm
    phonemes: tuple[TimedPhoneme, ...] = ()
    track: PhonemeTrack | None = None


class GivenTrack(PhonemeTrack):
    """Curves of any origin in the place of phonemes; after their end the mouth rests."""

    def __init__(self, given: Curves) -> None:
        super().__init__(FACE_SAMPLE_RATE)
        self._given = given

    def curves(self, first_frame: int, n_frames: int) -> Curves:
        missing = max(0, first_frame + n_frames - len(self._given))
        return np.pad(self._given, ((0, missing), (0, 0)))[first_frame : first_frame + n_frames]


class Studio:
    """Voices and the face of the starter profile behind a running Triton."""

    def __init__(self, parts: ModelManager, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._face: Face = parts.get_face()

    async def portrait(self, name: str) -> PortraitFeatures:
        """Encode a bundled portrait in the settings' size."""
        settings = self._parts.settings
        image = portrait_pixels(settings, name)
        crop = self._face.resolve_crop(CropOptions(settings.video_size))
        return await self._face.encode_portrait(image, crop)

    async def speak(self, text: str, name: str) -> Speech:
        """Speak a text with the voice of this name."""
        voice = self._parts.get_voice().choose(LANGUAGE, name)
        await self._parts.ensure(voice.models)
        bound = await voice.bind(SpeechOptions(LANGUAGE, name, 1.0, SEED if voice.family.seeded else None))
        track, pcm, phonemes = PhonemeTrack(voice.sample_rate), list[Pcm](), list[TimedPhoneme]()
        sentences = sentences_of(once(text), "", LANGUAGE, voice.family.reading)
        async with aclosing(bound.speak(sentences)) as chunks:
            async for chunk in chunks:
                track.add(chunk)
                pcm.append(chunk.pcm)
                phonemes += [
                    TimedPhoneme(each.label, chunk.start + each.start, chunk.start + each.end)
                    for each in chunk.speech.phonemes
                ]
        return _speech(np.concatenate(pcm), voice.sample_rate, tuple(phonemes), track)

    async def film(self, features: PortraitFeatures, speech: Speech) -> dict[str, Clip]:
        """Draw a clip by each of the speech's sources, and look at it."""
        resting = GivenTrack(np.zeros((0, len(CURVES)), np.float32))
        openings, widths = await self._seen(features, speech, resting)
        tracks: dict[str, PhonemeTrack | None] = {HEARD: None, RULE: GivenTrack(level_rule(speech.heard))}
        if speech.track is not None:
            tracks = {KNOWN: speech.track, **tracks}
        found = {}
        for source, track in tracks.items():
            gaps, across = await self._seen(features, speech, track)
            count = min(len(gaps), len(openings), len(speech.heard) // SAMPLES_PER_FRAME)
            found[source] = Clip(
                speech.phonemes,
                speech.heard[: count * SAMPLES_PER_FRAME],
                gaps[:count] - openings[:count],
                np.asarray(across[:count] / widths[:count] - 1, np.float64),
            )
        return found

    async def _seen(
        self, features: PortraitFeatures, speech: Speech, track: PhonemeTrack | None
    ) -> tuple[Numbers, Numbers]:
        """Draw and encode a clip, decode it and find the mouth in its frames."""
        path, animation = self._folder / "clip.mp4", AnimationOptions(SEED)
        compositor = self._face.compositor(features, animation)
        n_frames = -(-len(speech.heard) // SAMPLES_PER_FRAME)
        scene = Scene(self._face, features, compositor, animation, n_frames, track)
        sound = in_pieces(speech.pcm, speech.rate)
        await exhaust(render(scene, sound, speech.rate, Recording([Mp4FileSink(path)])))
        frames = driving_frames(path.read_bytes(), path.name, MAX_SECONDS)
        return await asyncio.to_thread(mouths, frames)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark(__doc__, add_arguments, measure, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentences", type=int, default=99, help="most of each voice")
    parser.add_argument("--portrait", default="ada", help="name of a bundled portrait")
    parser.add_argument(
        "--corpus", type=Path, help="folder with the natural voices of the mouth's evaluation"
    )
    parser.add_argument("--announcements", type=Path, help="folder with a person's announcements")
    parser.add_argument("--profile", default=None, help="of the settings; theirs without one")


def measure(options: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(_measured(options, Path(folder)))
    numbers = [name for name in LipScore.__dataclass_fields__ if name != "shut_by"]
    rows = [
        (voice, source, *(_shown(getattr(found, name)) for name in numbers))
        for voice, sources in result[0].items()
        for source, found in sources.items()
    ]
    tables = [
        table_of("Lips in the decoded frames", ["voice", "drawn by"], numbers, rows),
        table_of(
            "No speech: widest opening, as a share of what counts as closed",
            ["sound"],
            [HEARD, RULE],
            [(name, *(f"{value:.2f}" for value in found.values())) for name, found in result[1].items()],
        ),
    ]
    scores = {voice: {source: asdict(each) for source, each in by.items()} for voice, by in result[0].items()}
    return Report({"portrait": options.portrait, "lips": scores, "no_speech": result[1]}, tables)


async def _measured(
    options: argparse.Namespace, folder: Path
) -> tuple[dict[str, dict[str, LipScore]], dict[str, dict[str, float]]]:
    """Scores by voice and source, and what sounds without speech open."""
    parts = ModelManager(load_settings(options.profile))
    try:
        studio = Studio(parts, folder)
        features = await studio.portrait(options.portrait)
        scores, limit = {}, 1.0
        for voice, speeches in (await _speeches(studio, options)).items():
            films = []
            for speech in speeches:
                films.append(await studio.film(features, speech))
                sys.stderr.write(f"{voice}: {len(films)} of {len(speeches)} seen\n")
            clips = {source: [film[source] for film in films] for source in films[0]}
            limit = closed_limit(clips[HEARD])
            scores[voice] = {source: score(found) for source, found in clips.items()}
        quiet = {
            name: {
                source: _share(clip, limit) for source, clip in (await studio.film(features, sound)).items()
            }
            for name, sound in _steady_sounds().items()
        }
    finally:
        await parts.close()
    return scores, quiet


async def _speeches(studio: Studio, options: argparse.Namespace) -> dict[str, list[Speech]]:
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()[: options.sentences]
    texts = [" ".join(lines[start : start + TOGETHER]) for start in range(0, len(lines), TOGETHER)]
    found = {part: [await studio.speak(text, name) for text in texts] for part, name in STARTER.items()}
    for voice, utterances in _unheard(options).items():
        found[voice] = [
            _speech(each.pcm, FACE_SAMPLE_RATE, each.phonemes) for each in utterances[: options.sentences]
        ]
    return found


def _unheard(options: argparse.Namespace) -> dict[str, list[Utterance]]:
    """Speech that no training heard."""
    found = {} if options.corpus is None else evaluation_speech(options.corpus)
    if options.announcements is not None:
        found["announcements"] = announcements(options.announcements)
    return found


def _speech(
    pcm: Pcm, rate: int, phonemes: tuple[TimedPhoneme, ...] = (), track: PhonemeTrack | None = None
) -> Speech:
    resampler = Resampler(rate, FACE_SAMPLE_RATE)
    heard = np.concatenate([resampler.process(pcm), resampler.flush()])
    return Speech(pcm, rate, heard, phonemes, track)


def _steady_sounds() -> dict[str, Speech]:
    """Sounds in which a mouth stays shut."""
    times = np.arange(int(STEADY_SECONDS * FACE_SAMPLE_RATE)) / FACE_SAMPLE_RATE
    noise = np.random.default_rng(SEED).standard_normal(len(times))
    sounds = {
        "silence": np.zeros_like(times),
        "hum of 50 Hz": 0.2 * np.sin(2 * np.pi * 50 * times),
        "noise at -30 dB": NOISE_LEVEL * noise,
    }
    return {name: _speech(np.asarray(sound, np.float32), FACE_SAMPLE_RATE) for name, sound in sounds.items()}


def _share(clip: Clip, limit: float) -> float:
    return round(float(clip.openings.max() / limit), 3)


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
