"""A live conversation with the starter chain, as `lumen serve` runs it."""

import signal
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed

from lumen.contracts import FACE_FPS
from tests.support.live_client import LiveClient, decoded, frames_of, talking
from tests.support.lumen_process import Chain, start_chain

QUESTION = "Good morning, and thank you for asking me. The weather is mild today."


def answered(client: LiveClient, text: str) -> str:
    response = client.ask(text)
    client.until("response.done", 60)
    return response


def test_the_portrait_answers_and_is_seen_at_once(chain: Chain) -> None:
    """Sound and picture are of one length, captions cover the sound, the parts name themselves."""
    with talking(chain.url) as client:
        session = client.events[0]["session"]
        assert session["parts"]["face"] == "warp"
        assert session["note"].startswith("The prompt itself is the text")
        response = answered(client, QUESTION)
        frames, samples = decoded(client.media(response))
        assert frames > 2 * FACE_FPS
        captions = [e for e in client.events if e.get("timestamp_type") == "sentence"]
        end = captions[-1]["audio_offset_ms"] + captions[-1]["audio_duration_ms"]
        assert end / 1000 == pytest.approx(frames / FACE_FPS, abs=0.25)
        assert "".join(caption["text"] for caption in captions).replace(" ", "") == QUESTION.replace(" ", "")
        words = [e["text"] for e in client.events if e.get("timestamp_type") == "word"]
        assert " ".join(words) == QUESTION
        assert samples > 0


def test_answers_begin_and_end_where_the_idle_clip_begins(chain: Chain) -> None:
    """The pose of the first frame, of the last one and of the idle clip's first one is the same."""
    with talking(chain.url) as client:
        response = answered(client, QUESTION)
        film = frames_of(client.media(response))
        idle = frames_of(idle_clip(chain, client))
    assert difference(film[0], film[-1]) < 1.5
    assert difference(film[0], idle[0]) < 1.5
    assert difference(idle[0], idle[-1]) < 2.0
    middle = max(difference(film[0], frame) for frame in film)
    assert middle > 2 * difference(film[0], film[-1])


def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    """SIGTERM in the middle of an answer: an error with a hint, close code 1012, a clean exit."""
    chain = start_chain(tmp_path)
    with talking(chain.url) as client:
        client.ask(QUESTION)
        client.until("response.video.delta", 60)
        chain.process.send_signal(signal.SIGTERM)
        assert client.failure()["retry_after_ms"] > 0
        with pytest.raises(ConnectionClosed) as closed:
            client.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert chain.process.wait(60) == 0


def idle_clip(chain: Chain, client: LiveClient) -> bytes:

    answer = httpx.get(chain.url + client.events[0]["session"]["avatar"]["idle_url"], timeout=60)
    assert answer.status_code == httpx.codes.OK
    return answer.content


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean difference of two pictures, in levels of 255."""
    return float(np.abs(one.astype(np.int16) - other).mean())
