"""XTTS voices on disk: the checkpoint's own and cloned ones, as safetensors.

A cloned voice is one file, ``<id>.safetensors``, whose header tells its name and what it was made of.
It belongs to the checkpoint that made it: another one hears other things in the same numbers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SPEAKER_WIDTH
from lumen.errors import InvalidInputException, ModelLoadException, NotFoundException
from lumen.families.description import DEFAULT_VOICE
from lumen.families.xtts.artifacts import SPEAKERS, dims_of, read_manifest
from lumen.lru_cache import LruCache
from orchestrator.request_context import utc_timestamp
from orchestrator.store.tensor_store import TensorStore, folded
from orchestrator.voices.voice import VoiceCard

LATENT: Final = "gpt_cond_latent"
EMBEDDING: Final = "speaker_embedding"

VERSION: Final = "1"
"""Folder of the model repository's `xtts` that holds its checkpoint's manifest and speakers."""

CACHED_VOICES: Final = 64
"""Voices whose numbers are kept in memory: 130 kB each."""


@dataclass(frozen=True)
class Latents:
    """Latents by which XTTS knows a voice.

    Attributes:
        gpt_cond_latent: float32 [32, width].
        speaker_embedding: float32 [512].
    """

    gpt_cond_latent: npt.NDArray[np.float32]
    speaker_embedding: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClonedVoice:
    """Origin of a cloned voice: its recordings and the parameters of the conditioning.

    Attributes:
        id: hash of the recordings' bytes and of ``parameters``.
        name: what people call it.
        seconds: of the recordings, all together.
        parameters: of the conditioning.
        warnings: what may spoil it, a sentence each.
        consent: statement that came with the recordings.
    """

    id: str
    name: str
    seconds: float
    parameters: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    consent: str | None = None


class VoiceLibrary:
    """The voices of one checkpoint; every call may read files, so async code calls it in a thread.

    Args:
        folder: of the cloned voices; made when the first one comes.
        checkpoint: folder with the checkpoint's manifest and speakers.
        max_voices: cloned ones at most.
        max_cached: voices that are kept in memory at most.
    """

    def __init__(
        self, folder: Path, checkpoint: Path, max_voices: int, max_cached: int = CACHED_VOICES
    ) -> None:
        self._store = TensorStore(folder, "voice", max_voices)
        self._checkpoint = checkpoint
        self._cache: LruCache[tuple[str, int], Latents] = LruCache(max_cached)

    def cards(self) -> list[VoiceCard]:
        """The checkpoint's voices by name, then the cloned ones by age.

        Raises:
            ModelLoadException: the checkpoint is not there.
        """
        builtin = [VoiceCard(name, name, "builtin") for name in self._speakers()]
        return [*builtin, *self._cloned()]

    def find(self, voice: str) -> VoiceCard:
        """The voice of this id or, in any case of letters, this name; ``default`` is the first one.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        wanted = folded(voice)
        if (made := self._of_id(wanted)) is not None:
            return made
        cards = self.cards()
        if wanted == DEFAULT_VOICE and cards:
            return cards[0]
        return self._store.pick(voice, cards)

    def load(self, card: VoiceCard) -> Latents:
        """The numbers of a voice.

        Raises:
            InvalidInputException: it was made with another checkpoint.
            NotFoundException: it was removed.
        """
        path = self._store.path(card.id) if card.kind == "custom" else self._checkpoint / SPEAKERS
        prefix = "" if card.kind == "custom" else f"{card.id}/"
        try:
            key = (f"{path}/{prefix}", path.stat().st_mtime_ns)
            latents = self._cache.get(key) or self._read(path, prefix, card)
        except (FileNotFoundError, SafetensorError) as error:
            raise NotFoundException(f"The voice {card.name!r} is not there any more.") from error
        self._cache.put(key, latents)
        return latents

    def cloned(self, voice: str) -> VoiceCard | None:
        """Find the cloned voice of this id where this checkpoint can use it."""
        card = self._of_id(voice)
        return card if card is not None and card.usable else None

    def check_name(self, name: str, voice: str) -> None:
        """Refuse a name for the cloned voice of this id, or one voice too many.

        Raises:
            InvalidInputException: another voice has the name.
            StorageException: there are as many as may be.
        """
        others = [card for card in self.cards() if card.id != voice]
        kept = sum(card.kind == "custom" for card in others)
        self._store.check(name, others, kept, reserved=(DEFAULT_VOICE,))

    def add(self, cloned: ClonedVoice, latents: Latents) -> VoiceCard:
        """Keep a voice under its id, whole or not at all; one of the same id is replaced.

        Raises:
            InvalidInputException: its name was given to another one meanwhile.
            StorageException: the disk is full, or there are as many voices as may be.
        """
        header = {
            "name": cloned.name,
            "created": utc_timestamp(),
            "seconds": f"{cloned.seconds:.3f}",
            "parameters": json.dumps(dict(cloned.parameters)),
            "source_sha256": self._source(),
            "warnings": json.dumps(cloned.warnings),
            "consent": cloned.consent or "",
        }
        tensors = {LATENT: latents.gpt_cond_latent, EMBEDDING: latents.speaker_embedding}
        with self._store.adding:
            self.check_name(cloned.name, cloned.id)
            self._store.write(cloned.id, tensors, header)
        return _card_of(cloned.id, header, self._source())

    def remove(self, voice: str) -> None:
        """Remove a cloned voice by its id.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: it is the checkpoint's.
        """
        if voice in self._speakers():
            raise InvalidInputException(f"The voice {voice!r} is the checkpoint's; it cannot be removed.")
        self._store.remove(voice)

    def _speakers(self) -> list[str]:
        """Names of the checkpoint's speakers, sorted."""
        path = self._checkpoint / SPEAKERS
        try:
            with safe_open(path, framework="np") as file:
                return sorted({key.rpartition("/")[0] for key in file.keys()})  # noqa: SIM118 - is no dict
        except (FileNotFoundError, SafetensorError) as error:
            raise ModelLoadException(f"{path} cannot be read ({error}); run `lumen export xtts`.") from error

    def _cloned(self) -> list[VoiceCard]:
        found = [self._card(voice, header) for voice, header in self._store.headers().items()]
        cards = [card for card in found if card is not None]
        return sorted(cards, key=lambda card: (card.created or "", card.id))

    def _of_id(self, voice: str) -> VoiceCard | None:
        header = self._store.header(voice)
        return None if header is None else self._card(voice, header)

    def _card(self, voice: str, header: Mapping[str, str]) -> VoiceCard | None:
        """Card of a cloned voice from its file's header; None when the header is damaged."""
        try:
            return _card_of(voice, header, self._source())
        except (KeyError, ValueError) as error:
            self._store.damaged(voice, error)
            return None

    def _read(self, path: Path, prefix: str, card: VoiceCard) -> Latents:
        with safe_open(path, framework="np") as file:
            found = (file.metadata() or {}).get("source_sha256")
            if card.kind == "custom" and found != self._source():
                raise InvalidInputException(
                    f"The voice {card.name!r} was made with another XTTS checkpoint ({str(found)[:12]}) than "
                    f"the one that is served ({self._source()[:12]}); post its recordings again."
                )
            latents = Latents(file.get_tensor(prefix + LATENT), file.get_tensor(prefix + EMBEDDING))
        self._check_shape(latents, card)
        return latents

    def _check_shape(self, latents: Latents, card: VoiceCard) -> None:
        width = dims_of(self._manifest()).width
        shapes = latents.gpt_cond_latent.shape, latents.speaker_embedding.shape
        expected = (XTTS_CONDITION_LATENTS, width), (XTTS_SPEAKER_WIDTH,)
        if shapes != expected:
            raise InvalidInputException(
                f"The voice {card.name!r} has the shapes {shapes}, the checkpoint that is served has "
                f"{expected}; post its recordings again."
            )

    def _source(self) -> str:
        """Names the checkpoint."""
        return str(self._manifest().get("source_sha256", ""))

    def _manifest(self) -> dict[str, Any]:
        return read_manifest(self._checkpoint)


def _card_of(voice: str, header: Mapping[str, str], source: str) -> VoiceCard:
    return VoiceCard(
        id=voice,
        name=header["name"],
        kind="custom",
        seconds=float(header["seconds"]),
        created=header["created"],
        usable=header["source_sha256"] == source,
        warnings=tuple(json.loads(header["warnings"])) if "warnings" in header else None,
        consent=header.get("consent") or None,
    )
