"""Pictures of every kind become portraits."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from lumen.settings import Settings
from orchestrator.media.decode_image import MAX_SIDE, View, decode_image
from tests.support.media_files import image_bytes, png_bomb
from tests.support.portraits import portrait, scaled


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_portraits_of_each_kind(kind: str) -> None:
    """PNG, JPEG and WebP decode to RGB."""
    pixels = decode_image(image_bytes((200, 100, 50), kind=kind), 10_000).pixels
    assert (pixels.shape, pixels.dtype) == ((80, 80, 3), np.uint8)
    assert np.abs(pixels[40, 40].astype(int) - (200, 100, 50)).max() < 6


def test_transparent_portraits_get_a_backdrop() -> None:
    """Transparent pixels become white, not black."""
    assert (decode_image(image_bytes((9, 9, 9, 0)), 10_000).pixels == 255).all()


def test_portraits_are_turned_upright() -> None:
    """The orientation in a photograph's EXIF is applied."""
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), 10_000).pixels.shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16", "CMYK", "1"])
def test_portraits_of_each_mode(mode: str) -> None:
    """Grey, palette, 16-bit and print pictures decode too; white stays white."""
    white = {"I;16": 65_535, "LA": (255, 255), "CMYK": (0, 0, 0, 0), "1": 1}.get(mode, 255)
    image = Image.new("L", (8, 8), 255).convert("P") if mode == "P" else Image.new(mode, (8, 8), white)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert decode_image(buffer.getvalue(), 10_000).pixels.min() >= 250


def test_large_portraits_are_scaled_down() -> None:
    """A picture within the limit but larger than a face needs does not travel in full."""
    assert decode_image(image_bytes(side=MAX_SIDE + 600), 10_000_000).pixels.shape == (MAX_SIDE, MAX_SIDE, 3)


def photograph(side: int = 320) -> Image.Image:
    """The bundled portrait."""
    return Image.fromarray(scaled(portrait("ada"), side))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(data: bytes, image: Image.Image) -> float:
    """Mean difference between a decoded file and what was saved, of 255."""
    pixels = decode_image(data, 10_000_000).pixels.astype(int)
    return float(np.abs(pixels - np.asarray(image)).mean())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "HEIF"])
def test_kinds_of_telephones_and_messengers(kind: str) -> None:
    """All that people send looks as it was saved."""
    image = photograph()
    assert difference(saved(image, kind), image) < 5


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "AVIF", "PNG"])
def test_of_an_animation_the_first_frame_is_shown(kind: str) -> None:
    """Later frames are not looked at."""
    image = photograph()
    rest = [Image.new("RGB", image.size, colour) for colour in ("red", "blue")]
    assert difference(saved(image, kind, save_all=True, append_images=rest), image) < 5


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("TIFF", "a TIFF or raw camera picture"),
        ("BMP", "a BMP picture"),
        ("JPEG2000", "a JPEG 2000 picture"),
        ("ICO", r"an icon \(ICO\)"),
    ],
)
def test_other_kinds_are_refused_by_name(kind: str, name: str) -> None:
    """The message says what came, and what to send."""
    with pytest.raises(UnsupportedMediaException, match=f"is {name}.*send a PNG, JPEG, WebP, AVIF, HEIC"):
        decode_image(saved(photograph(), kind), 10_000_000)


def exchanged() -> bytes:
    """An ICC profile whose red is sRGB's green, and the other way round, under a description of its own."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace(b"rXYZ", b"temp").replace(b"gXYZ", b"rXYZ").replace(b"temp", b"gXYZ")
    return data.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF"])
def test_colour_profiles_are_applied(kind: str) -> None:
    """Pixels are those of sRGB, whatever the picture's own colours are: here red is its green."""
    image = Image.new("RGB", (64, 64), (200, 40, 40))
    pixels = decode_image(saved(image, kind, icc_profile=exchanged()), 10_000).pixels
    assert np.abs(pixels[32, 32].astype(int) - (40, 200, 40)).max() < 12


def test_a_profile_keeps_transparency() -> None:
    """Colours are converted where they are seen; the backdrop shows through elsewhere."""
    image = Image.new("RGBA", (64, 64), (200, 40, 40, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    pixels = decode_image(saved(image, "PNG", icc_profile=exchanged()), 10_000).pixels
    assert (pixels[:, :30] == 255).all()
    assert np.abs(pixels[32, 50].astype(int) - (40, 200, 40)).max() < 12


@pytest.mark.parametrize("profile", [b"no profile", bytes(200)])
def test_a_broken_profile_is_left_out(profile: bytes) -> None:
    """A picture is worth more than its profile."""
    image = Image.new("RGB", (64, 64), (200, 40, 40))
    pixels = decode_image(saved(image, "PNG", icc_profile=profile), 10_000).pixels
    assert (pixels[32, 32] == (200, 40, 40)).all()


@pytest.mark.parametrize("missing", [1, 2, 16, 60])
@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("GIF", {}), ("HEIF", {})],
    ids=str,
)
def test_a_few_missing_bytes_pass(kind: str, options: dict[str, Any], missing: int) -> None:
    """Viewers show pictures that lack their last bytes; nearly all of it is there."""
    image = photograph()
    assert difference(saved(image, kind, **options)[:-missing], image) < 9


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "HEIF"])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.8, 0.9])
def test_half_a_picture_is_refused(kind: str, share: float) -> None:
    """A picture whose lower part is missing is damaged."""
    data = saved(photograph(), kind)
    with pytest.raises(InvalidInputException, match="damaged"):
        decode_image(data[: int(len(data) * share)], 10_000_000)


def without_height() -> bytes:
    """A JPEG whose head says that it has no rows."""
    data = bytearray(saved(photograph(), "JPEG"))
    height = data.index(b"\xff\xc0") + 5
    data[height : height + 2] = bytes(2)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [saved(photograph(), "HEIF")[:16] + bytes(400), without_height(), b"\x89PNG\r\n", b"RIFF\0\0\0\0WEBP"],
    ids=["HEIC", "JPEG", "PNG", "WebP"],
)
def test_a_kind_that_is_taken_and_cannot_be_read_is_damaged(data: bytes) -> None:
    """Nobody is told to send the kind that came."""
    with pytest.raises(InvalidInputException, match="damaged or cut off; send the whole file"):
        decode_image(data, 10_000_000)


def test_a_border_is_not_missing() -> None:
    """White rows are the picture's own, where its last bytes are missing."""
    image = photograph()
    image.paste("white", (0, 0, 320, 40))
    assert difference(saved(image, "PNG")[:-20], image) < 9


@pytest.mark.parametrize(("width", "height"), [(1, 40_000_000), (40_000_000, 1), (1, 32_769), (8_001, 8_000)])
def test_shapes_are_bounded_before_a_pixel_is_decoded(width: int, height: int) -> None:
    """Each side has a bound, and so has their product."""
    with pytest.raises(
        TooLargeException, match=f"{width} x {height} pixels; at most 64000000 in all and 32768"
    ):
        decode_image(png_bomb(width, height), 64_000_000)


@pytest.mark.parametrize(("width", "height"), [(8_160, 6_120), (8_192, 6_144), (16_384, 3_900)])
def test_pictures_of_telephones_pass_by_default(width: int, height: int) -> None:
    """50 megapixels, and panoramas."""
    most = Settings.model_fields["max_image_pixels"].default
    picture = decode_image(saved(Image.new("L", (width, height), 90), "JPEG", quality=30), most)
    assert (picture.width, picture.height) == (width, height)
    assert max(picture.pixels.shape) == MAX_SIDE
    assert picture.scale == pytest.approx(width / MAX_SIDE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("turns", range(4))
def test_a_part_is_cut_out_of_the_original(orientation: int, turns: int) -> None:
    """A view is in the pixels of the picture as it is shown, turned by quarters."""
    image = photograph(200).crop((0, 0, 200, 120))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = saved(image, "PNG", exif=exif)
    shown = np.rot90(np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))), turns)
    box = (10, 20, 70, 110)
    picture = decode_image(data, 1_000_000, View(turns, box))
    np.testing.assert_array_equal(picture.pixels, shown[20:110, 10:70])
    assert (picture.height, picture.width) == shown.shape[:2]
    assert (picture.left, picture.top, picture.scale) == (10, 20, 1.0)
    np.testing.assert_array_equal(decode_image(data, 1_000_000, View(turns)).pixels, shown)
