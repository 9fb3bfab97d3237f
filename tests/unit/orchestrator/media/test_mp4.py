"""The MP4 writer, its files read back with PyAV and byte by byte."""

import itertools
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from lumen.contracts import FACE_FPS
from lumen.errors import GenerationException, StorageException
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.sinks import Mp4FileSink
from tests.support.file_limit import FileLimit
from tests.support.paths import ROOT

SIZE = 64
RATE = 22_050

MEMORY_PROBE = """
import resource, sys
from pathlib import Path
import numpy as np
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.sinks import Mp4FileSink
rng = np.random.default_rng(0)
frames = rng.integers(0, 255, (25, 128, 128, 3), np.uint8)
with encoding(ClipFormat(128, 128, 25, 22050), Mp4FileSink(Path(sys.argv[1]))) as writer:
    for _ in range(int(sys.argv[2])):
        writer.write_audio(rng.standard_normal(22050, np.float32) * np.float32(0.1))
        writer.write_frames(frames)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def _frames(n: int, value: int = 90) -> npt.NDArray[np.uint8]:
    ramp = np.linspace(0, 60, n, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(value + ramp, (n, SIZE, SIZE, 3)).astype(np.uint8)


def _tone(seconds: float, rate: int = RATE) -> npt.NDArray[np.float32]:
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def _write(path: Path, frames: int, seconds: float, fps: int = FACE_FPS, rate: int = RATE) -> None:
    with encoding(ClipFormat(SIZE, SIZE, fps, rate), Mp4FileSink(path)) as writer:
        writer.write_audio(_tone(seconds, rate))
        writer.write_frames(_frames(frames))


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]


def _durations(path: Path) -> tuple[float, float]:
    with av.open(str(path)) as container:
        lengths = [s.duration * s.time_base for s in (container.streams.video[0], container.streams.audio[0])]
    return float(lengths[0]), float(lengths[1])


def test_the_file_is_what_browsers_play(tmp_path: Path) -> None:
    """H.264 in yuv420p, tagged BT.709 with limited range, and mono AAC; both start at zero."""
    path = tmp_path / "clip.mp4"
    _write(path, 50, 2.0)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.average_rate) == (SIZE, SIZE, FACE_FPS)
        context = video.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        assert (audio.codec_context.name, audio.codec_context.channels) == ("aac", 1)
        assert audio.codec_context.sample_rate == RATE
        assert (video.start_time, audio.start_time) == (0, 0)


def test_the_index_comes_before_the_data(tmp_path: Path) -> None:
    """Faststart: a browser can begin before it has the whole file."""
    path = tmp_path / "clip.mp4"
    _write(path, 25, 1.0)
    data, position, boxes = path.read_bytes(), 0, []
    while position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        boxes.append(name)
        position += size
    assert boxes.index(b"moov") < boxes.index(b"mdat")


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 60])
def test_the_frame_rate_is_constant(tmp_path: Path, fps: int) -> None:
    """Whatever the file's rate, its frames are equally far apart and last as long as those that came."""
    path = tmp_path / "clip.mp4"
    _write(path, 50, 2.0, fps=fps)
    times = _times(path)
    assert len(times) == 2 * fps
    assert {b - a for a, b in itertools.pairwise(times)} == {Fraction(1, fps)}


@pytest.mark.parametrize(("frames", "seconds"), [(50, 2.0), (50, 1.2), (50, 0.0), (20, 2.013), (1, 0.5)])
def test_sound_and_picture_are_equally_long(tmp_path: Path, frames: int, seconds: float) -> None:
    """The shorter one is completed, to within one frame; speech is never cut."""
    path = tmp_path / "clip.mp4"
    _write(path, frames, seconds)
    video, audio = _durations(path)
    assert abs(video - audio) <= 1 / FACE_FPS
    assert video >= max(frames / FACE_FPS, seconds)
    assert video <= max(frames / FACE_FPS, seconds) + 1 / FACE_FPS


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_000, 24_000, 37_800, 44_100, 48_000])
def test_every_sample_rate_is_heard_at_its_pitch(tmp_path: Path, rate: int) -> None:
    """Rates that AAC does not know are converted: a tone of 440 Hz stays one."""
    path = tmp_path / "clip.mp4"
    _write(path, 25, 1.0, rate=rate)
    with av.open(str(path)) as container:
        file_rate = container.streams.audio[0].codec_context.sample_rate
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * file_rate / len(heard) == pytest.approx(440, abs=2)


def test_colours_come_back(tmp_path: Path) -> None:
    """RGB in, the same RGB out of a decoder that honours the tags, within 3 of 255."""
    path = tmp_path / "clip.mp4"
    colours = np.array([[200, 60, 40], [30, 180, 90], [40, 70, 210], [235, 235, 235]], np.uint8)
    frame = np.repeat(np.repeat(colours.reshape(2, 2, 3), SIZE // 2, 0), SIZE // 2, 1)
    with encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(path)) as writer:
        writer.write_frames(np.repeat(frame[None], 10, 0))
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    centres = shown[SIZE // 4 :: SIZE // 2, SIZE // 4 :: SIZE // 2].reshape(4, 3)
    assert np.abs(centres.astype(int) - colours.astype(int)).max() <= 3


def test_speech_stays_with_its_frame(tmp_path: Path) -> None:
    """A click at 1 s is in the file at 1 s, to within 5 ms: the encoder's delay is accounted for."""
    path = tmp_path / "clip.mp4"
    pcm = np.zeros(2 * RATE, np.float32)
    pcm[RATE : RATE + 40] = 0.9
    with encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(path)) as writer:
        for start in range(0, len(pcm), 777):
            writer.write_audio(pcm[start : start + 777])
        writer.write_frames(_frames(50))
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert int(np.argmax(np.abs(heard))) / RATE == pytest.approx(1.0, abs=0.005)


def test_nothing_is_there_before_the_end(tmp_path: Path) -> None:
    """The final name appears only when the file is whole, and nothing else stays in the folder."""
    path = tmp_path / "clip.mp4"
    with encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(path)) as writer:
        writer.write_frames(_frames(5))
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_no_file(tmp_path: Path, error: type[BaseException]) -> None:
    """A clip that failed or was interrupted leaves the folder as it was."""

    def failing() -> None:
        with encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(tmp_path / "clip.mp4")) as writer:
            writer.write_frames(_frames(5))
            raise error

    with pytest.raises(error):
        failing()
    assert list(tmp_path.iterdir()) == []


def test_a_clip_without_frames_is_refused(tmp_path: Path) -> None:
    """Sound alone makes no video: the error says so, and no file stays."""
    with (
        pytest.raises(GenerationException, match="no frame"),
        encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(tmp_path / "clip.mp4")) as writer,
    ):
        writer.write_audio(_tone(1.0))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, file_limit: FileLimit) -> None:
    """Running out of room is a StorageException; the part written is removed."""
    noise = np.random.default_rng(0).integers(0, 255, (100, SIZE, SIZE, 3)).astype(np.uint8)
    with (
        file_limit(50_000),
        pytest.raises(StorageException, match=r"clip\.mp4"),
        encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(tmp_path / "clip.mp4")) as writer,
    ):
        writer.write_frames(noise)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((1, SIZE, SIZE, 3), np.float32),
        np.zeros((SIZE, SIZE, 3), np.uint8),
    ],
)
def test_frames_of_another_shape_are_named(tmp_path: Path, frames: npt.NDArray[np.uint8]) -> None:
    """The message has the shape that came and the one that was expected."""
    with (
        pytest.raises(ValueError, match=r"expected uint8 \[n, 64, 64, 3\]"),
        encoding(ClipFormat(SIZE, SIZE, FACE_FPS, RATE), Mp4FileSink(tmp_path / "clip.mp4")) as writer,
    ):
        writer.write_frames(frames)


@pytest.mark.parametrize(
    ("width", "height", "fps", "rate"),
    [(63, 64, 25, RATE), (64, 0, 25, RATE), (64, 64, 0, RATE), (64, 64, 61, RATE), (64, 64, 25, 96_000)],
)
def test_impossible_geometry_is_refused(tmp_path: Path, width: int, height: int, fps: int, rate: int) -> None:
    """Odd sides, frame rates and sample rates out of range are refused before a file is opened."""
    with pytest.raises(ValueError, match="expected"):
        encoding(ClipFormat(width, height, fps, rate), Mp4FileSink(tmp_path / "clip.mp4"))
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    """Two minutes take at most 8 MiB more at their peak than ten seconds (noise, the worst case)."""
    peaks = []
    for seconds in (10, 120):
        command = [sys.executable, "-c", MEMORY_PROBE, str(tmp_path / "clip.mp4"), str(seconds)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] <= 8, peaks
