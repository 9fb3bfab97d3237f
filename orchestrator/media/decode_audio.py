"""Uploaded sound becomes mono samples.

FFmpeg's libraries decode (`ffmpeg_input` bounds what they may open). A file is damaged when bytes are missing
(`completeness`); lengths and flags in headers are hints, and time stamps are the clock.

FFmpeg's demuxers and decoders take memory as a file tells them to: for uploads, `DecodeGate` runs this within
bounds.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from lumen.errors import InvalidInputException, TooLargeException, UnsupportedMediaException
from orchestrator.media.channels import MAX_CHANNELS, Levels
from orchestrator.media.completeness import is_cut, wav_seconds
from orchestrator.media.ffmpeg_input import Allowed, open_input
from orchestrator.media.file_kinds import description
from orchestrator.media.resample import Resampler

STAMPED: Final = ("ogg", "matroska", "webm", "mov", "mp4", "m4a", "3gp", "3g2", "mj2")
"""FFmpeg's names of containers with time stamps of their own; in the others, FFmpeg counts samples."""

SOUND: Final = Allowed(
    demuxers=("wav", "w64", "flac", "mp3", "aac", "amr", "aiff", "caf", *STAMPED),
    decoders=(
        *("flac", "alac", "mp3", "mp3float", "aac", "opus", "libopus", "vorbis", "amrnb", "amrwb"),
        *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
        *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw"),
        *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    ),
)
"""Demuxers and decoders that may open an upload of sound."""

EXPECTED: Final = "expected a WAV, FLAC, MP3, OGG, Opus, M4A, AAC, AMR, AIFF, CAF or WebM file"

SLACK_SECONDS: Final = 0.1
"""Seconds by which a whole file may differ from the length in its header: encoders' delay and padding."""

CLOCK_SLACK_SECONDS: Final = 1.0
"""The same where recorders fill the length in from a clock; a file's structure shows whether it is whole."""

GAP_SECONDS: Final = 0.05
"""Seconds of a gap in the time stamps from which silence fills it: smaller ones come of rounding."""

LEAD_SECONDS: Final = 10.0
"""First time stamp from which on it is the place in a longer stream, and no silence at the beginning."""

SAMPLE_RATES: Final = range(4_000, 384_001)
"""Samples per second that a file may have."""

DAMAGED_PACKETS: Final = 0.1
"""Share of packets that cannot be decoded from which the whole file counts as damaged."""

LENGTH_TAGS: Final = (b"Xing", b"Info", b"VBRI")
"""Marks of an MP3 that states its length; without them FFmpeg only estimates one."""

TAG_SEARCH_BYTES: Final = 2**18


@dataclass(frozen=True)
class DecodedAudio:
    """Sound of an upload.

    Attributes:
        pcm: float32 [n_samples] in -1..1, mono.
        warnings: what may spoil the result, a sentence each.
    """

    pcm: npt.NDArray[np.float32]
    warnings: tuple[str, ...] = ()


def decode_audio(data: bytes, sample_rate: int, max_seconds: float) -> DecodedAudio:
    """Decode a whole file to mono: the mean of the channels, or the loudest where they cancel each other out.

    Args:
        data: a file of the kinds in ``EXPECTED``, of any rate, channel count and bit depth.
        sample_rate: of the result, in Hz.
        max_seconds: the longest audio that is taken; decoding stops there.

    Raises:
        UnsupportedMediaException: this is no audio file of a format that is taken.
        InvalidInputException: bytes are missing, or it holds no samples, or holds NaN or infinite ones.
        TooLargeException: it is longer than ``max_seconds``.
    """
    recording = _Recording(data, max_seconds)
    pcm = recording.decode(sample_rate)
    if recording.levels.cancel:
        del pcm  # two at once would be twice the memory
        loudest = _Recording(data, max_seconds, recording.levels.loudest)
        pcm = loudest.decode(sample_rate)
    return DecodedAudio(np.clip(pcm, -1.0, 1.0, out=pcm), tuple(recording.warnings()))


class _Recording:
    """Reads a file once, from beginning to end.

    Args:
        channel: the one that is heard; the mean of all without one.
    """

    def __init__(self, data: bytes, max_seconds: float, channel: int | None = None) -> None:
        self.levels = Levels()
        self._data = data
        self._max_seconds = max_seconds
        self._channel = channel
        self._packets = 0
        self._damaged = 0
        self._last_damaged = False
        self._seconds = 0.0
        self._end = 0.0
        self._kind: tuple[str, str, int] | None = None
        self._to_float = av.AudioResampler(format="flt")

    def decode(self, sample_rate: int) -> npt.NDArray[np.float32]:
        """Return float32 [n_samples] at ``sample_rate``."""
        with _open(self._data) as container:
            stream = _audio_stream(container)
            declared = _declared_seconds(container, stream, self._data)
            self._check_length(declared)
            names = container.format.name
            pcm = self._resampled(self._timed(self._frames(container, stream), names), sample_rate)
        self._check_whole(declared, names)
        return pcm

    def warnings(self) -> Iterator[str]:
        yield from self.levels.warnings()
        if self._damaged:
            yield f"{self._damaged} of the audio's {self._packets} packets are damaged and were left out."

    def _frames(
        self, container: InputContainer, stream: AudioStream
    ) -> Iterator[tuple[av.AudioFrame, int | None]]:
        """Yield what can be decoded, and where it lies in the file, until reading breaks off."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                self._see(packet)
                frames = packet.decode()
            except StopIteration:
                return
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError):
                self._damaged += 1
                self._last_damaged = True
                continue
            self._last_damaged = self._last_damaged and not packet.size
            yield from ((frame, packet.pos) for frame in frames)

    def _see(self, packet: "av.Packet[Any]") -> None:
        self._packets += packet.size > 0
        if packet.pts is not None and packet.time_base is not None:
            self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))

    def _timed(
        self, frames: Iterator[tuple[av.AudioFrame, int | None]], names: str
    ) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
        """Yield float32 [n_samples] of one channel and their rate, with silence where nothing was sent."""
        stamped, origin, rate = names.split(",")[0] in STAMPED, 0.0, 0
        for frame, settles in _settled(frames, paged=names == "ogg"):
            if stamped and frame.pts is not None and frame.time_base is not None:
                time = float(frame.pts * frame.time_base)
                origin = time if not self._seconds and time > LEAD_SECONDS else origin
                if settles:
                    yield from self._silence(time - origin - self._seconds, frame.sample_rate)
            for samples in self._samples(frame):
                self._count(len(samples), frame.sample_rate)
                yield self._mixed(samples), frame.sample_rate
            rate = frame.sample_rate
        if stamped and self._seconds:
            yield from self._silence(self._end - origin - self._seconds, rate)

    def _samples(self, frame: av.AudioFrame) -> Iterator[npt.NDArray[np.float32]]:
        """Yield float32 [n_samples, n_channels]; the kind of the frames may change midway."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:
            # Interleaved: PyAV reads the channels of planar frames beyond the eighth from beyond the frame.
            self._kind, self._to_float = kind, av.AudioResampler(format="flt")
        for converted in self._to_float.resample(frame):
            yield np.asarray(converted.to_ndarray(), np.float32).reshape(converted.samples, -1)

    def _silence(self, seconds: float, rate: int) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
        """Yield what is missing before a frame, a second at a time."""
        missing = int(seconds * rate) if seconds > GAP_SECONDS else 0
        while missing > 0:
            silence = np.zeros(min(missing, rate), np.float32)
            missing -= len(silence)
            self._count(len(silence), rate)
            yield silence, rate

    def _mixed(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [n_samples, n_channels] -> [n_samples]."""
        if not np.isfinite(samples).all():
            raise InvalidInputException(
                f"The audio has NaN or infinite samples before {self._seconds:.2f} s; export it again."
            )
        if self._channel is not None:
            return np.ascontiguousarray(samples[:, min(self._channel, samples.shape[1] - 1)])
        mean: npt.NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
        self.levels.add(samples, mean)
        return mean

    def _resampled(
        self, chunks: Iterator[tuple[npt.NDArray[np.float32], int]], rate_out: int
    ) -> npt.NDArray[np.float32]:
        """float32 [n_samples] at ``rate_out``, of chunks whose rate may change."""
        # One block that grows: the room of thousands of small ones stays with the process.
        pcm = io.BytesIO()
        resampler, rate = Resampler(rate_out, rate_out), rate_out
        for chunk, rate_in in chunks:
            if rate_in != rate:
                pcm.write(resampler.flush().data)
                resampler, rate = Resampler(rate_in, rate_out), rate_in
            pcm.write(resampler.process(chunk).data)
        pcm.write(resampler.flush().data)
        # A view of the block that can be written to, not a copy.
        samples: npt.NDArray[np.float32] = np.frombuffer(pcm.getbuffer(), np.float32)
        most = int(self._max_seconds * rate_out)
        return samples[:most]

    def _count(self, samples: int, rate: int) -> None:
        self._seconds += samples / rate
        if self._seconds > self._max_seconds + SLACK_SECONDS:
            raise TooLargeException(
                f"The audio is longer than the limit of {self._max_seconds:g} s; send a shorter piece."
            )

    def _check_length(self, declared: float | None) -> None:
        if declared is not None and declared > self._max_seconds + CLOCK_SLACK_SECONDS:
            raise TooLargeException(
                f"The audio is {declared:.1f} s long, the limit is {self._max_seconds:g} s; "
                "send a shorter piece."
            )

    def _check_whole(self, declared: float | None, names: str) -> None:
        slack = CLOCK_SLACK_SECONDS if names.split(",")[0] in STAMPED else SLACK_SECONDS
        if declared is not None and declared - self._seconds > slack:
            raise InvalidInputException(
                f"The audio is cut off or damaged: {self._seconds:.2f} s of the {declared:.2f} s in its "
                "header could be read; upload the whole file."
            )
        if is_cut(names, self._data) or self._last_damaged:
            raise InvalidInputException(
                f"The audio is cut off: {self._seconds:.2f} s could be read, then bytes are missing; "
                "upload the whole file."
            )
        if not self._seconds:
            raise InvalidInputException("The audio holds no samples; send a recording that is not empty.")
        if self._damaged > DAMAGED_PACKETS * self._packets:
            raise InvalidInputException(
                f"The audio is damaged: {self._damaged} of its {self._packets} packets cannot be decoded; "
                "export it again."
            )


def _open(data: bytes) -> InputContainer:
    try:
        return open_input(data, SOUND)
    except MemoryError:
        raise
    except (av.FFmpegError, ValueError) as error:
        raise UnsupportedMediaException(
            f"The upload, {description(data)}, is not audio that is taken, or it is cut off before "
            f"its index; {EXPECTED}."
        ) from error


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise UnsupportedMediaException(f"The upload has no audio track; {EXPECTED}.")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context is None or context.name not in SOUND.decoders or context.sample_rate not in SAMPLE_RATES:
        found = "of an unknown codec" if context is None else f"({context.name}, {context.sample_rate} Hz)"
        raise UnsupportedMediaException(f"The upload's audio {found} cannot be decoded; {EXPECTED}.")
    if not 1 <= context.channels <= MAX_CHANNELS:
        found = f"has {context.channels} channels" if context.channels else "has no channels, or too many"
        raise UnsupportedMediaException(f"The upload's audio {found}; 1 to {MAX_CHANNELS} are taken.")
    context.thread_count = 1  # each thread would reserve memory
    return stream


def _declared_seconds(container: InputContainer, stream: AudioStream, data: bytes) -> float | None:
    """Length according to the file's header; None when it does not say."""
    name = container.format.name.split(",")[0]
    if name == "wav":
        return wav_seconds(data)
    if name in ("ogg", "aac", "amr"):
        return None  # FFmpeg takes it from the last page, or estimates it by the size of the file
    if name == "mp3" and not any(tag in data[:TAG_SEARCH_BYTES] for tag in LENGTH_TAGS):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if name in STAMPED and len(container.streams) > 1:
        return None  # it says how long the longest of them is
    return None if container.duration is None else container.duration / av.time_base


def _settled(
    frames: Iterator[tuple[av.AudioFrame, int | None]], *, paged: bool
) -> Iterator[tuple[av.AudioFrame, bool]]:
    """Yield frames, and whether silence may be put in before them so that they come at their time.

    An Ogg page states the time of its end alone, so the last packet of a page is the one whose time is known.
    FFmpeg counts back from there, as if packets that were left out were missing before the page's first one.
    """
    before: tuple[av.AudioFrame, int | None] | None = None
    for frame, position in frames:
        if before is not None:
            yield before[0], not paged or before[1] != position
        before = frame, position
    if before is not None:
        yield before[0], True
