"""Avatars: portraits with all that a face made of them, kept on a disk or in a bucket.

An avatar belongs to the face and to the checkpoint that made it. Its picture is kept only where frames are
put back into it.
"""

import asyncio
import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from PIL import Image

from lumen.errors import InvalidInputException, NotFoundException
from lumen.families.sadtalker.crop import Box
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.portraits import ImageDecoder
from orchestrator.request_context import EVERYONE, utc_timestamp
from orchestrator.store.file_store import FileStore
from orchestrator.store.tensor_store import ID, Stored, Tensors, TensorStore, owned
from orchestrator.triton.client import TritonClient

FORMAT: Final = "2"
"""Version of the files; those of another one are listed as not usable. 2 named SadTalker's tensor
``coefficients``, which was ``row`` in files without a version."""

PICTURE: Final = "picture.png"
"""Name among the arrays: uint8 [n], the bytes of a PNG."""


THUMBNAIL: Final = "thumbnail.jpg"
"""Likewise, the bytes of a small JPEG."""

THUMBNAIL_SIDE: Final = 256
"""Pixels of its longer side at most."""

THUMBNAIL_QUALITY: Final = 85


@dataclass(frozen=True)
class AvatarCard:
    """Description of an avatar; boxes are left, top, right, bottom in the picture.

    Attributes:
        part: the face that it was made for.
        bundled: name of the bundled portrait that it was made of; None for an uploaded one.
        consent: statement that came with its picture.
        usable: False when another face, checkpoint or format of files made it than those that are served.
        owner: id of the key that it belongs to; "" where it is everyone's.
    """

    id: str
    name: str
    created: str
    part: str
    size: int
    preprocess: str | None
    face: list[int] | None
    confidence: float | None
    warnings: list[str]
    usable: bool
    owner: str = EVERYONE
    bundled: str | None = None
    consent: str | None = None


@dataclass(frozen=True)
class Origin:
    """Origin of an avatar's picture: the bundled portrait of this name, or an upload, with its consent."""

    bundled: str | None = None
    consent: str | None = None


UNKNOWN_ORIGIN: Final = Origin()


class Avatars:
    """Makes, keeps and finds avatars of one face.

    All methods raise ServiceUnavailableException where the store is away.

    Args:
        files: where they lie.
        limit: so many at most for each key, and for everyone.
        decoder: of pictures.
    """

    def __init__(
        self, face: Face, triton: TritonClient, files: FileStore, limit: int, decoder: ImageDecoder
    ) -> None:
        self._face = face
        self._triton = triton
        self._store = TensorStore(files, "avatar", limit)
        self._decoder = decoder
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def cards(self) -> list[AvatarCard]:
        """All, by age."""
        return [card for card, _ in await self._all()]

    async def ids(self) -> Collection[str]:
        """Ids of all, whoever owns them."""
        return await self._store.ids()

    async def find(self, avatar: str) -> AvatarCard:
        """The avatar of this id or, in any case of letters, this name.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        return (await self._find(avatar))[0]

    async def open(self, avatar: str) -> tuple[AvatarCard, PortraitFeatures]:
        """Find an avatar, as `find` does, and read its features as the face made them.

        Raises:
            InvalidInputException: it was made with another face or checkpoint, or by another version.
            NotFoundException: there is none.
        """
        card, stored = await self._find(avatar)
        if not card.usable:
            raise InvalidInputException(
                f"The avatar {card.name!r} was made with another checkpoint, face ({card.part}) or version "
                f"than is served ({self._face.name}); post its portrait again."
            )
        tensors = await self._store.tensors(stored)
        return card, await asyncio.to_thread(_features, card, stored.header, tensors)

    async def picture(self, avatar: str) -> bytes:
        """A small picture of an avatar, found as `find` does: JPEG.

        Raises:
            NotFoundException: there is none.
        """
        card, stored = await self._find(avatar)
        picture = await self._store.data(stored, THUMBNAIL)
        if picture is None:
            raise NotFoundException(
                f"The avatar {card.name!r} was made without a picture; post its portrait again."
            )
        return picture

    async def make(
        self, picture: bytes, crop_options: CropOptions, name: str | None, origin: Origin = UNKNOWN_ORIGIN
    ) -> tuple[AvatarCard, bool]:
        """The avatar of a picture file, and whether it is a new one: the same picture makes it once.

        Raises:
            InvalidInputException: the picture or its face cannot be used, or the name is taken.
            StorageException: the key has as many as may be, or the disk is full.
        """
        crop_options = self._face.resolve_crop(crop_options)
        key = await asyncio.to_thread(fingerprint, picture, crop_options, self._face)
        # Requests with the same picture wait for the first of them; nobody else does.
        async with self._making.setdefault(key, asyncio.Lock()):
            if (known := await self._known(key)) is not None:
                return _again(known, name), False
            name = name or f"avatar-{key[:8]}"
            await self._check_name(name, key)
            image = await self._decoder.decode(picture)
            features = await encode_face(self._face, self._triton, image, crop_options)
            thumbnail = await asyncio.to_thread(_thumbnail, image.picture.pixels)
            return await self._add(key, name, features, origin, thumbnail)

    async def delete(self, avatar: str) -> None:
        """Remove an avatar by its id; clips that are being made of it are made to the end.

        Raises:
            NotFoundException: there is none.
        """
        await self._store.remove(avatar)

    async def _all(self) -> list[tuple[AvatarCard, Stored]]:
        """All with their files, by age."""
        return await asyncio.to_thread(self._cards_of, await self._store.all())

    def _cards_of(self, files: Iterable[Stored]) -> list[tuple[AvatarCard, Stored]]:
        found = [(card, stored) for stored in files if (card := self._card(stored))]
        return sorted(found, key=lambda each: (each[0].created, each[0].id))

    async def _find(self, avatar: str) -> tuple[AvatarCard, Stored]:
        stored = await self._store.find(avatar.strip().lower())
        card = None if stored is None else self._card(stored)
        if stored is not None and card is not None:
            return card, stored
        files = {card.id: (card, stored) for card, stored in await self._all()}
        return files[self._store.pick(avatar, (card for card, _ in files.values())).id]

    async def _known(self, key: str) -> AvatarCard | None:
        """The avatar of this id; None where there is none."""
        stored = await self._store.find(key)
        return None if stored is None else self._card(stored)

    async def _check_name(self, name: str, key: str) -> None:
        if ID.fullmatch(name.strip().lower()):
            raise InvalidInputException(f"name: {name!r} looks like an id; choose another one.")
        self._store.check(name, await self.cards(), key)

    async def _add(
        self, key: str, name: str, features: PortraitFeatures, origin: Origin, thumbnail: bytes
    ) -> tuple[AvatarCard, bool]:
        """Keep an avatar, and tell whether it is a new one: another process may have made it meanwhile."""
        header = {
            "format": FORMAT,
            "name": name,
            "created": utc_timestamp(),
            "part": self._face.name,
            "source_sha256": self._face.source,
            "size": str(features.crop_options.size),
            "preprocess": features.crop_options.preprocess or "",
            "box": json.dumps(_sides(features.box)),
            "face": json.dumps(_sides(features.face)),
            "confidence": json.dumps(features.confidence),
            "warnings": json.dumps(features.warnings),
            "bundled": origin.bundled or "",
            "consent": origin.consent or "",
        }
        tensors = await asyncio.to_thread(_tensors, features, thumbnail)
        async with self._store.adding():
            if (known := await self._known(key)) is not None:
                return _again(known, name), False
            await self._check_name(name, key)
            return self._read(await self._store.write(key, tensors, header)), True

    def _card(self, stored: Stored) -> AvatarCard | None:
        """Card of an avatar from its file's head; None when that is damaged."""
        try:
            return self._read(stored)
        except (KeyError, ValueError) as error:
            self._store.damaged(stored, error)
            return None

    def _read(self, stored: Stored) -> AvatarCard:
        ours, header = (FORMAT, self._face.name, self._face.source), stored.header
        return AvatarCard(
            id=stored.id,
            name=header["name"],
            created=header["created"],
            part=header["part"],
            size=int(header["size"]),
            preprocess=header["preprocess"] or None,
            face=json.loads(header["face"]),
            confidence=json.loads(header["confidence"]),
            warnings=json.loads(header["warnings"]),
            bundled=header.get("bundled") or None,
            consent=header.get("consent") or None,
            usable=(header.get("format"), header["part"], header["source_sha256"]) == ours,
            owner=stored.owner,
        )


def _again(card: AvatarCard, name: str | None) -> AvatarCard:
    """Warn who posts the picture of an avatar once more that it keeps its name."""
    if name is None or name.strip().lower() == card.name.lower():
        return card
    warning = f"this picture is the avatar {card.name!r} already; it is not called {name!r}"
    return replace(card, warnings=[*card.warnings, warning])


def fingerprint(picture: bytes, crop_options: CropOptions, face: Face) -> str:
    """The id of the avatar that ``face`` makes of a picture file for the key of the request."""
    digest = hashlib.sha256(
        json.dumps([FORMAT, face.name, face.source, crop_options.size, crop_options.preprocess]).encode()
    )
    digest.update(hashlib.sha256(picture).digest())
    return owned(digest)


def _features(card: AvatarCard, header: Mapping[str, str], tensors: Tensors) -> PortraitFeatures:
    """Read a portrait's features from the tensors of an avatar's file."""
    own = {name: tensor for name, tensor in tensors.items() if name not in (PICTURE, THUMBNAIL)}
    png = tensors.get(PICTURE)
    return PortraitFeatures(
        CropOptions(card.size, card.preprocess),
        own,
        _box(json.loads(header["box"])),
        _box(card.face),
        card.confidence,
        tuple(card.warnings),
        None if png is None else _pixels(png.tobytes()),
    )


def _tensors(features: PortraitFeatures, thumbnail: bytes) -> Tensors:
    """Tensors of the file of a portrait."""
    tensors = {name: np.ascontiguousarray(array) for name, array in features.tensors.items()}
    if features.picture is not None:
        tensors[PICTURE] = _png(features.picture)
    return {**tensors, THUMBNAIL: np.frombuffer(thumbnail, np.uint8)}


def _pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """uint8 [H, W, 3] of a PNG that `_png` wrote."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return np.array(image.convert("RGB"), np.uint8)


def _png(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def _thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    picture, buffer = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    picture.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def _sides(box: Box | None) -> list[int] | None:
    return None if box is None else [box.left, box.top, box.right, box.bottom]


def _box(sides: list[int] | None) -> Box | None:
    return None if sides is None else Box(*sides)
