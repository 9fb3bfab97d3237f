"""Portraits: the bundled ones by name, and uploads."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from lumen.errors import InvalidInputException
from lumen.settings import Settings
from orchestrator.media.decode_gate import DecodeGate
from orchestrator.media.decode_image import WHOLE, Picture, View, decode_image


@dataclass(frozen=True)
class PortraitImage:
    """A portrait as it was decoded, and its file, of which other views may be decoded.

    Attributes:
        picture: the whole portrait.
        upright: whether its face is known to be.
    """

    picture: Picture
    _data: bytes
    _decoder: "ImageDecoder"
    upright: bool = False

    async def view(self, view: View) -> Picture:
        """Decode a part, or the whole turned. Raises as `ImageDecoder.decode` does."""
        return await self._decoder.picture(self._data, view)


@dataclass(frozen=True)
class ImageDecoder:
    """Decodes portraits within bounds.

    Attributes:
        gate: where decoding takes place.
        max_pixels: that a picture may have.
    """

    gate: DecodeGate
    max_pixels: int

    async def decode(self, data: bytes) -> PortraitImage:
        """Decode a whole picture.

        Raises:
            UnsupportedMediaException: it is no picture of a kind that is taken.
            TooLargeException: it has too many pixels.
            InvalidInputException: it is damaged.
            ServiceUnavailableException: too many uploads wait for their decoding.
        """
        return PortraitImage(await self.picture(data), data, self)

    async def picture(self, data: bytes, view: View = WHOLE) -> Picture:
        """Decode a part of a picture. Raises as `decode` does."""
        return await self.gate.run(decode_image, data, self.max_pixels, view)


def portraits_folder(settings: Settings) -> Path:
    """The folder of the bundled portraits."""
    return settings.assets_path / "portraits"


def check_default(settings: Settings) -> None:
    """Raise InvalidInputException when there is no portrait of the default's name."""
    folder, name = portraits_folder(settings), settings.portrait
    known = _names(folder)
    if name not in known:
        found = ", ".join(known) or "none"
        raise InvalidInputException(
            f"PORTRAIT: there is no portrait {name!r} in {folder}; there are: {found}."
        )


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.png"))


class Portraits:
    """Args: the folder of the bundled ``<name>.png``, and what decodes them and uploads."""

    def __init__(self, folder: Path, decoder: ImageDecoder) -> None:
        self._folder = folder
        self._decoder = decoder

    def names(self) -> list[str]:
        return _names(self._folder)

    def check(self, name: str) -> None:
        """Raise InvalidInputException when there is no portrait of that name."""
        known = self.names()
        if name not in known:
            raise InvalidInputException(
                f"There is no portrait {name!r}; there are: {', '.join(known) or 'none'}. "
                "Name one of them or upload a portrait_file."
            )

    def read(self, name: str) -> bytes:
        """The file of the bundled portrait.

        Raises:
            InvalidInputException: there is none of that name.
        """
        self.check(name)
        return (self._folder / f"{name}.png").read_bytes()

    async def bundled(self, name: str) -> PortraitImage:
        """The bundled portrait of that name, decoded in this process: its file is the operator's.

        Raises:
            InvalidInputException: there is none.
        """
        return await asyncio.to_thread(self._bundled, name)

    def _bundled(self, name: str) -> PortraitImage:
        data = self.read(name)
        picture = decode_image(data, self._decoder.max_pixels)
        return PortraitImage(picture, data, self._decoder, upright=True)

    async def decode(self, data: bytes) -> PortraitImage:
        """Decode an uploaded picture. Raises as `ImageDecoder.decode` does."""
        return await self._decoder.decode(data)
