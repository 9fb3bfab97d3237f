"""Avatars on a disk or in a bucket, which several APIs use at once."""

import asyncio
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lumen.errors import InvalidInputException, NotFoundException, StorageException
from lumen.families.sadtalker.crop import Box
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.avatars import AvatarCard, Avatars, Origin
from orchestrator.faces.face import PortraitFeatures
from orchestrator.faces.portraits import PortraitImage
from orchestrator.media.decode_image import decode_image
from tests.support.file_stores import Replica
from tests.support.keys import TestKey

ADA, ALAN = (TestKey(f"{number:010x}", "") for number in (1, 2))
CROP = CropOptions(256, "full")


class Decoder:
    """Decodes in this process; all portraits are upright."""

    async def decode(self, data: bytes) -> PortraitImage:
        return PortraitImage(decode_image(data, 10_000), data, self, upright=True)  # type: ignore[arg-type]


class Face:
    """Keeps of a portrait its mean, once all who wait have come.

    Args:
        together: portraits that are encoded at the same moment.
    """

    name, source = "mean", "a" * 64

    def __init__(self, together: int = 1) -> None:
        self._barrier = asyncio.Barrier(together)

    def resolve_crop(self, crop_options: CropOptions) -> CropOptions:
        return crop_options

    async def encode_portrait(self, image: Any, crop_options: CropOptions) -> PortraitFeatures:
        await self._barrier.wait()
        mean = image.mean((0, 1)).astype(np.float32)
        face = Box(1, 2, 3, 4)
        return PortraitFeatures(crop_options, {"mean": mean}, face, face, 0.5, ("blurred",), image)


def avatars_of(replica: Replica, face: Face, limit: int = 3) -> Avatars:
    return Avatars(face, None, replica(), limit, Decoder())  # type: ignore[arg-type]


def picture(grey: int) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (32, 24), (grey,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


async def make(avatars: Avatars, grey: int, name: str | None = None) -> tuple[AvatarCard, bool]:
    return await avatars.make(picture(grey), CROP, name, Origin(consent="it is me"))


async def test_made_at_one_and_used_at_the_other(replica: Replica) -> None:
    """All of an avatar is at every API at once, and gone from all at once."""
    here, there = (avatars_of(replica, Face()) for _ in range(2))
    made, new = await make(here, 80, "Grace")
    assert new
    for name in (made.id, "GRACE"):
        card, features = await there.open(name)
        assert card == made
        assert (card.consent, card.warnings, card.face) == ("it is me", ["blurred"], [1, 2, 3, 4])
        assert (features.crop_options, features.box, features.confidence) == (CROP, Box(1, 2, 3, 4), 0.5)
        assert {key: value.tolist() for key, value in features.tensors.items()} == {"mean": [80.0] * 3}
        assert features.picture is not None
        assert features.picture.shape == (24, 32, 3)
    with Image.open(BytesIO(await there.picture("grace"))) as thumbnail:
        assert thumbnail.format == "JPEG"
    await there.delete(made.id)
    for avatars in (here, there):
        assert await avatars.cards() == []
        with pytest.raises(NotFoundException):
            await avatars.open(made.id)


async def test_the_same_picture_at_two_apis(replica: Replica) -> None:
    """Both make it at the same moment: one keeps it, and both answer with what is kept."""
    face = Face(together=2)
    made = await asyncio.gather(*(make(avatars_of(replica, face), 80, name) for name in ("Grace", "Hopper")))
    assert sorted(new for _, new in made) == [False, True]
    assert made[0][0].id == made[1][0].id
    kept = next(card for card, new in made if new)
    assert await avatars_of(replica, face).cards() == [kept]


async def test_a_name_is_given_once(replica: Replica) -> None:
    """Two APIs give a name to two pictures at the same moment: one is refused, and nothing is left of it."""
    face = Face(together=2)
    made = await asyncio.gather(
        *(make(avatars_of(replica, face), grey, "Twin") for grey in (80, 90)), return_exceptions=True
    )
    (refused,) = (each for each in made if isinstance(each, BaseException))
    assert isinstance(refused, InvalidInputException)
    assert len(await avatars_of(replica, face).cards()) == 1


async def test_each_key_has_its_own_number(replica: Replica) -> None:
    """A key that makes three at once where two may be gets two, and takes nothing from another key."""
    face = Face(together=3)
    with ADA.asking():
        made = await asyncio.gather(
            *(make(avatars_of(replica, face, 2), grey) for grey in (70, 80, 90)), return_exceptions=True
        )
        (refused,) = (each for each in made if isinstance(each, BaseException))
        assert isinstance(refused, StorageException)
        with pytest.raises(StorageException, match="You have 2 avatars"):
            await make(avatars_of(replica, Face(), 2), 99)
    with ALAN.asking():
        own, new = await make(avatars_of(replica, Face(), 2), 70)
        assert (new, own.owner) == (True, ALAN.id)
        assert await avatars_of(replica, Face()).cards() == [own]
    assert (await make(avatars_of(replica, Face(), 2), 70))[1]


async def test_a_picture_that_comes_again_under_another_name(replica: Replica) -> None:
    """The avatar keeps its name, and the answer says so; without a new name there is nothing to say."""
    avatars = avatars_of(replica, Face())
    await make(avatars, 80, "Grace")
    for name in (None, "grace"):
        assert (await make(avatars, 80, name))[0].warnings == ["blurred"]
    again, new = await make(avatars, 80, "Hopper")
    assert (new, again.name, again.warnings[0]) == (False, "Grace", "blurred")
    assert again.warnings[1] == "this picture is the avatar 'Grace' already; it is not called 'Hopper'"
    assert (await avatars.find("Grace")).warnings == ["blurred"]
