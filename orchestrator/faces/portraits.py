"""Portraits: the bundled ones by name, uploads decoded within bounds."""

import asyncio
import io
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from lumen.errors import (
    InvalidInputException,
    LumenException,
    TooLargeException,
    UnsupportedMediaException,
)

FORMATS: Final = ("PNG", "JPEG", "WEBP")
"""Kinds of pictures that are taken."""

MAX_SIDE: Final = 2_048
"""Pixels of the longer side that a face is looked for in; larger pictures are scaled down."""

BACKDROP: Final = (255, 255, 255)
"""RGB behind transparent pixels."""

# Pillow's own limit only warns; `_check_size` refuses by the header, before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None


class Portraits:
    """Args: the folder of the bundled ``<name>.png``, and the most pixels a picture may have."""

    def __init__(self, folder: Path, max_pixels: int) -> None:
        self._folder = folder
        self._max_pixels = max_pixels

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.png"))

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

    async def bundled(self, name: str) -> npt.NDArray[np.uint8]:
        """The bundled portrait as uint8 [H, W, 3], RGB.

        Raises:
            InvalidInputException: there is none of that name.
        """
        return await self.decode(self.read(name))

    async def decode(self, data: bytes) -> npt.NDArray[np.uint8]:
        """An uploaded picture as uint8 [H, W, 3], RGB, upright, at most ``MAX_SIDE`` a side.

        Raises:
            UnsupportedMediaException: it is no picture of a kind that is taken.
            TooLargeException: it has too many pixels.
            InvalidInputException: it is damaged.
        """
        return await asyncio.to_thread(decode_image, data, self._max_pixels)


def decode_image(data: bytes, max_pixels: int) -> npt.NDArray[np.uint8]:
    """See `Portraits.decode`."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, max_pixels)
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            return _to_rgb(image)
    except LumenException:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedMediaException(
            f"The portrait ({len(data)} bytes) is not a picture of a known kind; send {', '.join(FORMATS)}."
        ) from error
    except Exception as error:  # decoders raise anything on hostile bytes
        raise InvalidInputException(
            f"The portrait ({len(data)} bytes) is damaged or cut off; send the whole file."
        ) from error


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise TooLargeException(
            f"The portrait has {width} x {height} pixels; at most {max_pixels} in all are taken."
        )


def _to_rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    return np.array(_flatten(_to_eight_bit(upright)), np.uint8)


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits; Pillow's own conversion would clip it."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _flatten(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*BACKDROP, 255)), layer).convert("RGB")
