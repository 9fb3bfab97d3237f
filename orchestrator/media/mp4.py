"""Frames and speech become an MP4 while they arrive: H.264 yuv420p and AAC, constant frame rate."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from lumen.contracts import FACE_FPS
from lumen.errors import GenerationException
from orchestrator.media.resample import Resampler
from orchestrator.store.files import PendingFile, disk_errors

AAC_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates in Hz that AAC and every browser know."""

AAC_BIT_RATE: Final = 96_000
"""Bits per second of the mono speech."""

AAC_FRAME: Final = 1024
"""Samples that one AAC packet holds."""

X264_OPTIONS: Final = {"preset": "veryfast", "crf": "20", "threads": "2"}
"""Two threads keep up with any face and leave the other cores to the models."""

KEYFRAME_SECONDS: Final = 2
"""Seconds between key frames: what a player may have to decode in order to seek."""

INTERLEAVE_MICROSECONDS: Final = 120 * 10**6
"""How far encoded speech may run ahead of its frames in memory (12 kB a second)."""


class VideoWriter:
    """Writes one MP4; a sync context manager that leaves a whole file or none.

    Frames and audio may arrive in pieces of any size, either one ahead of the other; they are
    encoded at once. On a normal exit the shorter of the two is completed: the audio with silence,
    the picture by repeating its last frame, so that no speech is lost. Then the index is moved to
    the front and the file gets its name. An exception removes what was written.

    Args:
        path: of the finished file; its folder must exist.
        width: of the frames in pixels, even.
        height: of the frames in pixels, even.
        fps: of the file, 1 to 60. Frames arrive at ``FACE_FPS`` and are repeated or dropped.
        sample_rate: of the audio in Hz, at most 48,000.

    Raises:
        ValueError: a size, rate or array is not as described.
        GenerationException: on exit, when no frame was written.
        StorageException: the disk is full.
    """

    def __init__(self, path: Path, width: int, height: int, fps: int, sample_rate: int) -> None:
        _check_geometry(width, height, fps, sample_rate)
        self._shape = (height, width, 3)
        self._fps = fps
        self._rate = next(rate for rate in AAC_RATES if rate >= sample_rate)
        self._resampler = Resampler(sample_rate, self._rate)
        self._reformatter = VideoReformatter()
        self._file = PendingFile(path)
        self._arrived = 0
        self._frames = 0
        self._samples = 0
        self._unsent = np.zeros(0, np.float32)
        self._last: npt.NDArray[np.uint8] | None = None

    def __enter__(self) -> "VideoWriter":
        with disk_errors(self._file.final), self._file.discarded_on_error():
            self._container = av.open(
                str(self._file.path),
                "w",
                format="mp4",
                container_options={
                    "movflags": "+faststart",
                    "max_interleave_delta": str(INTERLEAVE_MICROSECONDS),
                },
            )
            self._video = self._add_video()
            self._audio = self._add_audio()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with disk_errors(self._file.final):
                    self._finish()
                    self._container.close()
                    self._file.publish()
        finally:
            with suppress(OSError, av.FFmpegError):
                self._container.close()
            self._file.discard()

    def write_frames(self, frames: npt.NDArray[np.uint8]) -> None:
        """Append frames: uint8 [n, H, W, 3], RGB, ``FACE_FPS`` of them to a second."""
        if frames.dtype != np.uint8 or frames.shape[1:] != self._shape:
            expected = f"uint8 [n, {', '.join(map(str, self._shape))}]"
            raise ValueError(f"got frames {frames.dtype} {list(frames.shape)}, expected {expected}")
        with disk_errors(self._file.final):
            for frame in frames:
                self._arrived += 1
                self._last = frame
                self._repeat_until(_ceil_div(self._arrived * self._fps, FACE_FPS))

    def write_audio(self, pcm: npt.NDArray[np.float32]) -> None:
        """Append speech: float32 [n_samples], mono; values beyond -1..1 are clipped."""
        if pcm.dtype != np.float32 or pcm.ndim != 1:
            raise ValueError(f"got audio {pcm.dtype} {list(pcm.shape)}, expected float32 [n_samples]")
        with disk_errors(self._file.final):
            self._send_audio(self._resampler.process(pcm))

    def _add_video(self) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=self._fps, options=X264_OPTIONS)
        stream.height, stream.width, _ = self._shape
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, self._fps)
        context.gop_size = self._fps * KEYFRAME_SECONDS
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
        """Encode the last frame until the file has ``total`` frames; none when it has them."""
        while self._frames < total and self._last is not None:
            frame = self._to_yuv(self._last)
            frame.pts = self._frames
            frame.time_base = Fraction(1, self._fps)
            self._frames += 1
            self._container.mux(self._video.encode(frame))

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
        self._container.mux(self._audio.encode(frame))

    def _finish(self) -> None:
        if self._last is None:
            raise GenerationException("The face made no frame; there is nothing to write a video from.")
        self._send_audio(self._resampler.flush())
        heard = self._samples + len(self._unsent)
        self._repeat_until(_ceil_div(heard * self._fps, self._rate))
        self._send_audio(np.zeros(max(0, self._frames * self._rate // self._fps - heard), np.float32))
        if len(self._unsent):
            self._encode_audio(self._unsent)
        self._container.mux(self._video.encode(None))
        self._container.mux(self._audio.encode(None))


def _check_geometry(width: int, height: int, fps: int, sample_rate: int) -> None:
    if min(width, height) < 2 or width % 2 or height % 2:
        raise ValueError(f"got frames of {width} x {height}, expected even sides (H.264 halves the colours)")
    if not 1 <= fps <= 60:
        raise ValueError(f"got {fps} frames per second, expected 1 to 60")
    if not 1 <= sample_rate <= AAC_RATES[-1]:
        raise ValueError(f"got {sample_rate} audio samples per second, expected 1 to {AAC_RATES[-1]}")


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
