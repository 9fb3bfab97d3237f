"""What the chain makes is recorded, marked and kept as it was asked for."""

import io
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from orchestrator.marking.signing import SOURCE_TYPES, check_signature
from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import image_bytes, recording
from tests.support.signing import root_of, signed_settings

OUTPUTS, TTS, FULL, VIDEO = "/api/outputs", "/api/generate/tts", "/api/generate/full", "/api/generate/video"
AVATARS, VOICES = "/api/avatars", "/api/voices"


@pytest.fixture(scope="module")
def marked(serve_with: Serve, triton_url: str, certificates: Path) -> Api:
    """An API that signs, labels, and asks for consent."""
    return serve_with(
        triton_url=triton_url, visible_label="AI", require_consent=True, **signed_settings(certificates)
    )


def made(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code in (200, 201), response.text
    body: dict[str, Any] = response.json()
    return body


def file_of(api: Api, url: str) -> Path:
    return api.settings.outputs_path / url.removeprefix("/outputs/")


def test_a_clip_is_recorded(api: Api) -> None:
    """A clip's record says what its response said, and its files; its speech is kept in the video alone."""
    body = made(api.client.post(FULL, json={"prompt": "one two", "seed": 7, "retain_seconds": 60}))
    record = made(api.client.get(f"{OUTPUTS}/{body['output_id']}"))
    for name in ("text", "seed", "voice", "language", "width", "height", "captions", "marking", "parts"):
        assert record[name] == body[name], name
    for name in ("audio_url", "video_url", "poster_url", "captions_url"):
        assert record[name] == body[name], name
    assert {file["role"] for file in record["files"]} == {"video", "poster", "captions"}
    for file in record["files"]:
        assert file["bytes"] == file_of(api, file["url"]).stat().st_size
    lasts = datetime.fromisoformat(record["expires"]) - datetime.fromisoformat(record["created"])
    assert lasts.total_seconds() == pytest.approx(60)
    assert not file_of(api, body["audio_url"]).exists()
    with wave.open(io.BytesIO(api.client.get(body["audio_url"]).content)) as file:
        assert file.getnframes() == round(body["audio_seconds"] * file.getframerate())


def test_the_wav_of_speech_has_the_samples_that_were_made(serve_with: Serve, triton_url: str) -> None:
    """Speech that is kept as FLAC gives the WAV that would have been written."""
    kept, written = serve_with(triton_url=triton_url), serve_with(triton_url=triton_url, audio_format="wav")
    sounds = []
    for api in (kept, written):
        body = made(api.client.post(TTS, json={"text": "one two"}))
        assert body["audio_url"].endswith(f"{body['output_id']}.wav")
        with wave.open(io.BytesIO(api.client.get(body["audio_url"]).content)) as file:
            sounds.append(np.frombuffer(file.readframes(10**6), np.int16))
    np.testing.assert_array_equal(*sounds)
    names = [name for name in kept.files() if name.startswith("audio/")]
    assert sorted(Path(name).suffix for name in names) == [".flac", ".wav"]


@pytest.mark.parametrize(("path", "field"), [(TTS, "text"), (FULL, "prompt")])
@pytest.mark.parametrize("kind", ["m4a", "wav"])
def test_sound_in_the_format_that_is_asked_for(api: Api, path: str, field: str, kind: str) -> None:
    """audio_url is the address of a file of that format, which the record lists."""
    body = made(api.client.post(path, json={field: "one two", "audio_format": kind}))
    assert body["audio_url"].endswith(f".{kind}")
    assert file_of(api, body["audio_url"]).is_file()
    record = made(api.client.get(f"{OUTPUTS}/{body['output_id']}"))
    assert body["audio_url"] in [file["url"] for file in record["files"]]


def test_a_clip_of_the_chain_is_signed_and_labelled(marked: Api, certificates: Path) -> None:
    """Its signature verifies until a byte is changed; the response tells it; metadata and label are there."""
    body = made(marked.client.post(FULL, json={"prompt": "one two"}))
    assert body["marking"] == {
        "metadata": True,
        "signed": True,
        "digital_source_type": "trainedAlgorithmicMedia",
        "label": "AI",
    }
    path = file_of(marked, body["video_url"])
    checked = check_signature(path, root_of(certificates))
    assert checked is not None
    assert (checked.state, checked.failures) == ("Trusted", [])
    assert checked.actions[0]["digitalSourceType"] == f"{SOURCE_TYPES}trainedAlgorithmicMedia"
    with av.open(str(path)) as container:
        assert body["output_id"] in container.metadata["comment"]
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert frame[-frame.shape[0] // 8 :, : frame.shape[1] // 8].max() > 200
    data = bytearray(path.read_bytes())
    data[-len(data) // 3] ^= 1
    changed = path.with_name("changed.mp4")
    changed.write_bytes(data)
    found = check_signature(changed)
    changed.unlink()
    assert found is not None
    assert (found.state, found.valid) == ("Invalid", False)
    assert marked.client.get("/api/status").json()["marking"] == {
        "metadata": True,
        "signed": True,
        "label": "AI",
    }


def test_a_real_portrait_needs_consent_and_is_told(marked: Api) -> None:
    """An upload without a statement is refused; with one, it is kept, and the video is a composite."""
    files = {"portrait_file": ("p.png", image_bytes())}
    body: dict[str, Any] = {"idle_seconds": "0.2"}
    refused = marked.client.post(VIDEO, data=body, files=files)
    assert_error(refused, 400, "InvalidInputException", "consent", "portrait_file")
    assert_error(marked.client.post(AVATARS, files=files), 400, "InvalidInputException", "consent")
    answer = made(marked.client.post(VIDEO, data={**body, "consent": "I agree."}, files=files))
    assert answer["marking"]["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert made(marked.client.get(f"{OUTPUTS}/{answer['output_id']}"))["consent"] == "I agree."
    avatar = made(marked.client.post(AVATARS, data={"consent": "I agree.", "name": "Me"}, files=files))
    assert avatar["consent"] == "I agree."
    filmed = made(marked.client.post(VIDEO, json={"avatar": "Me", "idle_seconds": 0.2, "label": "Synthetic"}))
    assert filmed["marking"]["digital_source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert filmed["marking"]["label"] == "Synthetic"


def test_avatars_have_pictures_and_pages(api: Api) -> None:
    """An avatar's picture is a small JPEG; lists come in pages where that is asked for."""
    one = made(api.client.post(AVATARS, json={"portrait": "ada", "name": "One"}))
    two = made(api.client.post(AVATARS, json={"portrait": "ada", "name": "Two", "size": 256}))
    assert one["bundled"] == "ada"
    answer = api.client.get(one["picture_url"])
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == (64, 48)
    first = made(api.client.get(AVATARS, params={"limit": 1}))
    second = made(api.client.get(AVATARS, params={"limit": 1, "after": first["next"]}))
    assert [each["id"] for each in (*first["avatars"], *second["avatars"])] == [one["id"], two["id"]]
    assert "next" not in second
    assert_error(api.client.get(AVATARS, params={"after": "x"}), 404, "NotFoundException", "start again")
    for avatar in (one, two):
        api.client.delete(f"{AVATARS}/{avatar['id']}")


def test_voices_have_previews(xtts: Api) -> None:
    """A voice's sample is MP3, the same one each time; a made voice keeps its consent."""
    files = {"audio": ("a.wav", recording(500))}
    voice = made(xtts.client.post(VOICES, files=files, data={"name": "Mine", "consent": "I agree."}))
    assert voice["consent"] == made(xtts.client.get(f"{VOICES}/Mine"))["consent"] == "I agree."
    first, again = (xtts.client.get(voice["preview_url"]) for _ in range(2))
    assert (first.status_code, first.headers["content-type"]) == (200, "audio/mpeg"), first.text
    assert first.content == again.content
    with av.open(io.BytesIO(first.content)) as sound:
        assert sum(frame.samples for frame in sound.decode(audio=0)) > 1000
    assert_error(xtts.client.get(f"{VOICES}/nobody/preview"), 404, "NotFoundException", "nobody")


def test_the_limit_of_bytes_under_load(serve_with: Serve, triton_url: str) -> None:
    """While eight clients make speech and fetch it, the files exceed the limit by no more than one.

    A file that is fetched comes whole, or is gone before it begins.
    """
    limit = 600_000
    api = serve_with(
        triton_url=triton_url, retention_bytes=limit, audio_format="wav", max_concurrent_speech=8
    )
    sizes: list[int] = []

    def make(_: int) -> None:
        url = made(api.client.post(TTS, json={"text": "one two three"}))["audio_url"]
        total = []
        for path in api.services.outputs.files():
            with suppress(FileNotFoundError):
                total.append(path.stat().st_size)
        sizes.append(sum(total) - max(total, default=0))
        answer = api.client.get(url)
        assert answer.status_code in (200, 404)
        if answer.status_code == 200:
            assert len(answer.content) == int(answer.headers["content-length"]) > 20_000

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(48)))
    assert max(sizes) <= limit
    left = made(api.client.get(OUTPUTS, params={"limit": 100}))["outputs"]
    assert 0 < sum(file["bytes"] for output in left for file in output["files"]) <= limit
    assert len(left) < 48


def test_what_moderation_refuses(serve_with: Serve, triton_url: str) -> None:
    """Prompts, texts and names that an operator's function refuses are 403, and nothing is made."""
    api = serve_with(triton_url=triton_url, moderation="tests.support.moderating:check")
    refusals = (
        (TTS, {"text": "forbidden"}, "text"),
        (FULL, {"prompt": "forbidden"}, "prompt"),
        ("/api/generate/text", {"prompt": "forbidden"}, "prompt"),
        (TTS, {"text": "forbidden", "stream": True}, "text"),
        (AVATARS, {"portrait": "ada", "name": "forbidden"}, "name"),
        (
            "/api/generate/text",
            {"prompt": "one", "conversation_history": [{"role": "user", "content": "forbidden"}]},
            "conversation_history",
        ),
    )
    for path, body, where in refusals:
        answer = api.client.post(path, json=body)
        assert_error(answer, 403, "ContentRefusedException", where, "not here")
    picture = {"portrait_file": ("p.png", image_bytes())}
    refused = api.client.post(VIDEO, data={"idle_seconds": "0.2"}, files=picture)
    assert_error(refused, 403, "ContentRefusedException", "portrait_file")
    assert api.files() == []
    assert made(api.client.post(TTS, json={"text": "one"}))["audio_seconds"] > 0
