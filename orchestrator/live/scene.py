"""The portrait of a conversation: found by name, encoded once, ready for every answer."""

import asyncio
import hashlib
from collections.abc import Collection
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lumen.aio import once
from lumen.async_cache import AsyncCache
from lumen.contracts import FACE_FPS, MAX_SEED
from lumen.errors import LumenException
from lumen.families.description import NoOptions
from lumen.settings import Settings
from orchestrator.core.model_manager import ModelManager
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import Face, Pixels, PortraitFeatures
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.portraits import PortraitImage, Portraits
from orchestrator.live.client_events import ClientEventError
from orchestrator.pipeline.rendering import Scene

IDLE_VERSION: Final = "1"
"""Changed with the way idle clips are made, whose names it is part of."""

KEY_CHARACTERS: Final = 16
"""64 bits of a hash: only who owns the portraits, or the avatar, could seek two that are the same."""

IDLE_SEED: Final = 1
"""Seed of the motion at rest: everybody's idle clip of a portrait is the same file."""

CACHED_RESTS: Final = 32
"""Faces at rest that are kept: below 1 MB each."""


@dataclass(frozen=True)
class Character:
    """A portrait or an avatar that is chosen, not yet encoded.

    Attributes:
        name: as the client named it. size: side of its frames in pixels.
        key: hash of all that its idle clip depends on, behind an avatar's id.
        image: the portrait's. features: an avatar's.
    """

    name: str
    size: int
    key: str
    image: PortraitImage | None = None
    features: PortraitFeatures | None = None


class Characters:
    """Finds characters and prepares their scenes."""

    def __init__(self, settings: Settings, models: ModelManager, portraits: Portraits) -> None:
        self._settings = settings
        self._models = models
        self._portraits = portraits
        self._rests: AsyncCache[Pixels] = AsyncCache(CACHED_RESTS)

    async def find(self, name: str, side: int | None) -> Character:
        """Find a bundled portrait or an avatar.

        Args:
            side: of the frames that are wanted; the nearest size that the face makes is taken.

        Raises:
            ClientEventError: there is none of that name.
        """
        face = self._models.get_face()
        try:
            if name in await asyncio.to_thread(self._portraits.names):
                data = await asyncio.to_thread(self._portraits.read, name)
                size = _size(face, side or self._settings.video_size)
                key = _key(face, hashlib.sha256(data).hexdigest(), size)
                return Character(name, size, key, image=await self._portraits.bundled(name))
            card, features = await self._models.get_avatars().open(name)
            key = f"{card.id}-{_key(face, card.id, card.size)}"
            return Character(name, card.size, key, features=features)
        except LumenException as error:
            raise ClientEventError("invalid_character", error.message, "session.avatar.character") from error

    async def avatars(self) -> Collection[str]:
        """Ids of all avatars, whoever owns them.

        Raises:
            ServiceUnavailableException: their store is away.
        """
        return await self._models.get_avatars().ids()

    async def scene(self, character: Character, seed: int) -> Scene:
        """Make the scene of an answer; the portrait is encoded once.

        Raises:
            LumenException: the models are not there, or find no face in the portrait.
        """
        face, features = self._models.get_face(), character.features
        await self._models.ensure(face.models)
        if features is None:
            assert character.image is not None
            crop_options = CropOptions(character.size)
            features = await encode_face(face, self._models.face_triton, character.image, crop_options)
        animation = AnimationOptions(seed % (MAX_SEED + 1), _default_options(face))
        compositor = await asyncio.to_thread(face.compositor, features, animation)
        scene = Scene(face, features, compositor, animation)
        return replace(scene, rest=await self._rests.get(character.key, lambda: _rest(scene)))


async def _rest(scene: Scene) -> Pixels:
    """The face at rest: the first frame of its idle clip, uint8 [S, S, 3]."""
    resting = replace(scene, animation=replace(scene.animation, seed=IDLE_SEED))
    return (await silent_frames(resting, 1))[0]


async def silent_frames(scene: Scene, count: int) -> list[Pixels]:
    """Draw ``count`` frames in which nobody speaks, each uint8 [S, S, 3]."""
    silence = once(np.zeros(count * scene.face.sample_rate // FACE_FPS, np.float32))
    frames: list[Pixels] = []
    drawn = scene.face.animate(scene.features, silence, scene.animation, count)
    async with aclosing(drawn) as batches:
        async for batch in batches:
            frames.extend(batch.pixels)
    return frames


def _default_options(face: Face) -> object:
    options = face.family.options
    return NoOptions() if options is NoOptions else options()


def _size(face: Face, side: int) -> int:
    """The least size that is enough, or the greatest that there is."""
    return min((size for size in face.sizes if size >= side), default=max(face.sizes))


def _key(face: Face, source: str, size: int) -> str:
    text = " ".join([IDLE_VERSION, face.name, face.source, source, str(size)])
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]
