"""Description of a part: all that launcher, API and command line know of a voice, a face or a listener.

Each family has one in ``family.py`` under the name ``FAMILY``; `lumen.registry` lists the families. A model's
``model.py`` imports the options from there, so nothing heavy is imported.

Standard tensors, which a family served by the generic classes of the orchestrator takes and gives:

voice     those of `lumen.utterance.Sentence`, ``language``, ``voice`` string [1], ``speed`` float32 [1],
          ``seed`` int64 [1] where it is seeded, its options; answers ``pcm`` float32 [n], mono, in -1..1
portrait  ``image`` uint8 [H, W, 3] RGB, ``size`` int32 [1], ``preprocess`` string [1] where that is an
          option; answers ``crop`` uint8 [size, size, 3] and what else the face's model takes of a portrait
face      the portrait model's answers, ``pcm`` float32 [n] at ``sample_rate``, ``pcm_start`` and
          ``first_frame`` int64 [1], ``n_frames`` int32 [1], ``seed`` int64 [1], its options; answers
          ``frames`` uint8 [b, size, size, 3] in order; refuses ``n_frames`` 0 at once
listener  ``pcm`` float32 [n] at ``LISTENER_SAMPLE_RATE``, ``language`` string [1]; answers ``text``
          string [1]
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

from lumen.contracts import FACE_SAMPLE_RATE, FRAME_SIZES
from lumen.text.spoken import PLAIN, Reading

SPEEDS: Final = (0.5, 2.0)
"""Least and greatest rate of speech; 1 is normal."""

PREPROCESS: Final = "preprocess"
"""Option of a face that its portrait model takes too: the part of the picture that is animated."""

DEFAULT_VOICE: Final = "default"
"""Name under which every voice part has a voice."""


@dataclass(frozen=True)
class NoOptions:
    """Options of a part that has none."""


@dataclass(frozen=True)
class Family:
    """A part of the chain.

    Attributes:
        name: as the settings and responses have it.
        models: Triton models it always needs, in the order to load them; the last one is asked.
        optional_models: names of what needs further models, with those: options, or ``clone``.
        options: frozen dataclass of its options, see `lumen.options`.
        seeded: whether a seed changes what it makes.
        checkpoint: Triton model whose folder has the manifest of the checkpoint; None without a checkpoint.
    """

    kind: ClassVar[str]

    name: str
    models: tuple[str, ...]
    optional_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    options: type = field(default=NoOptions, kw_only=True)
    seeded: bool = field(default=False, kw_only=True)
    checkpoint: str | None = field(default=None, kw_only=True)

    @property
    def model(self) -> str:
        """The Triton model that is asked."""
        return self.models[-1]


@dataclass(frozen=True)
class VoiceFamily(Family):
    """A part that speaks.

    Attributes:
        sample_rate: samples per second of its speech.
        languages: codes that are listed, with the languages' English names.
        other_languages: codes without a region that its model takes besides.
        voices: names of its fixed voices; empty where the checkpoint has them.
        clones: whether it makes voices of recordings.
        reading: signs and characters that it reads by itself.
    """

    kind: ClassVar[str] = "voice"

    sample_rate: int
    languages: Mapping[str, str]
    other_languages: frozenset[str] = frozenset()
    voices: tuple[str, ...] = (DEFAULT_VOICE,)
    clones: bool = False
    reading: Reading = PLAIN


@dataclass(frozen=True)
class FaceFamily(Family):
    """A part that animates.

    Attributes:
        portrait_model: Triton model that is asked once per portrait.
        context_frames: frames of speech before a frame that it depends on.
        lookahead_frames: frames of speech after a frame that it depends on.
        sample_rate: samples per second of the speech that it hears.
        takes_mouth: whether its model takes ``mouth``, float32 [n_frames, 6], curves of `lumen.visemes`.
        features_version: of the portrait model's answers; those of another version are of no use.
        sizes: sides of its square frames in pixels; a checkpoint's manifest may have fewer.
    """

    kind: ClassVar[str] = "face"

    portrait_model: str
    context_frames: int
    lookahead_frames: int
    sample_rate: int = FACE_SAMPLE_RATE
    sizes: tuple[int, ...] = FRAME_SIZES
    takes_mouth: bool = False
    features_version: int = 1
    seeded: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class ListenerFamily(Family):
    """A part that hears: all tell when somebody speaks, most recognise what is said.

    Attributes:
        packages: Python packages that its models need, and that may be missing.
        setup: command that installs them.
        languages: codes of those that it recognises, with the languages' English names; none where it only
            tells when somebody speaks.
        files: of its own model's folder that are not in the checkout. fetch: command that fetches them.
    """

    kind: ClassVar[str] = "listener"

    packages: tuple[str, ...]
    setup: str = "scripts/setup --listen"
    languages: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    fetch: str = ""

    def missing(self) -> tuple[str, ...]:
        """List those of its packages that are not installed here."""
        return tuple(package for package in self.packages if find_spec(package) is None)

    def unfetched(self, model_repository: Path) -> tuple[str, ...]:
        """List those of its files that are not there."""
        folder = model_repository / self.model / "1"
        return tuple(file for file in self.files if not (folder / file).is_file())
