"""The generating endpoints, through a real server and a real Triton."""

import io
import re
import uuid
import wave
from datetime import datetime, timedelta
from pathlib import Path

import av
import httpx
import pytest

from tests.support.api_server import Api
from tests.support.media_files import image_bytes, wav_bytes

SPEECH = {"text": "one two three four five", "language": "en"}


def assert_stamped(response: httpx.Response) -> None:
    body = response.json()
    assert str(uuid.UUID(body["request_id"])) == response.headers["x-request-id"]
    assert datetime.fromisoformat(body["timestamp"]).utcoffset() == timedelta(0)
    assert body["processing_time"] >= 0


def video_facts(path: Path) -> tuple[int, int, float]:
    """Frames, width, and seconds of audio of an MP4."""
    with av.open(str(path)) as file:
        frames = [frame.width for frame in file.decode(video=0)]
    with av.open(str(path)) as file:
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    return len(frames), frames[0], seconds


def test_text_echoes_and_says_so(api: Api) -> None:
    """Without a key the prompt itself is the text, and the response says which part wrote it."""
    response = api.client.post("/api/generate/text", json={"prompt": "Tell me about AI"})
    assert response.status_code == 200
    assert_stamped(response)
    body = response.json()
    assert body["text"] == "Tell me about AI"
    assert body["parts"] == {"writer": "echo"}
    assert "prompt itself" in body["note"]


def test_tts_makes_a_wav(api: Api) -> None:
    """Speech comes as a WAV under /outputs, of the length that the response says."""
    response = api.client.post("/api/generate/tts", json=SPEECH)
    assert response.status_code == 200, response.text
    assert_stamped(response)
    body = response.json()
    assert re.fullmatch(r"/outputs/audio/[0-9a-f-]{36}\.wav", body["audio_url"])
    with wave.open(io.BytesIO(api.client.get(body["audio_url"]).content)) as file:
        assert file.getframerate() == body["sample_rate"] == 22_050
        assert file.getnframes() / 22_050 == pytest.approx(1.0, abs=0.01)
    assert body["audio_seconds"] == pytest.approx(1.0, abs=0.01)


def test_video_of_earlier_speech(api: Api) -> None:
    """An audio_url of an earlier response and a bundled portrait become a video of equal length."""
    audio_url = api.client.post("/api/generate/tts", json=SPEECH).json()["audio_url"]
    request = {"audio_url": audio_url, "portrait": "ada", "size": 512, "seed": 3}
    response = api.client.post("/api/generate/video", json=request)
    assert response.status_code == 200, response.text
    assert_stamped(response)
    body = response.json()
    assert body["parts"] == {"face": "warp"}
    assert (body["portrait"], body["size"], body["seed"]) == ("ada", 512, 3)
    frames, width, seconds = video_facts(api.settings.outputs_path / body["video_url"][9:])
    assert (frames, width) == (25, 512)
    assert seconds == pytest.approx(1.0, abs=0.05)


def test_video_of_uploads(api: Api) -> None:
    """A form with audio and a portrait makes a video; numbers in forms are numbers."""
    files = {"audio": ("a.wav", wav_bytes(2.5, 16_000)), "portrait_file": ("p.png", image_bytes())}
    response = api.client.post("/api/generate/video", files=files, data={"size": "256", "seed": "9"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["portrait"], body["size"], body["seed"]) == ("uploaded", 256, 9)
    assert body["audio_seconds"] == pytest.approx(2.5, abs=0.01)
    assert video_facts(api.settings.outputs_path / body["video_url"][9:])[0] in (63, 64)


def test_full_chains_everything(api: Api) -> None:
    """A prompt alone becomes text, audio and video, named after the request."""
    prompt = "one two three. Four five six seven eight nine ten eleven twelve. Thirteen!"
    response = api.client.post("/api/generate/full", json={"prompt": prompt, "conversation_history": []})
    assert response.status_code == 200, response.text
    assert_stamped(response)
    body = response.json()
    assert body["text"] == prompt
    assert body["parts"] == {"writer": "echo", "voice": "espeak", "face": "warp"}
    assert body["audio_url"] == f"/outputs/audio/{body['request_id']}.wav"
    assert body["video_url"] == f"/outputs/video/{body['request_id']}.mp4"
    assert 0 <= body["seed"] < 2**31
    assert body["audio_seconds"] == pytest.approx(13 * 0.2, abs=0.01)
    assert video_facts(api.settings.outputs_path / body["video_url"][9:])[0] == 65
    timings = body["timings"]
    assert timings["first_audio"] <= timings["first_frame"] <= timings["video"] <= body["processing_time"]


def test_full_takes_a_portrait_in_a_form(api: Api) -> None:
    """A form carries the same fields as JSON, the history as JSON, and a portrait."""
    fields = {
        "prompt": "one two",
        "conversation_history": '[{"role": "assistant", "content": "Hi"}]',
        "speed": "1.5",
    }
    files = {"portrait_file": ("p.png", image_bytes())}
    response = api.client.post("/api/generate/full", data=fields, files=files)
    assert response.status_code == 200, response.text
    assert response.json()["portrait"] == "uploaded"


def test_files_come_in_ranges(api: Api) -> None:
    """A player may ask for a part of a file."""
    url = api.client.post("/api/generate/tts", json=SPEECH).json()["audio_url"]
    response = api.client.get(url, headers={"Range": "bytes=0-3"})
    assert (response.status_code, response.content) == (206, b"RIFF")


def test_a_portrait_is_studied_once(api: Api, repository: Path) -> None:
    """The features of a portrait are kept by the hash of its pixels and the size."""
    files = {"portrait_file": ("p.png", image_bytes((77, 66, 55)))}
    events = repository / "warp_portrait" / "events"
    counts = []
    for size in ("256", "256", "512"):
        data = {"prompt": "one", "size": size}
        assert api.client.post("/api/generate/full", data=data, files=files).status_code == 200
        counts.append(events.read_text().count("studied"))
    assert counts[1] == counts[0]
    assert counts[2] == counts[0] + 1
