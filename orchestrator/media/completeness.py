"""Files whose bytes are missing at the end, told by the sizes that their structure states.

Lengths in seconds are no evidence: recorders fill them in from a clock, and leave end marks out.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

OGG_PAGE: Final = b"OggS"
OGG_HEADER_BYTES: Final = 27
OGG_CONTINUED: Final = 255
"""Last entry of a page's table of sizes when a packet goes on in the next page (RFC 3533, 6)."""

EBML_SEGMENT: Final = 0x18538067
EBML_CLUSTER: Final = 0x1F43B675
"""Elements whose children are walked through (RFC 9559, 5.1)."""

MP4_NEEDED: Final = (b"moov", b"moof", b"mdat")
"""Boxes without whose last byte something is lost (ISO 14496-12, 8)."""

RIFF_HEADER_BYTES: Final = 12
WAV_UNKNOWN_BYTES: Final = 0x7FFF_0000
"""Size from which on it means that the file was written to a pipe and its length is not known."""

WAV_SLACK_BLOCKS: Final = 16
"""Samples per channel that may be missing: sizes are rounded, and padding is left out."""


def is_cut(demuxer: str, data: bytes) -> bool:
    """Whether bytes are missing at the end of a file. demuxer: FFmpeg's name, or names, of its kind."""
    check = next((check for name, check in CHECKS.items() if name in demuxer.split(",")), None)
    return check is not None and check(data)


def wav_seconds(data: bytes) -> float | None:
    """Length that a WAV of linear PCM states, by its block size and rate; None where it states none.

    The byte rate is not looked at: recorders get it wrong, and nothing else reads it.
    """
    found = _wav_data(data)
    if found is None or not found.bytes_per_second or not 0 < found.size < WAV_UNKNOWN_BYTES:
        return None
    return found.size / found.bytes_per_second


@dataclass(frozen=True)
class _WavData:
    """Samples of a WAV: their first byte, the bytes that are stated, those of a block and of a second.

    ``bytes_per_second`` is 0 where the samples are compressed.
    """

    start: int
    size: int
    block: int
    bytes_per_second: int


def _wav_data(data: bytes) -> _WavData | None:
    position, rate, block = RIFF_HEADER_BYTES, 0, 0
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name == b"fmt " and position + 22 <= len(data):
            kind, _, rate, _, block = struct.unpack_from("<HHIIH", data, position + 8)
            # Blocks of compressed kinds have many samples.
            rate = rate if kind in (1, 3, 6, 7, 0xFFFE) else 0
        if name == b"data":
            return _WavData(position + 8, size, block, rate * block)
        position += 8 + size + size % 2
    return None


def _wav_is_cut(data: bytes) -> bool:
    found = _wav_data(data)
    if found is None or not 0 < found.size < WAV_UNKNOWN_BYTES:
        return False
    return found.start + found.size - len(data) > WAV_SLACK_BLOCKS * max(found.block, 1)


def _ogg_is_cut(data: bytes) -> bool:
    """Whether the last page is not there to its end, or its last packet is not."""
    page = data[data.rfind(OGG_PAGE) :]
    if len(page) < OGG_HEADER_BYTES:
        return True
    sizes = page[OGG_HEADER_BYTES : OGG_HEADER_BYTES + page[OGG_HEADER_BYTES - 1]]
    complete = len(page) >= OGG_HEADER_BYTES + page[OGG_HEADER_BYTES - 1] + sum(sizes)
    return not complete or sizes[-1:] == bytes([OGG_CONTINUED])


def _ebml_is_cut(data: bytes) -> bool:
    """Whether an element reaches beyond the end of the file, or the last one's head is not whole."""
    position = 0
    while position < len(data):
        length = 9 - data[position].bit_length()
        if length > 4:
            return False  # no element begins like this: something else follows
        if position + length >= len(data):
            return True
        name = int.from_bytes(data[position : position + length], "big")
        position += length
        width = 9 - data[position].bit_length()
        if width > 8:
            return False
        if position + width > len(data):
            return True
        size = int.from_bytes(data[position : position + width], "big") - (1 << 7 * width)
        unknown = size == (1 << 7 * width) - 1
        position += width
        if not unknown and position + size > len(data):
            return True
        if name not in (EBML_SEGMENT, EBML_CLUSTER):
            position += 0 if unknown else size
    return False


def mp4_missing_bytes(data: bytes) -> int:
    """Bytes by which a box that is needed reaches beyond the end of an ISO base media file."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if size == 1 and position + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size < 8:
            return 0  # 0: the last box, which goes on to the end
        position += size
        if position > len(data) and name in MP4_NEEDED:
            return int(position - len(data))
    return 0


def riff_missing_bytes(data: bytes) -> int:
    """Bytes by which a RIFF file is shorter than its head says."""
    return max(0, int.from_bytes(data[4:8], "little") + 8 - len(data))


CHECKS: Final[dict[str, Callable[[bytes], bool]]] = {
    "wav": _wav_is_cut,
    "ogg": _ogg_is_cut,
    "webm": _ebml_is_cut,
    "mp4": lambda data: mp4_missing_bytes(data) > 0,
}
"""By one of FFmpeg's names of the demuxer."""
