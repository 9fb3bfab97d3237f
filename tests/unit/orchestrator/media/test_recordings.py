"""Sound as recorders make it: end marks left out, lengths from a clock, silence not sent, odd channels."""

import io
import struct
from collections.abc import Callable
from functools import cache
from typing import Final

import av
import numpy as np
import numpy.typing as npt
import pytest

from lumen.errors import InvalidInputException, UnsupportedMediaException
from orchestrator.media.decode_audio import DecodedAudio, decode_audio

RATE: Final = 16_000
LIMIT: Final = 120.0
SECONDS: Final = 2.0
GAP: Final = (0.6, 1.2)
"""Seconds in which nothing is sent where packets are left out."""

Channels = npt.NDArray[np.float32]


def tone(seconds: float = SECONDS, rate: int = 48_000, channels: int = 1, level: float = 0.5) -> Channels:
    """float32 [channels, n_samples]: 440 Hz."""
    wave = level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32), (channels, 1))


def noise() -> Channels:
    """float32 [1, n_samples] of which no two packets are alike."""
    return np.random.default_rng(0).normal(0, 0.1, (1, int(SECONDS * 48_000))).astype(np.float32)


def encoded(
    kind: str,
    codec: str,
    samples: Channels,
    *,
    rate: int = 48_000,
    keep: Callable[[float], bool] = lambda second: True,
    options: dict[str, str] | None = None,
) -> bytes:
    """A file of FFmpeg's muxer ``kind``, with the packets that begin at the seconds that ``keep`` keeps."""
    buffer = io.BytesIO()
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(buffer, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        to_codec = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate)
        for part in (*to_codec.resample(frame), None):
            for packet in stream.encode(part):
                if keep(float((packet.pts or 0) * packet.time_base)):
                    container.mux(packet)
    return buffer.getvalue()


@cache
def whole_ogg() -> bytes:
    return encoded("ogg", "libopus", tone())


@cache
def whole_webm() -> bytes:
    return encoded("webm", "libopus", tone())


def decoded(data: bytes) -> DecodedAudio:
    return decode_audio(data, RATE, LIMIT)


def level(pcm: npt.NDArray[np.float32], first: float, last: float) -> float:
    """Root mean square of what is heard from one second to another."""
    return float(np.sqrt(np.mean(pcm[int(first * RATE) : int(last * RATE)] ** 2)))


def page_flags(data: bytes) -> int:
    """Offset of the flags of an Ogg file's last page."""
    return data.rindex(b"OggS") + 5


def with_duration(data: bytes, milliseconds: float) -> bytes:
    """A WebM whose header states another length (element 0x4489, a double)."""
    place = data.index(b"\x44\x89\x88") + 3
    return data[:place] + struct.pack(">d", milliseconds) + data[place + 8 :]


def test_an_ogg_without_its_end_mark_is_whole() -> None:
    """Telephones write the last page before they know that it is the last: no byte is missing."""
    data = bytearray(whole_ogg())
    assert data[page_flags(data)] & 4
    data[page_flags(data)] &= ~4
    assert len(decoded(bytes(data)).pcm) / RATE == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("missing", [1, 40, 300])
def test_an_ogg_whose_last_page_is_cut_is_damaged(missing: int) -> None:
    """Bytes of the last page that are not there are missing, whatever its flags say."""
    with pytest.raises(InvalidInputException, match="bytes are missing"):
        decoded(whole_ogg()[:-missing])


@pytest.mark.parametrize("difference", [-500, -300, 300, 500])
def test_a_length_from_a_clock_is_a_hint(difference: int) -> None:
    """Browsers' recordings get their length from a clock that is half a second off: nothing is missing."""
    data = with_duration(whole_webm(), 1000 * SECONDS + difference)
    assert len(decoded(data).pcm) / RATE == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("options", [None, {"live": "1"}], ids=["file", "live"])
@pytest.mark.parametrize("missing", [1, 30, 2_000])
def test_a_webm_that_is_cut_within_an_element_is_damaged(
    options: dict[str, str] | None, missing: int
) -> None:
    """Sizes of elements tell that bytes are missing, also where no length is stated."""
    data = encoded("webm", "libopus", tone(), options=options)
    data = data[: data.rindex(b"\x1c\x53\xbb\x6b")] if b"\x1c\x53\xbb\x6b" in data else data
    with pytest.raises(InvalidInputException, match="cut off"):
        decoded(data[:-missing])


@pytest.mark.parametrize(
    ("kind", "codec"), [("ogg", "libopus"), ("webm", "libopus"), ("mp4", "aac"), ("mp4", "libopus")]
)
def test_packets_left_out_in_silence_are_silence(kind: str, codec: str) -> None:
    """Sound after a gap comes at its time stamp; the gap is silent, and is not closed up."""
    data = encoded(kind, codec, tone(), keep=lambda second: not GAP[0] <= second < GAP[1])
    pcm = decoded(data).pcm
    assert len(pcm) / RATE == pytest.approx(SECONDS, abs=0.06)
    assert level(pcm, 0.1, GAP[0] - 0.06) > 0.3
    assert level(pcm, GAP[0] + 0.06, GAP[1] - 0.06) < 0.01
    assert level(pcm, GAP[1] + 0.06, SECONDS - 0.1) > 0.3


@pytest.mark.parametrize(("kind", "codec"), [("webm", "libopus"), ("mp4", "aac")])
def test_silence_before_the_first_packet_stays(kind: str, codec: str) -> None:
    """A recording that begins with nothing sent begins with silence."""
    pcm = decoded(encoded(kind, codec, tone(), keep=lambda second: second >= GAP[0])).pcm
    assert len(pcm) / RATE == pytest.approx(SECONDS, abs=0.06)
    assert level(pcm, 0.0, GAP[0] - 0.06) < 0.01


def test_a_piece_of_a_longer_stream_begins_at_once() -> None:
    """Time stamps of a live stream that was joined late are no hours of silence."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(whole_webm())) as source, av.open(buffer, "w", format="webm") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None:
                packet.pts, packet.dts = packet.pts + 3_600_000, (packet.dts or 0) + 3_600_000
                packet.stream = stream
                container.mux(packet)
    data = buffer.getvalue()
    assert len(decoded(with_duration(data, 1000 * SECONDS)).pcm) / RATE == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("byte_rate", [0, 1, 16_000, 2**32 - 1])
def test_a_wrong_byte_rate_of_a_wav_changes_nothing(byte_rate: int) -> None:
    """Recorders get it wrong, and it says nothing that the rate and the width of samples do not."""
    data = bytearray(encoded("wav", "pcm_s16le", tone(rate=RATE), rate=RATE))
    struct.pack_into("<I", data, data.index(b"fmt ") + 16, byte_rate)
    assert len(decoded(bytes(data)).pcm) == SECONDS * RATE


@pytest.mark.parametrize(
    ("kind", "codec", "rate"),
    [
        ("adts", "aac", 16_000),
        ("aiff", "pcm_s16be", 44_100),
        ("caf", "pcm_s16be", 44_100),
        ("caf", "alac", 44_100),
    ],
)
def test_kinds_of_recorders_are_heard(kind: str, codec: str, rate: int) -> None:
    """ADTS AAC, AIFF and CAF, as dictating machines and telephones write them."""
    pcm = decoded(encoded(kind, codec, tone(rate=rate), rate=rate)).pcm
    assert len(pcm) / RATE == pytest.approx(SECONDS, abs=0.15)
    assert level(pcm, 0.5, 1.5) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_amr_is_heard() -> None:
    """AMR, the sound of older telephones: frames of 12.2 kbit/s, which hold 20 ms each (RFC 4867, 5.3)."""
    data = b"#!AMR\n" + (b"\x3c" + np.random.default_rng(0).bytes(31)) * 50
    assert len(decoded(data).pcm) / RATE == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("kind", "codec", "rate"), [("adts", "aac", 16_000), ("aiff", "pcm_s16be", 44_100)])
def test_kinds_of_recorders_that_are_cut_are_damaged(kind: str, codec: str, rate: int) -> None:
    """A file that ends within a packet lacks the rest of it."""
    data = encoded(kind, codec, tone(rate=rate), rate=rate)
    with pytest.raises(InvalidInputException, match="cut off"):
        decoded(data[: int(len(data) * 0.7) + 5])


@pytest.mark.parametrize("right", [-1.0, -0.9, -1.1])
def test_an_inverted_channel_is_heard(right: float) -> None:
    """Channels of opposite sign are no silence: the louder one is taken, and the caller is told."""
    left = tone(rate=RATE)
    audio = decoded(encoded("wav", "pcm_s16le", np.concatenate([left, right * left]), rate=RATE))
    expected = max(abs(right), 1.0) * 0.5 / np.sqrt(2)
    assert level(audio.pcm, 0.0, SECONDS) == pytest.approx(expected, rel=0.01)
    assert len(audio.warnings) == 1
    assert "cancel each other out" in audio.warnings[0]


def test_channels_that_agree_are_mixed_without_a_word() -> None:
    """Ordinary stereo has no warning, nor has sound of two places."""
    two_places = np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32)
    for samples in (tone(rate=RATE, channels=2), two_places):
        audio = decoded(encoded("wav", "pcm_s16le", samples, rate=RATE))
        assert audio.warnings == ()
        np.testing.assert_allclose(audio.pcm, samples.mean(axis=0), atol=2e-4)


@pytest.mark.parametrize(
    ("samples", "warning"),
    [
        (np.zeros((1, RATE), np.float32), "is silent"),
        (tone(rate=RATE, level=0.002), "is silent"),
        (
            np.concatenate([tone(rate=RATE), np.zeros((1, 2 * RATE), np.float32)]),
            "1 of the audio's 2 channels",
        ),
        (np.clip(tone(rate=RATE) * 6, -1, 1), "is clipped"),
    ],
    ids=["silent", "nearly silent", "dropped channel", "clipped"],
)
def test_what_spoils_a_recording_is_told(samples: Channels, warning: str) -> None:
    """A silent soundtrack, a dropped channel and heavy clipping are taken, each with its warning."""
    audio = decoded(encoded("wav", "pcm_s16le", samples, rate=RATE))
    assert len(audio.warnings) == 1
    assert warning in audio.warnings[0]


def test_loud_speech_is_not_called_clipped() -> None:
    """A tone that just reaches full scale is not clipped."""
    assert decoded(encoded("wav", "pcm_s16le", tone(rate=RATE, level=0.99), rate=RATE)).warnings == ()


def spoilt(data: bytes, packets: range) -> bytes:
    """The file with other bytes in some of its packets."""
    with av.open(io.BytesIO(data)) as container:
        contents = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    for number in packets:
        assert data.count(contents[number]) == 1
        data = data.replace(contents[number], b"\xff" * len(contents[number]))
    return data


def test_damaged_packets_are_silence() -> None:
    """Bytes that were changed spoil their packets; the sound after them stays at its time."""
    audio = decoded(spoilt(encoded("webm", "libopus", noise()), range(30, 36)))
    assert len(audio.pcm) / RATE == pytest.approx(SECONDS, abs=0.06)
    assert level(audio.pcm, 0.64, 0.68) < 0.01
    assert level(audio.pcm, 0.8, 1.9) > 0.05


def test_damaged_packets_are_told() -> None:
    """Packets that a decoder refuses are counted in a warning; where there are many, the file is refused."""
    data = encoded("mp4", "aac", noise())
    assert "are damaged and were left out" in decoded(spoilt(data, range(30, 32))).warnings[0]
    with pytest.raises(InvalidInputException, match="packets cannot be decoded"):
        decoded(spoilt(data, range(10, 40)))


def test_a_recording_whose_rate_changes_is_heard() -> None:
    """Chained Ogg files of two rates, as recorders that change their source write them."""
    parts = [encoded("ogg", "flac", tone(1.0, rate), rate=rate) for rate in (44_100, 22_050)]
    assert len(decoded(b"".join(parts)).pcm) / RATE == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"0&\xb2u\x8ef\xcf\x11" + bytes(500), "a Windows Media file"),
        (b"MThd\0\0\0\6" + bytes(500), "a MIDI file"),
        (b"wvpk" + bytes(500), "a WavPack sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "a PNG picture"),
        (b"%PDF-1.7" + bytes(500), "a PDF document"),
        (b"\0\0\0\x18ftypheic" + bytes(500), "a HEIC picture"),
        (b"RIFF\0\1\0\0AVI LIST" + bytes(500), "an AVI video"),
    ],
)
def test_other_kinds_are_refused_by_name(data: bytes, name: str) -> None:
    """The message says what came, and what is expected."""
    with pytest.raises(UnsupportedMediaException, match=f"{name}.*expected a WAV, FLAC, MP3"):
        decoded(data)
