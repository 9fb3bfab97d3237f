"""Files of speech, of several formats, written while the speech is made."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream

from orchestrator.media.clip_encoder import AAC_RATES
from orchestrator.media.encodings import MP3_BIT_RATE, MP3_RATES, OPUS_BIT_RATE, OPUS_RATES
from orchestrator.media.resample import Resampler, pcm16
from orchestrator.media.wav import wav_file
from orchestrator.store.files import PendingFile, disk_errors

FormatName = Literal["m4a", "opus", "mp3", "flac", "wav"]
"""Formats that speech is kept in."""

Seal = Callable[[Path, Path], None]
"""Called with a finished file before it gets its name, and with that name."""

Write = Callable[[npt.NDArray[np.float32]], None]

WAV: Final = "wav"

AAC_SPEECH_BIT_RATE: Final = 64_000
"""Bits per second of speech alone, in AAC."""

FLAC_RATES: Final = range(1, 655_350)


@dataclass(frozen=True)
class SoundFormat:
    """A format that FFmpeg writes.

    Attributes:
        suffix: of its files. media_type: under which they are served.
        container, codec: FFmpeg's names. bit_rate: bits per second; 0 where nothing is lost.
        rates: samples per second that it can have, ascending.
    """

    suffix: str
    media_type: str
    container: str
    codec: str
    bit_rate: int
    rates: tuple[int, ...] | range

    def rate(self, wanted: int) -> int:
        """The lowest rate that loses nothing of ``wanted``."""
        return wanted if wanted in self.rates else next(rate for rate in self.rates if rate >= wanted)


FORMATS: Final[Mapping[str, SoundFormat]] = {
    "m4a": SoundFormat(".m4a", "audio/mp4", "ipod", "aac", AAC_SPEECH_BIT_RATE, AAC_RATES),
    "opus": SoundFormat(".ogg", "audio/ogg", "ogg", "libopus", OPUS_BIT_RATE, OPUS_RATES),
    "mp3": SoundFormat(".mp3", "audio/mpeg", "mp3", "libmp3lame", MP3_BIT_RATE, MP3_RATES),
    "flac": SoundFormat(".flac", "audio/flac", "flac", "flac", 0, FLAC_RATES),
}
"""Formats besides WAV, which `wav` writes."""

SUFFIXES: Final = {WAV: ".wav", **{name: sound.suffix for name, sound in FORMATS.items()}}


@contextmanager
def sound_file(
    kind: FormatName,
    path: Path,
    rate_in: int,
    rate_out: int,
    tags: Mapping[str, str],
    seal: Seal | None = None,
) -> Iterator[Write]:
    """Open a file of a format; gives what appends speech of ``rate_in``, float32 [n_samples].

    Args:
        rate_out: samples per second of the file, or the next that its format has.
        tags: metadata, by FFmpeg's names.

    Raises:
        StorageException: the disk is full.
    """
    if kind == WAV:
        with wav_file(path, rate_in, rate_out, tags, seal) as write:
            yield write
        return
    sound, file = FORMATS[kind], PendingFile(path)
    rate = sound.rate(rate_out)
    resampler = Resampler(rate_in, rate)
    with disk_errors(path), file.discarded_on_error():
        with _FfmpegFile(sound, file.path, rate, tags).opened() as written:
            yield lambda pcm: written.write(resampler.process(pcm))
            written.write(resampler.flush())
        if seal is not None:
            seal(file.path, path)
        file.publish()


class _FfmpegFile:
    """A file that FFmpeg encodes speech into; ``opened`` finishes it."""

    def __init__(self, sound: SoundFormat, path: Path, rate: int, tags: Mapping[str, str]) -> None:
        self._container = av.open(str(path), "w", format=sound.container)
        self._container.metadata.update(tags)
        stream = self._container.add_stream(sound.codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        if sound.container == "ogg":
            stream.metadata.update(tags)  # its comments belong to the stream
        if sound.bit_rate:
            stream.bit_rate = sound.bit_rate
        self._stream = stream
        self._rate = rate
        self._samples = 0

    @contextmanager
    def opened(self) -> Iterator["_FfmpegFile"]:
        try:
            yield self
            self._container.mux(self._stream.encode(None))
            self._container.close()
        finally:
            with suppress(OSError, av.FFmpegError):
                self._container.close()

    def write(self, pcm: npt.NDArray[np.float32]) -> None:
        if not len(pcm):
            return
        frame = av.AudioFrame.from_ndarray(pcm16(pcm)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._samples
        frame.time_base = Fraction(1, self._rate)
        self._samples += len(pcm)
        self._container.mux(self._stream.encode(frame))
