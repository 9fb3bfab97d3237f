"""Uploads opened with FFmpeg's libraries, within bounds.

FFmpeg sees bytes in memory only. It may try the demuxers and decoders that are named, and no others, also
while it looks at the streams: no playlist, file or address is followed, no picture in a sound file decoded.
"""

import io
from dataclasses import dataclass
from typing import Final

import av
from av.container import InputContainer

MAX_STREAMS: Final = 16
"""Tracks of a file, covers and subtitles included."""

PROBE_BYTES: Final = 2**20
"""Bytes that FFmpeg may read in order to find out what the streams are."""

PROBE_MICROSECONDS: Final = 5_000_000
"""The same in time of the streams."""

WAV_PACKET_BYTES: Final = 2**16
"""Bytes of a packet of uncompressed sound: FFmpeg's are a hundred times smaller, and each costs a step."""


@dataclass(frozen=True)
class Allowed:
    """FFmpeg's names of what may be opened.

    Attributes:
        demuxers: for containers.
        decoders: for streams.
        max_pixels: of a frame.
    """

    demuxers: tuple[str, ...]
    decoders: tuple[str, ...]
    max_pixels: int = 1


def open_input(data: bytes, allowed: Allowed) -> InputContainer:
    """Open a file in memory.

    Raises:
        av.FFmpegError, ValueError: it is of another kind, or damaged beyond its index.
    """
    return av.open(io.BytesIO(data), "r", options=_options(allowed))


def _options(allowed: Allowed) -> dict[str, str]:
    return {
        "format_whitelist": ",".join(allowed.demuxers),
        "codec_whitelist": ",".join(allowed.decoders),
        "protocol_whitelist": "none",
        "max_pixels": str(allowed.max_pixels),
        "max_streams": str(MAX_STREAMS),
        "probesize": str(PROBE_BYTES),
        "analyzeduration": str(PROBE_MICROSECONDS),
        "max_size": str(WAV_PACKET_BYTES),
    }
