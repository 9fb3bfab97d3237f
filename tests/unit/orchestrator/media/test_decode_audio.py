"""Decoding uploads of every kind, streams through the resampler, WAV files."""

import io
import struct
import wave
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from lumen.errors import (
    InvalidInputException,
    StorageException,
    TooLargeException,
    UnsupportedMediaException,
)
from orchestrator.media.decode_audio import decode_audio
from orchestrator.media.resample import Resampler
from orchestrator.media.wav import WavWriter
from tests.support.file_limit import FileLimit

RATE = 16_000
LIMIT = 120.0
PITCH = 440.0

FILES = [
    ("wav", "pcm_s16le", 44_100, "stereo", "s16"),
    ("wav", "pcm_u8", 8_000, "mono", "u8"),
    ("wav", "pcm_s24le", 96_000, "5.1", "s32"),
    ("wav", "pcm_f32le", 48_000, "mono", "flt"),
    ("wav", "pcm_f64le", 22_050, "stereo", "dbl"),
    ("flac", "flac", 44_100, "stereo", "s16"),
    ("flac", "flac", 48_000, "mono", "s32"),
    ("mp3", "libmp3lame", 44_100, "stereo", "s16p"),
    ("mp3", "libmp3lame", 16_000, "mono", "s16p"),
    ("ogg", "libopus", 48_000, "stereo", "flt"),
    ("ogg", "flac", 44_100, "mono", "s16"),
    ("ipod", "aac", 44_100, "stereo", "fltp"),
    ("ipod", "alac", 44_100, "mono", "s16p"),
    ("webm", "libopus", 48_000, "mono", "flt"),
]
IDS = ["-".join(map(str, file)) for file in FILES]


def _encode(
    kind: str,
    codec: str,
    rate: int,
    layout: str,
    sample_format: str,
    seconds: float = 2.0,
    options: dict[str, str] | None = None,
) -> bytes:
    """A tone of ``PITCH`` Hz at half of full scale in every channel."""
    buffer = io.BytesIO()
    tone = (0.5 * np.sin(2 * np.pi * PITCH * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
    with av.open(buffer, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.format = sample_format
        convert = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        channels = len(av.AudioLayout(layout).channels)
        for start in range(0, len(tone), 1024):
            planes = np.repeat(tone[None, start : start + 1024], channels, axis=0)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            for converted in convert.resample(frame):
                container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _wav(data: bytes, *, rate: int = RATE, claimed: int | None = None, floats: bool = False) -> bytes:
    size, bits = len(data) if claimed is None else claimed, 32 if floats else 16
    head = struct.pack("<HHIIHH", 3 if floats else 1, 1, rate, rate * bits // 8, bits // 8, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(chunks), 2**32 - 1)) + chunks


def _pitch(pcm: npt.NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * rate / len(pcm))


@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_every_format_is_heard(file: tuple[str, str, int, str, str]) -> None:
    """Length, pitch and level of a tone survive any container, codec, rate, width and channel count."""
    pcm = decode_audio(_encode(*file), RATE, LIMIT).pcm
    assert pcm.dtype == np.float32
    assert pcm.ndim == 1
    assert len(pcm) / RATE == pytest.approx(2.0, abs=0.1)
    assert _pitch(pcm, RATE) == pytest.approx(PITCH, abs=1.5)
    assert np.sqrt(np.mean(pcm[RATE // 2 : RATE] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_what_a_browser_records_is_heard() -> None:
    """WebM that is written as it is recorded does not say how long it is."""
    live = _encode("webm", "libopus", 48_000, "mono", "flt", options={"live": "1"})
    with av.open(io.BytesIO(live)) as container:
        assert container.duration is None
    assert len(decode_audio(live, RATE, LIMIT).pcm) / RATE == pytest.approx(2.0, abs=0.1)
    with pytest.raises(TooLargeException):
        decode_audio(live, RATE, 1.0)


@pytest.mark.parametrize("file", FILES, ids=IDS)
@pytest.mark.parametrize("part", [0.0005, 0.5, 0.8])
def test_a_truncated_file_is_refused(file: tuple[str, str, int, str, str], part: float) -> None:
    """Cut after its header, in the middle or towards its end, a file is never taken for a shorter one."""
    whole = _encode(*file)
    cut = whole[: max(60, int(len(whole) * part))]
    with pytest.raises(
        (InvalidInputException, UnsupportedMediaException), match=r"cut off|not audio|no samples"
    ):
        decode_audio(cut, RATE, LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"This is a text, not a recording. " * 100,
        np.random.default_rng(0).bytes(100_000),
        b"\x89PNG\r\n\x1a\n" + bytes(2_000),
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
        b"RIFF\x24\x00\x00\x00WAVE",
    ],
    ids=["empty", "text", "noise", "png", "playlist", "concat", "riff"],
)
def test_what_is_not_audio_is_refused(data: bytes) -> None:
    """Other files, playlists that name files among them, are unsupported; the message says what is."""
    with pytest.raises(UnsupportedMediaException, match="expected a WAV, FLAC, MP3"):
        decode_audio(data, RATE, LIMIT)


@pytest.mark.parametrize(
    ("channels", "bits", "rate"),
    [(0, 16, RATE), (1, 0, RATE), (1, 16, 1), (1, 16, 4_000_000_000), (65_535, 16, RATE)],
)
def test_headers_that_lie_are_refused(channels: int, bits: int, rate: int) -> None:
    """No channels, no bits, absurd rates: an input error, never another exception."""
    head = struct.pack("<HHIIHH", 1, channels, rate, 32_000, 2, bits)
    data = b"RIFF\x00\x10\x00\x00WAVEfmt \x10\x00\x00\x00" + head + b"data\x00\x08\x00\x00" + bytes(2_048)
    with pytest.raises(InvalidInputException):
        decode_audio(data, RATE, LIMIT)


def test_more_channels_than_can_be_counted() -> None:
    """A WAV of 999 channels was said to have none."""
    head = struct.pack("<HHIIHH", 1, 999, 16_000, 31_968_000, 1998, 16)
    data = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", 19_980) + bytes(19_980)
    with pytest.raises(UnsupportedMediaException, match="has no channels, or too many; 1 to"):
        decode_audio(b"RIFF" + struct.pack("<I", len(data)) + data, RATE, LIMIT)


def _many_channels(pcm: npt.NDArray[np.int16]) -> bytes:
    """pcm: [n_samples, channels] -> a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [2, 8, 9, 24, 64])
def test_any_number_of_channels_is_mixed(channels: int) -> None:
    """The mean of all; PyAV crashes the process where the samples of eight or more are planar."""
    pcm = np.arange(channels, dtype=np.int16) * 200 - 300
    mono = decode_audio(_many_channels(np.tile(pcm, (3_000, 1))), RATE, LIMIT).pcm
    assert mono.shape == (3_000,)
    np.testing.assert_allclose(mono, pcm.mean() / 32_768, atol=1e-6)


def test_more_channels_than_can_be_mixed_are_refused() -> None:
    """The message says how many came and how many may."""
    with pytest.raises(UnsupportedMediaException, match="65 channels; 1 to 64 are taken"):
        decode_audio(_many_channels(np.zeros((3_000, 65), np.int16)), RATE, LIMIT)


def test_an_empty_recording_is_refused() -> None:
    """A sound header with no samples behind it is not a recording."""
    with pytest.raises(InvalidInputException, match="no samples"):
        decode_audio(_wav(b""), RATE, LIMIT)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    """NaN and infinity are refused with the place where they are."""
    samples = np.zeros(RATE, np.float32)
    samples[RATE // 2] = value
    with pytest.raises(InvalidInputException, match="NaN or infinite"):
        decode_audio(_wav(samples.tobytes(), floats=True), RATE, LIMIT)


def test_an_hour_in_the_header_is_refused_unread() -> None:
    """The header's claim is enough; nothing is decoded."""
    with pytest.raises(TooLargeException, match=r"3600\.0 s long, the limit is 120 s"):
        decode_audio(_wav(bytes(1_000), claimed=3_600 * RATE * 2), RATE, LIMIT)


def test_an_hour_of_unknown_length_is_given_up_at_the_limit() -> None:
    """A header without a length does not let more in: decoding stops just behind the limit."""
    whole = _wav(bytes(3_600 * 8_000 * 2), rate=8_000, claimed=0xFFFF_FFFF)
    with pytest.raises(TooLargeException, match="longer than the limit of 5 s"):
        decode_audio(whole, RATE, 5.0)


def test_a_length_at_the_limit_is_taken() -> None:
    """The limit itself is allowed, and the result is never longer."""
    pcm = decode_audio(_wav(bytes(5 * RATE * 2)), RATE, 5.0).pcm
    assert len(pcm) == 5 * RATE


def test_a_piped_wav_of_unknown_length_is_taken() -> None:
    """Recorders that write to a pipe leave the size at its maximum; the file's end counts then."""
    assert len(decode_audio(_wav(bytes(RATE * 2), claimed=0xFFFF_FFFF), RATE, LIMIT).pcm) == RATE


@pytest.mark.parametrize(("rate_in", "rate_out"), [(22_050, 16_000), (24_000, 48_000), (16_000, 16_000)])
@pytest.mark.parametrize("piece", [1, 640, 10_000])
def test_a_resampled_stream_has_no_seams(rate_in: int, rate_out: int, piece: int) -> None:
    """Any cutting of the input gives the same output as the whole at once, of the right length."""
    pcm = np.random.default_rng(1).standard_normal(rate_in // 4).astype(np.float32)

    def run(step: int) -> npt.NDArray[np.float32]:
        resampler = Resampler(rate_in, rate_out)
        parts = [resampler.process(pcm[start : start + step]) for start in range(0, len(pcm), step)]
        return np.concatenate([*parts, resampler.flush()])

    cut, whole = run(piece), run(len(pcm))
    assert abs(len(whole) - rate_out / 4) <= 1
    np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_a_wav_is_read_back_as_written(tmp_path: Path) -> None:
    """16-bit mono at the given rate; loud samples are clipped instead of wrapped round."""
    pcm = np.array([0.0, 0.5, -0.5, 1.0, -1.0, 2.5, -2.5], np.float32)
    path = tmp_path / "speech.wav"
    with WavWriter(path, 22_050) as writer:
        writer.write(pcm[:3])
        assert not path.exists()
        writer.write(pcm[3:])
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    np.testing.assert_array_equal(samples, np.rint(np.clip(pcm, -1, 1) * 32_767))
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_wav_leaves_no_file(tmp_path: Path) -> None:
    """A WAV whose writing is interrupted is removed."""

    def interrupted() -> None:
        with WavWriter(tmp_path / "speech.wav", RATE) as writer:
            writer.write(np.zeros(100, np.float32))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_stops_a_wav(tmp_path: Path, file_limit: FileLimit) -> None:
    """Running out of room is a StorageException, and what was written is removed."""
    with (
        file_limit(10_000),
        pytest.raises(StorageException, match=r"speech\.wav"),
        WavWriter(tmp_path / "speech.wav", RATE) as writer,
    ):
        writer.write(np.zeros(100_000, np.float32))
    assert list(tmp_path.iterdir()) == []
