"""Uploaded pictures become RGB pixels, as a viewer shows them.

For uploads, `DecodeGate` runs this within bounds of memory and time.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError

from lumen.errors import (
    InvalidInputException,
    LumenException,
    TooLargeException,
    UnsupportedMediaException,
)
from orchestrator.media.completeness import mp4_missing_bytes, riff_missing_bytes
from orchestrator.media.file_kinds import description, kind_of

FORMATS: Final = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "HEIF")
"""Pillow's names of the kinds that are taken; of animations, the first frame."""

KINDS: Final = frozenset(f"a {name} picture" for name in ("PNG", "JPEG", "WebP", "HEIC", "HEIF", "GIF")) | {
    "an AVIF picture"
}
"""Names of these kinds by their first bytes."""

EXPECTED: Final = "send a PNG, JPEG, WebP, AVIF, HEIC or GIF picture"

MAX_FILE_SIDE: Final = 2**15
"""Pixels of a side that a picture may have; panoramas of telephones have half of it."""

MAX_SIDE: Final = 2_048
"""Pixels of the longer side of what is returned; larger pictures are scaled down."""

BACKDROP: Final = (255, 255, 255)
"""RGB behind transparent pixels."""

SRGB: Final = "srgb"
"""Part of the description of profiles that need no conversion."""

MAX_MISSING_ROWS: Final = 0.05
"""Share of a damaged picture's rows that may be missing."""

MISSING_ROWS_SLACK: Final = {"JPEG": 16, "MPO": 16}
"""Rows that may be missing of a small picture, by its format: where blocks are decoded, rows of blocks."""

MAX_MISSING_BYTES: Final = 0.02
"""Share of the bytes of a WebP or HEIC that may be missing."""

JPEG_START: Final = b"\xff\xd8"
JPEG_END: Final = b"\xff\xd9"

_T = Image.Transpose

SHOWN: Final = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}
"""Values of EXIF's orientation that turn a picture."""

QUARTERS: Final = (None, _T.ROTATE_90, _T.ROTATE_180, _T.ROTATE_270)
SWAPPING: Final = (_T.TRANSPOSE, _T.TRANSVERSE, _T.ROTATE_90, _T.ROTATE_270)
"""Turns that exchange width and height."""

# Pillow's own limit only warns; `_check_size` refuses by the header, before a pixel is decoded.
Image.MAX_IMAGE_PIXELS = None
# Threads reserve memory each, which counts against a decoder's bound.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1
pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class View:
    """Part of a picture: its sides in the picture's pixels after turning it.

    Attributes:
        turns: quarters by which the picture is turned counter-clockwise first.
        box: left, top, right and bottom; the whole picture without one.
    """

    turns: int = 0
    box: tuple[int, int, int, int] | None = None


WHOLE: Final = View()


@dataclass(frozen=True)
class Picture:
    """A decoded picture, or a part of it.

    Attributes:
        pixels: uint8 [H, W, 3] RGB, at most ``MAX_SIDE`` a side.
        width: of the whole picture as the file has it, upright, in pixels.
        height: the same.
        scale: pixels of the file for one of ``pixels``.
        left: where ``pixels`` begin, in pixels of the file.
        top: the same.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    scale: float = 1.0
    left: int = 0
    top: int = 0


def decode_image(data: bytes, max_pixels: int, view: View = WHOLE) -> Picture:
    """Decode a picture: upright, in sRGB, on ``BACKDROP``.

    Args:
        data: a file of one of ``FORMATS``.
        max_pixels: that it may have.
        view: what of it is returned.

    Raises:
        UnsupportedMediaException: it is no picture of a kind that is taken.
        TooLargeException: it has too many pixels, in all or a side.
        InvalidInputException: it is damaged.
    """
    try:
        return _read(data, max_pixels, view)
    except (LumenException, MemoryError):
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        if isinstance(error, UnidentifiedImageError) and kind_of(data) not in KINDS:
            raise UnsupportedMediaException(
                f"The portrait is {description(data)}, or is damaged at its beginning; {EXPECTED}."
            ) from error
        raise InvalidInputException(
            f"The portrait, {description(data)}, is damaged or cut off; send the whole file."
        ) from error


def _read(data: bytes, max_pixels: int, view: View) -> Picture:
    """Decode strictly, then, where that fails, as viewers do: without the last few rows."""
    try:
        return _picture(_completed(data), max_pixels, view, _load)
    except UnidentifiedImageError:
        raise
    except OSError:
        whole = data + JPEG_END if data.startswith(JPEG_START) else data
        return _picture(whole, max_pixels, view, _load_in_part)


def _picture(
    data: bytes, max_pixels: int, view: View, load: Callable[[ImageFile.ImageFile], None]
) -> Picture:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        _check_size(width, height, max_pixels)
        if view.box is None:
            image.draft(None, (MAX_SIDE, MAX_SIDE))
        load(image)
        methods, profile = _methods(image, view.turns), image.info.get("icc_profile")
        if sum(method in SWAPPING for method in methods) % 2:
            width, height = height, width
        part = _eight_bit(image)
        if view.box is not None:
            part, methods = _turned(part, methods).crop(view.box), []
        left, top, right, _ = view.box or (0, 0, width, height)
        part.thumbnail((MAX_SIDE, MAX_SIDE))
        # What turns the picture comes last where all of it is wanted: it is small then.
        small = _turned(_flat(_in_srgb(part, profile)), methods)
    return Picture(np.array(small, np.uint8), width, height, (right - left) / small.width, left, top)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if max(width, height) > MAX_FILE_SIDE or width * height > max_pixels:
        raise TooLargeException(
            f"The portrait has {width} x {height} pixels; at most {max_pixels} in all and {MAX_FILE_SIDE} "
            "a side are taken."
        )


def _completed(data: bytes) -> bytes:
    """A WebP or HEIC with zeros for the few bytes that it lacks: its decoder takes none that is not whole."""
    if data.startswith(b"RIFF"):
        missing = riff_missing_bytes(data)
    else:
        missing = mp4_missing_bytes(data) if data[4:8] == b"ftyp" else 0
    return data + bytes(missing) if missing <= MAX_MISSING_BYTES * len(data) else data


def _load(image: ImageFile.ImageFile) -> None:
    image.load()


def _load_in_part(image: ImageFile.ImageFile) -> None:
    """Decode what is there.

    Raises:
        OSError: it is too little.
    """
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    # Rows that were not decoded are of one colour, between others too where the file is interlaced.
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    colour = 0 if image.format == "PNG" else pixels[:, :1]
    missing = int((pixels == colour).all(axis=(1, 2)).sum())
    if missing > max(MAX_MISSING_ROWS * image.height, MISSING_ROWS_SLACK.get(image.format or "", 1)):
        raise OSError(f"{missing} of {image.height} rows are missing")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, which Pillow's own conversion would clip; palettes and bits as colours."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("L") if image.mode == "1" else image


def _in_srgb(image: Image.Image, data: bytes | None) -> Image.Image:
    """Colours of an ICC profile as those of sRGB; a profile that cannot be read is left out."""
    if not data:
        return image
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if SRGB in ImageCms.getProfileDescription(profile).lower():
            return image
        opaque = image.convert(image.mode.rstrip("Aa")) if image.mode in ("RGBA", "LA") else image
        converted = ImageCms.profileToProfile(opaque, profile, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    assert converted is not None
    if image.mode in ("RGBA", "LA"):
        converted.putalpha(image.getchannel("A"))
    return converted


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _flat(image: Image.Image) -> Image.Image:
    """RGB on the backdrop."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, (*BACKDROP, 255)), layer).convert("RGB")


def _methods(image: Image.Image, turns: int) -> list[Image.Transpose]:
    """List the turns of a picture: the one that its file asks for, then quarters, counter-clockwise."""
    shown = SHOWN.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    turned = QUARTERS[turns % 4]
    return [method for method in (shown, turned) if method is not None]


def _turned(image: Image.Image, methods: Sequence[Image.Transpose]) -> Image.Image:
    for method in methods:
        image = image.transpose(method)
    return image
