"""Names of files by their first bytes, for messages that say what came."""

from typing import Final

SIGNATURES: Final = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"II*\0", "a TIFF or raw camera picture"),
    (0, b"MM\0*", "a TIFF or raw camera picture"),
    (0, b"II+\0", "a TIFF picture"),
    (0, b"MM\0+", "a TIFF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"8BPS", "a Photoshop picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"FUJIFILM", "a raw camera picture"),
    (0, b"<svg", "an SVG drawing"),
    (8, b"WAVE", "a WAV sound"),
    (0, b"fLaC", "a FLAC sound"),
    (0, b"OggS", "an Ogg file"),
    (0, b"ID3", "an MP3 sound"),
    (0, b"#!AMR", "an AMR sound"),
    (8, b"AIFF", "an AIFF sound"),
    (8, b"AIFC", "an AIFF sound"),
    (0, b"caff", "a CAF sound"),
    (0, b"MThd", "a MIDI file, notes without sound"),
    (0, b".snd", "an AU sound"),
    (0, b"wvpk", "a WavPack sound"),
    (0, b"MAC ", "a Monkey's Audio sound"),
    (0, b"DSD ", "a DSF sound"),
    (0, b"TTA1", "a TTA sound"),
    (0, b"MPCK", "a Musepack sound"),
    (0, b"MP+", "a Musepack sound"),
    (0, b"\x0b\x77", "an AC-3 sound"),
    (0, b".RMF", "a RealMedia file"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file (WMA, WMV, ASF)"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV", "a Flash video"),
    (0, b"\0\0\1\xba", "an MPEG video"),
    (0, b"\0\0\1\xb3", "an MPEG video"),
    (188, b"G", "an MPEG transport stream"),
    (0, b"#EXTM3U", "a playlist"),
    (0, b"ffconcat", "a playlist"),
    (0, b"[playlist]", "a playlist"),
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\3\4", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"<?xml", "an XML document"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
)
"""Offset, bytes there, and the name; the first that fits counts."""

BRANDS: Final = {
    b"heic": "a HEIC picture",
    b"heix": "a HEIC picture",
    b"heim": "a HEIC picture",
    b"heis": "a HEIC picture",
    b"hevc": "a HEIC picture",
    b"mif1": "a HEIF picture",
    b"msf1": "a HEIF picture",
    b"avif": "an AVIF picture",
    b"avis": "an AVIF picture",
    b"crx ": "a raw camera picture",
    b"M4A ": "an M4A sound",
    b"M4B ": "an M4A sound",
    b"qt  ": "a QuickTime video",
}
"""Main brands of ISO base media files (ISO 14496-12, 4.3) with their names; the others are MP4."""

TEXT_BYTES: Final = 512


def kind_of(data: bytes) -> str | None:
    """The name of a file's kind with its article, such as "a TIFF picture"; None where it is not known."""
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12], "an MP4 video")
    for offset, magic, name in SIGNATURES:
        if data.startswith(magic, offset):
            return name
    return "a text" if _is_text(data[:TEXT_BYTES]) else None


def description(data: bytes) -> str:
    """Describe an upload for a message: its kind, or that it is not known, and its bytes."""
    return f"{kind_of(data) or 'a file of an unknown kind'} ({len(data)} bytes)"


def _is_text(head: bytes) -> bool:
    return bool(head) and all(byte >= 32 or byte in b"\t\n\r" for byte in head) and head.isascii()
