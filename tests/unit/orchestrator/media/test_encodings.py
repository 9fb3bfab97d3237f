"""Kinds of sound: chosen by `Accept`, encoded piece by piece."""

import numpy as np
import pytest

from lumen.errors import NotAcceptableException
from orchestrator.media.encodings import ENCODINGS, Encoding, choose_encoding, encoder
from tests.support.media_files import heard, pitch, tone


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.media_type)
@pytest.mark.parametrize("size", [1, 441, 7_001])
def test_encoded_pieces_of_any_size(size: int, encoding: Encoding) -> None:
    """However the speech is cut, nothing is lost of a stream; an empty chunk does no harm."""
    pcm = tone(0.5).astype(np.float32) / 32_767
    rate = encoding.rate(22_050)
    with encoder(encoding, 22_050, rate) as coder:
        pieces = [coder.encode(pcm[start : start + size]) for start in range(0, len(pcm), size)]
        data = b"".join([*pieces, coder.encode(pcm[:0]), coder.finish()])
    if encoding.media_type == "audio/pcm":
        found = np.frombuffer(data, "<i2").astype(np.float32)
    else:
        found, rate = heard(data)
    assert len(found) / rate >= 0.5
    assert pitch(found, rate) == pytest.approx(220, abs=5)


def test_an_encoder_that_is_left_early() -> None:
    """A stream that breaks off lets go of its codec."""
    for encoding in ENCODINGS:
        with pytest.raises(RuntimeError, match="gone"), encoder(encoding, 22_050, encoding.rate(22_050)):
            raise RuntimeError("gone")


@pytest.mark.parametrize("accept", ["", " ", ";;q=1,,", "audio/wav;q=2", "*/*;level=1"])
def test_anything_is_acceptable(accept: str) -> None:
    """Callers that do not say, or say it oddly, get WAV."""
    assert choose_encoding(accept) is ENCODINGS[0]


@pytest.mark.parametrize("accept", ["text/html", "audio/midi;q=1", "*/*;q=0.0", "audio/mpeg;q=-1"])
def test_nothing_is_acceptable(accept: str) -> None:
    """An encoding that a caller does not take is not sent."""
    with pytest.raises(NotAcceptableException, match="audio/wav"):
        choose_encoding(accept)
