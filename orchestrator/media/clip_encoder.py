"""Frames and speech become packets of H.264 and AAC while they arrive.

The encoder knows neither files nor sockets: `orchestrator.media.sinks` has those.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Final, Protocol

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from lumen.contracts import FACE_FPS
from lumen.errors import GenerationException
from orchestrator.media.resample import Resampler

AAC_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates in Hz that AAC and every browser know."""

AAC_BIT_RATE: Final = 96_000
"""Bits per second of the mono speech."""

AAC_FRAME: Final = 1024
"""Samples that one AAC packet holds."""

X264_FILE: Final = {"preset": "veryfast", "crf": "20", "threads": "2"}
"""Two threads keep up with any face and leave the other cores to the models."""

X264_LIVE: Final = {"preset": "superfast", "crf": "21", "threads": "1", "tune": "zerolatency"}
"""Every frame leaves the encoder at once: no look-ahead, no B frames, no thread that holds one back."""

KEYFRAME_SECONDS: Final = 2
"""Seconds between key frames: what a player may have to decode in order to seek."""


@dataclass(frozen=True)
class ClipFormat:
    """Geometry and rates of a clip.

    Attributes:
        width: of the frames in pixels, even. height: likewise (H.264 halves the colours).
        fps: of the video, 1 to 60. Frames arrive at ``FACE_FPS`` and are repeated or dropped.
        sample_rate: of the speech that arrives in Hz, at most 48,000.
        live: whether somebody watches while it is made.

    Raises:
        ValueError: a size or a rate is not as described.
    """

    width: int
    height: int
    fps: int
    sample_rate: int
    live: bool = False

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"got frames of {self.width} x {self.height}, expected even sides")
        if not 1 <= self.fps <= 60:
            raise ValueError(f"got {self.fps} frames per second, expected 1 to 60")
        if not 1 <= self.sample_rate <= AAC_RATES[-1]:
            raise ValueError(
                f"got {self.sample_rate} audio samples per second, expected 1 to {AAC_RATES[-1]}"
            )


class PacketSink(Protocol):
    """Takes the packets of one clip: a sync context manager that keeps the clip only on a normal exit."""

    def __enter__(self) -> "PacketSink": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, video: VideoStream, audio: AudioStream) -> None:
        """Describe the two streams, whose encoders are open."""
        ...

    def mux(self, packet: "av.Packet[Any]", stream: int) -> None:
        """Take a packet of stream 0, the video, or 1, the audio; in the order of each stream."""
        ...


class ClipEncoder:
    """Encodes one clip into ``sinks``; a sync context manager, which leaves its sinks before itself.

    Frames and audio may arrive in pieces of any size, either one ahead of the other; they are
    encoded at once. On a normal exit the shorter of the two is completed: the audio with silence,
    the picture by repeating its last frame, so that no speech is lost.

    Raises:
        ValueError: an array is not as described.
        GenerationException: on exit, when no frame was written.
        StorageException: a sink's disk is full.
    """

    def __init__(self, clip_format: ClipFormat, sinks: Sequence[PacketSink]) -> None:
        self._format = clip_format
        self._shape = (clip_format.height, clip_format.width, 3)
        self._rate = next(rate for rate in AAC_RATES if rate >= clip_format.sample_rate)
        self._resampler = Resampler(clip_format.sample_rate, self._rate)
        self._reformatter = VideoReformatter()
        self._sinks = sinks
        self._arrived = 0
        self._frames = 0
        self._samples = 0
        self._unsent = np.zeros(0, np.float32)
        self._last: npt.NDArray[np.uint8] | None = None

    def __enter__(self) -> "ClipEncoder":
        # PyAV's encoders are streams of a container; nothing is ever written to this one.
        self._container = av.open(io.BytesIO(), "w", format="mp4")
        self._video = self._add_video()
        self._audio = self._add_audio()
        self._container.start_encoding()
        for sink in self._sinks:
            sink.begin(self._video, self._audio)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError, av.FFmpegError):
                self._container.close()

    @property
    def seconds(self) -> float:
        """Length of the picture so far."""
        return self._frames / self._format.fps

    def write_frames(self, frames: npt.NDArray[np.uint8]) -> None:
        """Append frames: uint8 [n, H, W, 3], RGB, ``FACE_FPS`` of them to a second."""
        if frames.dtype != np.uint8 or frames.shape[1:] != self._shape:
            expected = f"uint8 [n, {', '.join(map(str, self._shape))}]"
            raise ValueError(f"got frames {frames.dtype} {list(frames.shape)}, expected {expected}")
        for frame in frames:
            self._arrived += 1
            self._last = frame
            self._repeat_until(_ceil_div(self._arrived * self._format.fps, FACE_FPS))

    def write_audio(self, pcm: npt.NDArray[np.float32]) -> None:
        """Append speech: float32 [n_samples], mono; values beyond -1..1 are clipped."""
        if pcm.dtype != np.float32 or pcm.ndim != 1:
            raise ValueError(f"got audio {pcm.dtype} {list(pcm.shape)}, expected float32 [n_samples]")
        self._send_audio(self._resampler.process(pcm))

    def _add_video(self) -> VideoStream:
        options = X264_LIVE if self._format.live else X264_FILE
        stream = self._container.add_stream("libx264", rate=self._format.fps, options=options)
        stream.height, stream.width, _ = self._shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, self._format.fps)
        context.gop_size = self._format.fps * KEYFRAME_SECONDS
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _add_audio(self) -> AudioStream:
        stream = self._container.add_stream("aac", rate=self._rate, layout="mono")
        stream.bit_rate = AAC_BIT_RATE
        stream.codec_context.time_base = Fraction(1, self._rate)
        return stream

    def _repeat_until(self, total: int) -> None:
        """Encode the last frame until the clip has ``total`` frames; none when it has them."""
        while self._frames < total and self._last is not None:
            frame = self._to_yuv(self._last)
            frame.pts = self._frames
            frame.time_base = Fraction(1, self._format.fps)
            self._frames += 1
            self._mux(self._video.encode(frame), 0)

    def _to_yuv(self, rgb: npt.NDArray[np.uint8]) -> av.VideoFrame:
        return self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24"),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
        )

    def _send_audio(self, pcm: npt.NDArray[np.float32]) -> None:
        """Encode all whole AAC frames; the rest waits for more."""
        self._unsent = np.concatenate([self._unsent, np.clip(pcm, -1.0, 1.0)])
        whole = len(self._unsent) // AAC_FRAME * AAC_FRAME
        for start in range(0, whole, AAC_FRAME):
            self._encode_audio(self._unsent[start : start + AAC_FRAME])
        self._unsent = self._unsent[whole:]

    def _encode_audio(self, pcm: npt.NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None]), format="fltp", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._rate)
        self._samples += len(pcm)
        self._mux(self._audio.encode(frame), 1)

    def _mux(self, packets: "Sequence[av.Packet[Any]]", stream: int) -> None:
        for packet in packets:
            for sink in self._sinks:
                sink.mux(packet, stream)

    def _finish(self) -> None:
        if self._last is None:
            raise GenerationException("The face made no frame; there is nothing to write a video from.")
        self._send_audio(self._resampler.flush())
        heard = self._samples + len(self._unsent)
        fps = self._format.fps
        self._repeat_until(_ceil_div(heard * fps, self._rate))
        self._send_audio(np.zeros(max(0, self._frames * self._rate // fps - heard), np.float32))
        if len(self._unsent):
            self._encode_audio(self._unsent)
        self._mux(self._video.encode(None), 0)
        self._mux(self._audio.encode(None), 1)


@contextmanager
def encoding(clip_format: ClipFormat, *sinks: PacketSink) -> Iterator[ClipEncoder]:
    """Open a `ClipEncoder` and its sinks; what is kept of the clip is whole, or nothing is kept."""
    with ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        yield stack.enter_context(ClipEncoder(clip_format, sinks))


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
