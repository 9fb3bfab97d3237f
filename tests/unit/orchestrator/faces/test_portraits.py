"""Pictures of every kind become portraits."""

import io

import numpy as np
import pytest
from PIL import Image

from orchestrator.faces.portraits import MAX_SIDE, decode_image
from tests.support.media_files import image_bytes


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_portraits_of_each_kind(kind: str) -> None:
    """PNG, JPEG and WebP decode to RGB."""
    pixels = decode_image(image_bytes((200, 100, 50), kind=kind), 10_000)
    assert (pixels.shape, pixels.dtype) == ((80, 80, 3), np.uint8)
    assert np.abs(pixels[40, 40].astype(int) - (200, 100, 50)).max() < 6


def test_transparent_portraits_get_a_backdrop() -> None:
    """What is transparent becomes white, not black."""
    assert (decode_image(image_bytes((9, 9, 9, 0)), 10_000) == 255).all()


def test_portraits_are_turned_upright() -> None:
    """The orientation in a photograph's EXIF is applied."""
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    assert decode_image(buffer.getvalue(), 10_000).shape == (40, 20, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "I;16", "CMYK", "1"])
def test_portraits_of_each_mode(mode: str) -> None:
    """Grey, palette, 16-bit and print pictures decode too; white stays white."""
    white = {"I;16": 65_535, "LA": (255, 255), "CMYK": (0, 0, 0, 0), "1": 1}.get(mode, 255)
    image = Image.new("L", (8, 8), 255).convert("P") if mode == "P" else Image.new(mode, (8, 8), white)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")
    assert decode_image(buffer.getvalue(), 10_000).min() >= 250


def test_large_portraits_are_scaled_down() -> None:
    """A picture within the limit but larger than a face needs does not travel in full."""
    assert decode_image(image_bytes(side=MAX_SIDE + 600), 10_000_000).shape == (MAX_SIDE, MAX_SIDE, 3)
