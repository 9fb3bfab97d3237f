"""Speech encoded while it is being made: WAV, MP3, Opus in Ogg, AAC, FLAC, raw PCM."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from lumen.errors import NotAcceptableException
from orchestrator.media.outbox import Outbox
from orchestrator.media.resample import Resampler, pcm16
from orchestrator.media.tempo import Tempo
from orchestrator.media.wav import info_list

PCM_RATES: Final = range(1, 2**31)
"""Samples per second that PCM may have: any."""

FLAC_RATES: Final = range(1, 655_350 + 1)

MP3_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
OPUS_RATES: Final = (48_000,)
AAC_RATES: Final = (*MP3_RATES, 64_000, 88_200, 96_000)

MP3_BIT_RATE: Final = 64_000
OPUS_BIT_RATE: Final = 32_000
AAC_BIT_RATE: Final = 64_000

OGG_PAGE_MICROSECONDS: Final = 20_000
"""Speech in a page: an Opus packet. By default a page waits for a second of it."""

SAMPLE_BYTES: Final = 2
WAV_FORMAT_BYTES: Final = 16
WAV_PCM: Final = 1
WAV_DATA_AT: Final = 36
"""Byte of the header at which the samples' chunk begins."""

WAV_LENGTH_UNKNOWN: Final = 0xFFFF_FFFF
"""Length in the header of a WAV that begins before its length is known; players read on to the end."""


class Coder(Protocol):
    """Makes bytes of a mono stream."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Take metadata, by FFmpeg's names, before anything is written; raw PCM has none."""
        ...

    def write(self, pcm: npt.NDArray[np.int16]) -> bytes:
        """Take int16 [n_samples] and return what is ready, which may be nothing."""
        ...

    def finish(self) -> bytes:
        """Return the rest."""
        ...


class PcmCoder:
    """Little-endian 16-bit samples as they are, behind ``header``."""

    def __init__(self, header: bytes = b"") -> None:
        self._header = header

    def tag(self, tags: Mapping[str, str]) -> None:
        if self._header:
            self._header = self._header[:WAV_DATA_AT] + info_list(tags) + self._header[WAV_DATA_AT:]

    def write(self, pcm: npt.NDArray[np.int16]) -> bytes:
        header, self._header = self._header, b""
        return header + pcm.astype("<i2").tobytes()

    def finish(self) -> bytes:
        return self.write(np.zeros(0, np.int16))


class FfmpegCoder:
    """A codec of FFmpeg in a container that is written to memory and taken away as it grows.

    Args:
        container: FFmpeg's name of it.
        codec: FFmpeg's name of it.
        rate: samples per second, one that the codec takes.
        bit_rate: None where the codec loses nothing.
        options: of the container.
    """

    def __init__(
        self, container: str, codec: str, rate: int, bit_rate: int | None, options: dict[str, str]
    ) -> None:
        self._outbox = Outbox()
        self._container = av.open(self._outbox, "w", format=container, container_options=options)
        stream = self._container.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        self._stream = stream
        self._rate = rate
        self._samples = 0

    def tag(self, tags: Mapping[str, str]) -> None:
        self._container.metadata.update(tags)
        self._stream.metadata.update(tags)  # where Ogg has its comments

    def write(self, pcm: npt.NDArray[np.int16]) -> bytes:
        if len(pcm):
            frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = self._rate, self._samples
            self._samples += len(pcm)
            self._container.mux(self._stream.encode(frame))
        return self._outbox.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._outbox.take()

    def close(self) -> None:
        """Let go of the codec, also in the middle."""
        with suppress(av.FFmpegError):
            self._container.close()


@contextmanager
def _ffmpeg(
    container: str, codec: str, rate: int, bit_rate: int | None, options: dict[str, str]
) -> Iterator[FfmpegCoder]:
    coder = FfmpegCoder(container, codec, rate, bit_rate, options)
    try:
        yield coder
    finally:
        coder.close()


def _pcm(rate: int) -> AbstractContextManager[Coder]:
    return nullcontext(PcmCoder())


def _wav(rate: int) -> AbstractContextManager[Coder]:
    return nullcontext(PcmCoder(wav_header(rate)))


def _mp3(rate: int) -> AbstractContextManager[Coder]:
    # Xing's tag of an MP3 tells its length, which nobody knows yet.
    return _ffmpeg("mp3", "libmp3lame", rate, MP3_BIT_RATE, {"write_xing": "0", "id3v2_version": "3"})


def _opus(rate: int) -> AbstractContextManager[Coder]:
    options = {"page_duration": str(OGG_PAGE_MICROSECONDS), "flush_packets": "1"}
    return _ffmpeg("ogg", "libopus", rate, OPUS_BIT_RATE, options)


def _aac(rate: int) -> AbstractContextManager[Coder]:
    return _ffmpeg("adts", "aac", rate, AAC_BIT_RATE, {"write_id3v2": "1"})


def _flac(rate: int) -> AbstractContextManager[Coder]:
    return _ffmpeg("flac", "flac", rate, None, {})


def wav_header(rate: int) -> bytes:
    """The 44 bytes before mono 16-bit PCM of ``rate`` samples per second and unknown length."""
    layout = struct.pack("<HHIIHH", WAV_PCM, 1, rate, rate * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", WAV_LENGTH_UNKNOWN, b"WAVE"),
            struct.pack("<4sI", b"fmt ", WAV_FORMAT_BYTES),
            layout,
            struct.pack("<4sI", b"data", WAV_LENGTH_UNKNOWN),
        )
    )


@dataclass(frozen=True)
class Encoding:
    """A kind of audio that can be made as a stream.

    Attributes:
        name: short one, as OpenAI's clients know it.
        media_type: under which it is sent.
        aliases: other names that callers have for it.
        rates: samples per second that it can have, ascending.
        open: makes its coder for one of them.
    """

    name: str
    media_type: str
    aliases: tuple[str, ...]
    rates: Sequence[int]
    open: Callable[[int], AbstractContextManager[Coder]]

    def rate(self, wanted: int) -> int:
        """The lowest rate that loses nothing of ``wanted``."""
        return next(rate for rate in self.rates if rate >= wanted) if wanted not in self.rates else wanted

    def content_type(self, rate: int) -> str:
        """The header for audio of ``rate``; raw PCM says nothing of itself elsewhere."""
        return f"{self.media_type};rate={rate};channels=1" if self.media_type == PCM_TYPE else self.media_type


WAV_TYPE: Final = "audio/wav"
PCM_TYPE: Final = "audio/pcm"

ENCODINGS: Final = (
    Encoding("wav", WAV_TYPE, ("audio/x-wav", "audio/wave", "audio/vnd.wave"), PCM_RATES, _wav),
    Encoding("mp3", "audio/mpeg", ("audio/mp3",), MP3_RATES, _mp3),
    Encoding("opus", "audio/ogg", ("audio/opus", "application/ogg"), OPUS_RATES, _opus),
    Encoding("pcm", PCM_TYPE, (), PCM_RATES, _pcm),
    Encoding("aac", "audio/aac", ("audio/aacp", "audio/x-aac"), AAC_RATES, _aac),
    Encoding("flac", "audio/flac", ("audio/x-flac",), FLAC_RATES, _flac),
)
"""Encodings of speech; the first ones are preferred where a caller does not mind."""


class StreamEncoder:
    """Encodes mono speech of any rate; see `encoder`."""

    def __init__(self, resampler: Resampler, tempo: Tempo, coder: Coder) -> None:
        self._resampler = resampler
        self._tempo = tempo
        self._coder = coder

    def tag(self, tags: Mapping[str, str]) -> None:
        """Take metadata, by FFmpeg's names, before anything is encoded."""
        self._coder.tag(tags)

    def encode(self, pcm: npt.NDArray[np.float32]) -> bytes:
        """Take float32 [n_samples] in -1..1 and return what is ready, which may be nothing."""
        return self._coder.write(pcm16(self._tempo.process(self._resampler.process(pcm))))

    def finish(self) -> bytes:
        """Return the rest; it takes nothing more afterwards."""
        rest = self._tempo.process(self._resampler.flush()), self._tempo.flush()
        return self._coder.write(pcm16(np.concatenate(rest))) + self._coder.finish()


@contextmanager
def encoder(encoding: Encoding, rate_in: int, rate_out: int, tempo: float = 1.0) -> Iterator[StreamEncoder]:
    """Makes ``encoding`` of ``rate_out`` samples per second out of speech of ``rate_in``.

    Args:
        rate_out: one of the encoding's rates.
        tempo: 2.0 makes the speech twice as fast.
    """
    with encoding.open(rate_out) as coder:
        yield StreamEncoder(Resampler(rate_in, rate_out), Tempo(tempo, rate_out), coder)


def choose_encoding(accept: str) -> Encoding:
    """The encoding that an ``Accept`` header prefers (RFC 9110, section 12.5.1); empty takes any.

    Raises:
        NotAcceptableException: it takes none of those that there are.
    """
    ranges = _ranges(accept) or {"*/*": 1.0}
    wishes = [(_wish(encoding, ranges), encoding) for encoding in ENCODINGS]
    (quality, _), best = max(wishes, key=lambda wish: wish[0])
    if quality <= 0:
        known = ", ".join(encoding.media_type for encoding in ENCODINGS)
        raise NotAcceptableException(f"Accept is {accept[:200]!r}; speech is streamed as {known}.")
    return best


def _wish(encoding: Encoding, ranges: dict[str, float]) -> tuple[float, int]:
    """Quality value of an encoding and the precision of the range that gives it: the exact name counts."""
    for names, precision in (
        ((encoding.media_type, *encoding.aliases), 2),
        (("audio/*",), 1),
        (("*/*",), 0),
    ):
        if found := [ranges[name] for name in names if name in ranges]:
            return max(found), precision
    return 0.0, 0


def _ranges(accept: str) -> dict[str, float]:
    """Media ranges of an ``Accept`` header with their q-values; parameters besides q are left out."""
    ranges: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            ranges[name] = max(ranges.get(name, 0.0), _quality(parameters))
    return ranges


def _quality(parameters: Sequence[str]) -> float:
    """The q among a range's parameters: 1 without one, 0 where it is no number."""
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            with suppress(ValueError):
                return min(max(float(value), 0.0), 1.0)
            return 0.0
    return 1.0
