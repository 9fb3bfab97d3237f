"""XTTS voices as safetensors: the checkpoint's own, and cloned ones on a disk or in a bucket.

A cloned voice is one file, ``<id>.safetensors``, whose header tells its name and what it was made of.
It belongs to the checkpoint that made it: another one hears other things in the same numbers.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SPEAKER_WIDTH
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.description import DEFAULT_VOICE
from lumen.families.xtts.artifacts import SPEAKERS, dims_of, read_manifest
from lumen.lru_cache import LruCache
from orchestrator.request_context import utc_timestamp
from orchestrator.store.file_store import FileStore
from orchestrator.store.tensor_store import Stored, TensorStore, folded
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
    """The voices of one checkpoint.

    What looks for cloned voices raises ServiceUnavailableException where their store is away; the
    checkpoint's are found without it.

    Args:
        files: where the cloned voices lie.
        checkpoint: folder with the checkpoint's manifest and speakers.
        max_voices: cloned ones at most for each key, and for everyone.
        max_cached: voices that are kept in memory at most.
    """

    def __init__(
        self, files: FileStore, checkpoint: Path, max_voices: int, max_cached: int = CACHED_VOICES
    ) -> None:
        self._store = TensorStore(files, "voice", max_voices)
        self._checkpoint = checkpoint
        self._cache: LruCache[tuple[str, str], Latents] = LruCache(max_cached)

    async def cards(self) -> list[VoiceCard]:
        """The checkpoint's voices by name, then the cloned ones by age.

        Raises:
            ModelLoadException: the checkpoint is not there.
        """
        builtin = await asyncio.to_thread(self._builtin)
        return [*builtin, *(card for card, _ in await self._cloned())]

    async def find(self, voice: str) -> VoiceCard:
        """The voice of this id or, in any case of letters, this name; ``default`` is the first one.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        return (await self._find(voice))[0]

    async def open(self, voice: str) -> tuple[VoiceCard, Latents]:
        """Find a voice, as `find` does, and read its numbers.

        Raises:
            InvalidInputException: it was made with another checkpoint.
            NotFoundException: there is none.
        """
        card, stored = await self._find(voice)
        await asyncio.to_thread(self._check_usable, card, stored)
        key = await self._version(card, stored)
        if (latents := self._cache.get(key)) is None:
            latents = await self._read(card, stored)
            await asyncio.to_thread(self._check_shape, latents, card)
            self._cache.put(key, latents)
        return card, latents

    async def cloned(self, voice: str) -> VoiceCard | None:
        """Find the cloned voice of this id where this checkpoint can use it."""
        card = await self._card(await self._store.find(voice))
        return card if card is not None and card.usable else None

    async def check_name(self, name: str, voice: str) -> None:
        """Refuse a name for the cloned voice of this id, or one voice too many.

        Raises:
            InvalidInputException: another voice has the name.
            StorageException: the key has as many as may be.
        """
        self._store.check(name, await self.cards(), voice, reserved=(DEFAULT_VOICE,))

    async def add(self, cloned: ClonedVoice, latents: Latents) -> tuple[VoiceCard, bool]:
        """Keep a voice under its id, whole or not at all, and tell whether it is a new one.

        One of the same id of another checkpoint is replaced; one of this one was made by another process
        meanwhile, and stays.

        Raises:
            InvalidInputException: its name was given to another one meanwhile.
            StorageException: the disk is full, or the key has as many voices as may be.
        """
        source = await asyncio.to_thread(self._source)
        header = {
            "name": cloned.name,
            "created": utc_timestamp(),
            "seconds": f"{cloned.seconds:.3f}",
            "parameters": json.dumps(dict(cloned.parameters)),
            "source_sha256": source,
            "warnings": json.dumps(cloned.warnings),
            "consent": cloned.consent or "",
        }
        tensors = {LATENT: latents.gpt_cond_latent, EMBEDDING: latents.speaker_embedding}
        async with self._store.adding():
            if (known := await self.cloned(cloned.id)) is not None:
                return known, False
            await self.check_name(cloned.name, cloned.id)
            return _card_of(await self._store.write(cloned.id, tensors, header), source), True

    async def remove(self, voice: str) -> None:
        """Remove a cloned voice by its id.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: it is the checkpoint's.
        """
        if voice in await asyncio.to_thread(self._speakers):
            raise InvalidInputException(f"The voice {voice!r} is the checkpoint's; it cannot be removed.")
        await self._store.remove(voice)

    def _speakers(self) -> list[str]:
        """Names of the checkpoint's speakers, sorted."""
        path = self._checkpoint / SPEAKERS
        try:
            with safe_open(path, framework="np") as file:
                return sorted({key.rpartition("/")[0] for key in file.keys()})  # noqa: SIM118 - is no dict
        except (FileNotFoundError, SafetensorError) as error:
            raise ModelLoadException(f"{path} cannot be read ({error}); run `lumen export xtts`.") from error

    def _builtin(self) -> list[VoiceCard]:
        return [VoiceCard(name, name, "builtin") for name in self._speakers()]

    async def _cloned(self) -> list[tuple[VoiceCard, Stored]]:
        """The cloned voices with their files, by age."""
        return await asyncio.to_thread(self._cards_of, await self._store.all())

    async def _find(self, voice: str) -> tuple[VoiceCard, Stored | None]:
        """A voice, and the file of a cloned one."""
        stored = await self._store.find(folded(voice))
        if (made := await self._card(stored)) is not None:
            return made, stored
        wanted, builtin = folded(voice), await asyncio.to_thread(self._builtin)
        first = builtin[:1] if wanted == DEFAULT_VOICE else [c for c in builtin if folded(c.name) == wanted]
        if first:
            return first[0], None
        files = {card.id: (card, stored) for card, stored in await self._cloned()}
        cloned = [card for card, _ in files.values()]
        if wanted == DEFAULT_VOICE and cloned:
            return files[cloned[0].id]
        return files[self._store.pick(voice, [*builtin, *cloned]).id]

    async def _card(self, stored: Stored | None) -> VoiceCard | None:
        """Card of a cloned voice; None where there is none, or its head is damaged."""
        cards = [] if stored is None else await asyncio.to_thread(self._cards_of, [stored])
        return cards[0][0] if cards else None

    def _cards_of(self, files: Iterable[Stored]) -> list[tuple[VoiceCard, Stored]]:
        """Cards of cloned voices whose files' heads are whole, with these, by age; reads the manifest."""
        source, found = self._source(), []
        for stored in files:
            try:
                found.append((_card_of(stored, source), stored))
            except (KeyError, ValueError) as error:
                self._store.damaged(stored, error)
        return sorted(found, key=lambda each: (each[0].created or "", each[0].id))

    async def _version(self, card: VoiceCard, stored: Stored | None) -> tuple[str, str]:
        """Key of a voice's numbers in memory: its file, or the checkpoint's, and their version now."""
        if stored is not None:
            return stored.file, stored.version
        changed = (await asyncio.to_thread((self._checkpoint / SPEAKERS).stat)).st_mtime_ns
        return f"{SPEAKERS}/{card.id}", str(changed)

    def _check_usable(self, card: VoiceCard, stored: Stored | None) -> None:
        if stored is not None and not card.usable:
            found = stored.header["source_sha256"]
            raise InvalidInputException(
                f"The voice {card.name!r} was made with another XTTS checkpoint ({found[:12]}) than "
                f"the one that is served ({self._source()[:12]}); post its recordings again."
            )

    async def _read(self, card: VoiceCard, stored: Stored | None) -> Latents:
        if stored is None:
            return await asyncio.to_thread(self._read_builtin, card)
        tensors = await self._store.tensors(stored)
        return Latents(tensors[LATENT], tensors[EMBEDDING])

    def _read_builtin(self, card: VoiceCard) -> Latents:
        with safe_open(self._checkpoint / SPEAKERS, framework="np") as file:
            return Latents(file.get_tensor(f"{card.id}/{LATENT}"), file.get_tensor(f"{card.id}/{EMBEDDING}"))

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


def _card_of(stored: Stored, source: str) -> VoiceCard:
    header = stored.header
    return VoiceCard(
        id=stored.id,
        name=header["name"],
        kind="custom",
        seconds=float(header["seconds"]),
        created=header["created"],
        usable=header["source_sha256"] == source,
        owner=stored.owner,
        warnings=tuple(json.loads(header["warnings"])) if "warnings" in header else None,
        consent=header.get("consent") or None,
    )
