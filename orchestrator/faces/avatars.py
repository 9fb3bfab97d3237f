"""Avatars: portraits with all that a face made of them, kept on disk.

An avatar belongs to the face and to the checkpoint that made it. Its picture is kept only where frames are
put back into it.
"""

import asyncio
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError, safe_open

from lumen.errors import InvalidInputException, NotFoundException
from lumen.families.sadtalker.crop import Box
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import Face, PortraitFeatures
from orchestrator.faces.face_search import encode_face
from orchestrator.faces.portraits import ImageDecoder
from orchestrator.request_context import utc_timestamp
from orchestrator.store.tensor_store import ID, ID_CHARACTERS, TensorStore
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

    Args:
        folder: made when the first one comes.
        limit: so many at most.
        decoder: of pictures.
    """

    def __init__(
        self, face: Face, triton: TritonClient, folder: Path, limit: int, decoder: ImageDecoder
    ) -> None:
        self._face = face
        self._triton = triton
        self._store = TensorStore(folder, "avatar", limit)
        self._decoder = decoder
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def cards(self) -> list[AvatarCard]:
        """All, by age; reads files."""
        found = [self._card(key, header) for key, header in self._store.headers().items()]
        cards = [card for card in found if card is not None]
        return sorted(cards, key=lambda card: (card.created, card.id))

    def find(self, avatar: str) -> AvatarCard:
        """The avatar of this id or, in any case of letters, this name; reads files.

        Raises:
            NotFoundException: there is none.
            InvalidInputException: several have this name.
        """
        header = self._store.header(avatar.strip().lower())
        card = None if header is None else self._card(avatar.strip().lower(), header)
        return card or self._store.pick(avatar, self.cards())

    def load(self, card: AvatarCard) -> PortraitFeatures:
        """Read an avatar's features, as the face made them, from its file.

        Raises:
            InvalidInputException: it was made with another face or checkpoint, or by another version.
            NotFoundException: it was removed.
        """
        if not card.usable:
            raise InvalidInputException(
                f"The avatar {card.name!r} was made with another checkpoint, face ({card.part}) or version "
                f"than is served ({self._face.name}); post its portrait again."
            )
        try:
            with safe_open(self._store.path(card.id), framework="np") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - is no dict
        except (FileNotFoundError, SafetensorError) as error:
            raise NotFoundException(f"The avatar {card.name!r} is not there any more.") from error
        png = tensors.pop(PICTURE, None)
        tensors.pop(THUMBNAIL, None)
        return PortraitFeatures(
            CropOptions(card.size, card.preprocess),
            tensors,
            _box(json.loads(header["box"])),
            _box(card.face),
            card.confidence,
            tuple(card.warnings),
            None if png is None else _pixels(png.tobytes()),
        )

    async def make(
        self, picture: bytes, crop_options: CropOptions, name: str | None, origin: Origin = UNKNOWN_ORIGIN
    ) -> tuple[AvatarCard, bool]:
        """The avatar of a picture file, and whether it is a new one: the same picture makes it once.

        Raises:
            InvalidInputException: the picture or its face cannot be used, or the name is taken.
            StorageException: there are as many as may be, or the disk is full.
        """
        crop_options = self._face.resolve_crop(crop_options)
        key = fingerprint(picture, crop_options, self._face)
        # Requests with the same picture wait for the first of them; nobody else does.
        async with self._making.setdefault(key, asyncio.Lock()):
            header = await asyncio.to_thread(self._store.header, key)
            known = None if header is None else self._card(key, header)
            if known is not None:
                return known, False
            name = name or f"avatar-{key[:8]}"
            await asyncio.to_thread(self._check_name, name, key)
            image = await self._decoder.decode(picture)
            features = await encode_face(self._face, self._triton, image, crop_options)
            thumbnail = await asyncio.to_thread(_thumbnail, image.picture.pixels)
            return await asyncio.to_thread(self._add, key, name, features, origin, thumbnail), True

    def delete(self, avatar: str) -> None:
        """Remove an avatar by its id; clips that are being made of it are made to the end.

        Raises:
            NotFoundException: there is none.
        """
        self._store.remove(avatar)

    def _check_name(self, name: str, key: str) -> None:
        others = [card for card in self.cards() if card.id != key]
        if ID.fullmatch(name.strip().lower()):
            raise InvalidInputException(f"name: {name!r} looks like an id; choose another one.")
        self._store.check(name, others, len(others))

    def picture(self, card: AvatarCard) -> bytes | None:
        """A small picture of an avatar, JPEG; None where it was made without one; reads its file."""
        try:
            with safe_open(self._store.path(card.id), framework="np") as file:
                kept = THUMBNAIL in file.keys()  # noqa: SIM118 - is no dict
                return file.get_tensor(THUMBNAIL).tobytes() if kept else None
        except (FileNotFoundError, SafetensorError):
            return None

    def _add(
        self, key: str, name: str, features: PortraitFeatures, origin: Origin, thumbnail: bytes
    ) -> AvatarCard:
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
        tensors = {name: np.ascontiguousarray(array) for name, array in features.tensors.items()}
        if features.picture is not None:
            tensors[PICTURE] = _png(features.picture)
        tensors[THUMBNAIL] = np.frombuffer(thumbnail, np.uint8)
        with self._store.adding:
            self._check_name(name, key)
            self._store.write(key, tensors, header)
        return self._read(key, header)

    def _card(self, key: str, header: Mapping[str, str]) -> AvatarCard | None:
        """Card of an avatar from its file's header; None when the header is damaged."""
        try:
            return self._read(key, header)
        except (KeyError, ValueError) as error:
            self._store.damaged(key, error)
            return None

    def _read(self, key: str, header: Mapping[str, str]) -> AvatarCard:
        ours = FORMAT, self._face.name, self._face.source
        return AvatarCard(
            id=key,
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
        )


def fingerprint(picture: bytes, crop_options: CropOptions, face: Face) -> str:
    """The id of the avatar that ``face`` makes of a picture file."""
    digest = hashlib.sha256(
        json.dumps([FORMAT, face.name, face.source, crop_options.size, crop_options.preprocess]).encode()
    )
    digest.update(hashlib.sha256(picture).digest())
    return digest.hexdigest()[:ID_CHARACTERS]


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
