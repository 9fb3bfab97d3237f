"""Uploaded sound becomes mono samples.

FFmpeg's libraries decode. They see bytes in memory only and may try the formats of
``CONTAINERS`` only: no playlists, no file references, no network.
"""

import io
import struct
from collections.abc import Iterator
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from orchestrator.media.resample import Resampler

WEBM: Final = ("matroska", "webm")
CONTAINERS: Final = ("wav", "w64", "flac", "mp3", "ogg", *WEBM, "mov", "mp4", "m4a", "3gp", "3g2", "mj2")
"""FFmpeg's names of what is opened; the last six are one demuxer's, and mp4 and m4a are meant."""

EXPECTED: Final = "expected a WAV, FLAC, MP3, OGG, Opus, M4A or WebM file"

SLACK_SECONDS: Final = 0.1
"""How far a whole file may differ from the length in its header: encoders' delay and padding."""

SAMPLE_RATES: Final = range(4_000, 384_001)
"""Samples per second that a file may have."""

MAX_CHANNELS: Final = 64
"""That FFmpeg mixes."""

LENGTH_TAGS: Final = (b"Xing", b"Info", b"VBRI")
"""Marks of an MP3 that states its length; without them FFmpeg only estimates one."""

TAG_SEARCH_BYTES: Final = 2**18

RIFF_HEADER_BYTES: Final = 12
WAV_UNKNOWN_BYTES: Final = 0x7FFF_0000
"""From here on a size means that the file was written to a pipe and its length is not known."""

OGG_PAGE: Final = b"OggS"
OGG_HEADER_BYTES: Final = 27
OGG_LAST_PAGE: Final = 4
"""Bit of a page's flags that marks the last page of a stream."""


def decode_audio(data: bytes, sample_rate: int, max_seconds: float) -> npt.NDArray[np.float32]:
    """Decode a whole file to mono.

    Args:
        data: a WAV, FLAC, MP3, OGG, Opus, M4A or WebM file of any rate, channel count and bit depth.
        sample_rate: of the result, in Hz.
        max_seconds: the longest audio that is taken; decoding stops there.

    Returns:
        float32 [n_samples] in -1..1, the mean of the channels.

    Raises:
        UnsupportedMediaException: this is no audio file of a format that is taken.
        InvalidInputException: it is cut off, holds no samples, or holds NaN or infinite ones.
        TooLargeException: it is longer than ``max_seconds``.
    """
    with _open(data) as container:
        stream = _audio_stream(container)
        declared = _declared_seconds(container, stream, data)
        _check_length(declared, max_seconds)
        pcm, seconds = _resampled(_mono_chunks(container, stream), stream.rate, sample_rate, max_seconds)
    _check_whole(seconds, declared, data)
    return np.clip(pcm, -1.0, 1.0)


def _open(data: bytes) -> InputContainer:
    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "none"}
    try:
        return av.open(io.BytesIO(data), "r", options=options)
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedMediaException(
            f"The upload ({len(data)} bytes) is not audio, or it is cut off before its index; {EXPECTED}."
        ) from error


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise UnsupportedMediaException(f"The upload has no audio track; {EXPECTED}.")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or context.sample_rate not in SAMPLE_RATES:
        found = "of an unknown codec" if context is None else f"with {context.sample_rate} samples per second"
        raise UnsupportedMediaException(f"The upload's audio {found} cannot be decoded; {EXPECTED}.")
    if not 1 <= context.channels <= MAX_CHANNELS:
        raise UnsupportedMediaException(
            f"The upload's audio has {context.channels} channels; 1 to {MAX_CHANNELS} are taken."
        )
    return stream


def _declared_seconds(container: InputContainer, stream: AudioStream, data: bytes) -> float | None:
    """Length according to the file's header; None when it does not say."""
    if container.format.name == "wav":
        return _wav_seconds(data)
    if container.format.name == "mp3" and not any(tag in data[:TAG_SEARCH_BYTES] for tag in LENGTH_TAGS):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.format.name.startswith(WEBM) and len(container.streams) > 1:
        return None  # it says how long the longest of them is
    return None if container.duration is None else container.duration / av.time_base


def _wav_seconds(data: bytes) -> float | None:
    """Length according to a WAV's own chunks: FFmpeg goes by the size of the file instead."""
    position, byte_rate = RIFF_HEADER_BYTES, 0
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name == b"fmt " and position + 20 <= len(data):
            (byte_rate,) = struct.unpack_from("<I", data, position + 16)
        if name == b"data":
            return size / byte_rate if byte_rate and 0 < size < WAV_UNKNOWN_BYTES else None
        position += 8 + size + size % 2
    return None


def _check_length(seconds: float | None, max_seconds: float) -> None:
    if seconds is not None and seconds > max_seconds + SLACK_SECONDS:
        raise TooLargeException(
            f"The audio is {seconds:.1f} s long, the limit is {max_seconds:g} s; send a shorter piece."
        )


def _mono_chunks(container: InputContainer, stream: AudioStream) -> Iterator[npt.NDArray[np.float32]]:
    """Yield float32 [n_samples] in the file's own rate; packets that do not decode are left out."""
    # Interleaved: PyAV reads the channels of planar frames beyond the eighth from where there are none.
    to_float = av.AudioResampler(format="flt")
    for frame in _frames(container, stream):
        try:
            floats = to_float.resample(frame)
        except ValueError as error:
            raise UnsupportedMediaException(
                "The audio changes its rate or channels midway; send it in one format."
            ) from error
        for converted in floats:
            samples = np.asarray(converted.to_ndarray(), np.float32).reshape(converted.samples, -1)
            yield samples.mean(axis=1, dtype=np.float32)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
    """Yield what can be decoded: damaged packets are skipped, and where reading breaks off it ends."""
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            return
        except (av.FFmpegError, ValueError):
            continue
        yield from frames


def _resampled(
    chunks: Iterator[npt.NDArray[np.float32]], rate_in: int, rate_out: int, max_seconds: float
) -> tuple[npt.NDArray[np.float32], float]:
    """Return float32 [n_samples] at ``rate_out`` and how many seconds were decoded."""
    resampler = Resampler(rate_in, rate_out)
    # One block that grows: the room of thousands of small ones stays with the process, 54 MiB for 10 minutes.
    pcm = io.BytesIO()
    decoded = 0
    for chunk in chunks:
        if not np.isfinite(chunk).all():
            raise InvalidInputException(
                f"The audio has NaN or infinite samples after {decoded / rate_in:.2f} s; export it again."
            )
        decoded += len(chunk)
        if decoded > (max_seconds + SLACK_SECONDS) * rate_in:
            raise TooLargeException(
                f"The audio is longer than the limit of {max_seconds:g} s; send a shorter piece."
            )
        pcm.write(resampler.process(chunk).data)
    pcm.write(resampler.flush().data)
    return np.frombuffer(pcm.getvalue(), np.float32)[: int(max_seconds * rate_out)], decoded / rate_in


def _check_whole(seconds: float, declared: float | None, data: bytes) -> None:
    if declared is not None and declared - seconds > SLACK_SECONDS:
        raise InvalidInputException(
            f"The audio is cut off or damaged: {seconds:.2f} s of the {declared:.2f} s in its header "
            "could be read; upload the whole file."
        )
    if seconds == 0:
        raise InvalidInputException("The audio holds no samples; send a recording that is not empty.")
    if data.startswith(OGG_PAGE) and not _ogg_is_whole(data):
        raise InvalidInputException(
            f"The audio is cut off: {seconds:.2f} s could be read, then its last page is missing; "
            "upload the whole file."
        )


def _ogg_is_whole(data: bytes) -> bool:
    """Whether the last page is there to its end and says that it is the last."""
    page = data[data.rfind(OGG_PAGE) :]
    if len(page) < OGG_HEADER_BYTES:
        return False
    sizes = page[OGG_HEADER_BYTES : OGG_HEADER_BYTES + page[OGG_HEADER_BYTES - 1]]
    complete = len(page) >= OGG_HEADER_BYTES + page[OGG_HEADER_BYTES - 1] + sum(sizes)
    return complete and bool(page[5] & OGG_LAST_PAGE)
