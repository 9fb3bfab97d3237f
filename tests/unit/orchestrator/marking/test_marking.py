"""What files carry without a certificate: metadata, and a label that is seen."""

from pathlib import Path

import av
import numpy as np
import pytest

from lumen.contracts import FACE_FPS
from lumen.settings import Settings
from orchestrator.marking.label import Label
from orchestrator.marking.marking import STATEMENT, Marking
from orchestrator.media.clip_encoder import ClipFormat, encoding
from orchestrator.media.encodings import ENCODINGS, PCM_TYPE, Encoding, encoder
from orchestrator.media.sinks import FragmentedMp4Sink, Mp4FileSink
from orchestrator.media.sound_files import SUFFIXES, FormatName, sound_file

RATE = 22_050
PARTS = {"writer": "echo", "voice": "espeak", "face": "warp"}


def comment(path: Path) -> str:
    """The comment of a file, as FFmpeg reads it from the file or its stream."""
    with av.open(str(path)) as container:
        found = {**container.metadata, **container.streams[0].metadata}
    return {name.lower(): text for name, text in found.items()}["comment"]


@pytest.mark.parametrize("kind", SUFFIXES)
def test_metadata_of_sound(kind: FormatName, tmp_path: Path) -> None:
    """Every format says that a machine made it, with which parts, when, and its id."""
    mark = Marking(Settings()).mark("the-id", PARTS)
    path = tmp_path / f"one{SUFFIXES[kind]}"
    with sound_file(kind, path, RATE, RATE, mark.tags, mark.seal) as write:
        write(np.sin(np.arange(RATE) / 20).astype(np.float32))
    told = comment(path)
    for fragment in (STATEMENT, "trainedAlgorithmicMedia", "voice espeak", "the-id", mark.created):
        assert fragment in told
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", [each for each in ENCODINGS if each.media_type != PCM_TYPE])
def test_metadata_of_streamed_sound(kind: Encoding, tmp_path: Path) -> None:
    """Sound that is streamed says it at its beginning, and its samples are all there."""
    mark, path, rate = Marking(Settings()).unsigned("the-id", PARTS), tmp_path / "sound", kind.rate(RATE)
    with encoder(kind, RATE, rate) as coder:
        coder.tag(mark.tags)
        path.write_bytes(coder.encode(np.zeros(RATE, np.float32)) + coder.finish())
    assert f"{STATEMENT}; trainedAlgorithmicMedia" in comment(path)
    assert "id the-id" in comment(path)
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("streamed", [False, True])
def test_metadata_of_videos(streamed: bool, tmp_path: Path) -> None:
    """A finished MP4 says it, and the first segment of one that is streamed."""
    mark, path = Marking(Settings()).unsigned("the-id", PARTS), tmp_path / "one.mp4"
    live = FragmentedMp4Sink(mark.tags)
    sink = live if streamed else Mp4FileSink(path, tags=mark.tags)
    with encoding(ClipFormat(64, 64, FACE_FPS, RATE), sink) as clip:
        first = live.take()
        clip.write_audio(np.zeros(RATE // 5, np.float32))
        clip.write_frames(np.zeros((5, 64, 64, 3), np.uint8))
    if streamed:
        path.write_bytes(first + live.take())
    assert f"{STATEMENT}; trainedAlgorithmicMedia" in comment(path)
    assert "id the-id" in comment(path)


@pytest.mark.parametrize(("width", "height"), [(256, 256), (512, 512), (1080, 1920), (64, 48), (2, 2)])
def test_the_label_changes_its_corner_alone(width: int, height: int) -> None:
    """White letters on a dark box lie in the lower left corner of frames of any size."""
    frame = np.full((height, width, 3), 120, np.uint8)
    frame.flags.writeable = False
    drawn = Label("AI-generated", width, height).draw(frame)
    changed = np.argwhere((drawn != frame).any(axis=2))
    assert len(changed)
    assert changed[:, 0].min() >= height // 2 - 20
    assert (frame == 120).all()
    if width >= 256:
        assert drawn.max() > 250
        assert drawn.min() < 70
        assert len(changed) < 0.1 * width * height


def test_the_label_of_a_request() -> None:
    """A request may choose other words than the operator's, not none."""
    marking = Marking(Settings(visible_label="AI"))
    assert marking.mark("a", PARTS).label == "AI"
    assert marking.mark("a", PARTS, label="Made by a machine").label == "Made by a machine"
    assert marking.mark("a", PARTS, label=None).label == "AI"
    assert Marking(Settings()).mark("a", PARTS).drawn(64, 64) is None
