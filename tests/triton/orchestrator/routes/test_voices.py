"""Voices are made of recordings once, named by what they are made of, kept, listed and removed."""

import contextlib
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import heard, image_bytes, pitch, recording, silent_film, wav_bytes
from tests.support.waiting import wait_until
from tests.support.xtts_files import WIDTH, write_checkpoint

VOICES, TTS = "/api/voices", "/api/generate/tts"


def post(api: Api, *recordings: bytes, **data: str) -> httpx.Response:
    files = [("audio", (f"{index}.wav", item)) for index, item in enumerate(recordings)]
    return api.client.post(VOICES, files=files, data=data)


def spoken_pitch(api: Api, **fields: Any) -> float:
    """Pitch of speech with these options."""
    response = api.client.post(TTS, json={"text": "one two three", **fields})
    assert response.status_code == 200, response.text
    pcm, rate = heard(api.client.get(response.json()["audio_url"]).content)
    return pitch(pcm, rate)


def events(repository: Path, model: str) -> list[str]:
    path = repository / model / "events"
    return path.read_text().splitlines() if path.is_file() else []


def test_what_spoils_a_voice_is_told(xtts: Api) -> None:
    """A recording with an inverted channel makes the voice of its louder channel, and a warning says so."""
    made = post(xtts, recording(600, layout="stereo", right=-1.0), name="Inverted")
    assert made.status_code == 201, made.text
    assert "cancel each other out" in made.json()["warnings"][0]
    assert xtts.client.get(f"{VOICES}/Inverted").json()["warnings"] == made.json()["warnings"]
    assert spoken_pitch(xtts, voice="Inverted") == pytest.approx(600, abs=5)


def test_a_voice_is_made_and_speaks(xtts: Api) -> None:
    """Recordings become a voice of 32 digits that speaks as they sound, and is stored as safetensors."""
    response = post(xtts, recording(500), name="Grace")
    assert response.status_code == 201, response.text
    body = response.json()
    assert str(uuid.UUID(body["request_id"])) == response.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert (body["name"], body["kind"], body["usable"]) == ("Grace", "custom", True)
    assert body["warnings"] == []
    assert body["seconds"] == pytest.approx(4.0, abs=0.01)
    (file,) = xtts.settings.voices_path.iterdir()
    assert file.name == f"{body['id']}.safetensors"
    with safe_open(file, framework="np") as stored:
        assert stored.get_tensor("gpt_cond_latent").shape == (32, WIDTH)
        assert stored.get_tensor("speaker_embedding").shape == (512,)
        known = {"name", "created", "seconds", "parameters", "source_sha256", "warnings", "consent", "owner"}
        assert known == stored.metadata().keys()
    for voice in (body["id"], "Grace", "grace"):
        assert spoken_pitch(xtts, voice=voice) == pytest.approx(500, abs=5)


def test_a_voice_is_made_once(xtts: Api, repository: Path) -> None:
    """The same recordings are the same voice, whatever their file is called; no model hears them again."""
    first = post(xtts, recording(600), recording(600, 5.0), name="Once")
    heard_before = events(repository, "xtts_conditioning")
    again = post(xtts, recording(600), recording(600, 5.0), name="Another name")
    other_order = post(xtts, recording(600, 5.0), recording(600))
    assert [r.status_code for r in (first, again, other_order)] == [201, 200, 201]
    assert again.json()["id"] == first.json()["id"] != other_order.json()["id"]
    assert again.json()["name"] == "Once"
    # Nine seconds in pieces of at most four: three requests, of the third post alone.
    assert len(events(repository, "xtts_conditioning")) == len(heard_before) + 3


def test_requests_at_once_make_a_voice_once(xtts: Api, repository: Path) -> None:
    """Several posts of the same recordings at once: one is 201, and the models hear them once."""
    before = len(events(repository, "xtts_speaker"))
    data = recording(700)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: post(xtts, data), range(6)))
    assert sorted(r.status_code for r in answers) == [200] * 5 + [201]
    assert len({r.json()["id"] for r in answers}) == 1
    assert len(events(repository, "xtts_speaker")) == before + 1


def test_recordings_of_one_voice_are_averaged(xtts: Api) -> None:
    """The pieces of all recordings count: of 400 and 600 Hz for equally long comes 500."""
    body = post(xtts, recording(400), recording(600)).json()
    assert body["seconds"] == pytest.approx(8.0, abs=0.01)
    assert spoken_pitch(xtts, voice=body["id"]) == pytest.approx(500, abs=5)


@pytest.mark.parametrize(
    "kind",
    [
        {"container": "wav", "codec": "pcm_s24le", "sample_format": "s32", "rate": 8_000, "layout": "stereo"},
        {"container": "flac", "codec": "flac", "rate": 48_000},
        {"container": "mp3", "codec": "libmp3lame", "sample_format": "s16p", "rate": 44_100},
        {"container": "ogg", "codec": "libopus", "rate": 48_000, "layout": "stereo"},
    ],
    ids=lambda kind: f"{kind['codec']} {kind['rate']}",
)
def test_recordings_of_each_kind(xtts: Api, kind: dict[str, Any]) -> None:
    """WAV of 8 kHz, stereo and 24 bits, FLAC, MP3 and Opus in Ogg are all heard at their pitch."""
    response = post(xtts, recording(800, 3.5, **kind))
    assert response.status_code == 201, response.text
    assert spoken_pitch(xtts, voice=response.json()["id"]) == pytest.approx(800, abs=5)


def test_voices_are_listed_read_and_removed(xtts: Api) -> None:
    """Built-in voices come first, then the made ones; a removed one is gone everywhere."""
    made = post(xtts, recording(900), name="Zoé").json()
    body = xtts.client.get(VOICES).json()
    assert body["part"] == "xtts"
    assert [(v["name"], v["kind"]) for v in body["voices"]] == [
        ("Ada Lovelace", "builtin"),
        ("Bède", "builtin"),
        ("Zoé", "custom"),
    ]
    assert xtts.client.get("/api/status").json()["voices"] == ["Ada Lovelace", "Bède", "Zoé"]
    for voice in (made["id"], "Zoé"):
        assert xtts.client.get(f"{VOICES}/{voice}").json()["id"] == made["id"]
    removed = xtts.client.delete(f"{VOICES}/{made['id']}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert len(xtts.client.get(VOICES).json()["voices"]) == 2
    for method in ("GET", "DELETE"):
        response = xtts.client.request(method, f"{VOICES}/{made['id']}")
        assert_error(response, 404, "NotFoundException", made["id"])
    response = xtts.client.post(TTS, json={"text": "one", "voice": made["id"]})
    assert_error(response, 404, "NotFoundException", "no voice")
    assert post(xtts, recording(900)).status_code == 201


def test_built_in_voices_stay(xtts: Api) -> None:
    """The checkpoint's voices cannot be removed, by any of their names."""
    response = xtts.client.delete(f"{VOICES}/Ada Lovelace")
    assert_error(response, 400, "InvalidInputException", "cannot be removed")
    for name in ("nobody", "default", "..%2f..%2fsecret", "0" * 32):
        assert_error(xtts.client.delete(f"{VOICES}/{name}"), 404, "NotFoundException")
    assert len(xtts.client.get(VOICES).json()["voices"]) == 2


def test_voices_outlive_a_restart(serve_with: Serve, xtts: Api, triton_url: str, repository: Path) -> None:
    """Another API process on the same folder knows the voice by its id, and does not make it again."""
    made = post(xtts, recording(1_000), name="Kept").json()
    again = serve_with(
        triton_url=triton_url,
        model_repository=repository,
        voice="xtts",
        voices_path=xtts.settings.voices_path,
    )
    assert spoken_pitch(again, voice=made["id"]) == pytest.approx(1_000, abs=5)
    assert post(again, recording(1_000)).status_code == 200


@pytest.mark.parametrize("changed", [{"source": "b" * 64}, {"width": 128}])
def test_a_voice_of_another_checkpoint(
    serve_with: Serve, triton_url: str, repository: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    """A voice of another checkpoint is refused by name; its recordings make it anew under the same id."""
    checkpoint = tmp_path / "xtts" / "1"
    checkpoint.mkdir(parents=True)
    write_checkpoint(checkpoint)
    api = serve_with(triton_url=triton_url, model_repository=tmp_path, voice="xtts")
    made = post(api, recording(1_100), name="Old").json()
    write_checkpoint(checkpoint, **{"source": "c" * 64, **changed})
    (listed,) = [v for v in api.client.get(VOICES).json()["voices"] if v["kind"] == "custom"]
    assert listed["usable"] is False
    response = api.client.post(TTS, json={"text": "one", "voice": "Old"})
    assert_error(response, 400, "InvalidInputException", "'Old'", "another XTTS checkpoint", "post its")
    again = post(api, recording(1_100), name="New")
    assert (again.status_code, again.json()["id"]) == (201, made["id"])


def test_a_removed_voice_speaks_to_the_end(xtts: Api, repository: Path) -> None:
    """A request that speaks with a voice goes on when it is removed."""
    gate = repository / "xtts" / "gate"
    gate.unlink(missing_ok=True)
    made = post(xtts, recording(1_200)).json()
    before = len(events(repository, "xtts"))
    text = {"text": "one GATE two. Three", "voice": made["id"]}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(xtts.client.post, TTS, json=text)
        wait_until(lambda: len(events(repository, "xtts")) > before)
        assert xtts.client.delete(f"{VOICES}/{made['id']}").status_code == 204
        gate.touch()
        response = answer.result()
    gate.unlink()
    assert response.status_code == 200, response.text
    pcm, rate = heard(xtts.client.get(response.json()["audio_url"]).content)
    assert pitch(pcm, rate) == pytest.approx(1_200, abs=5)


@pytest.mark.parametrize(
    ("recordings", "status", "name", "fragment"),
    [
        ([recording(seconds=2.5)], 400, "InvalidInputException", "2.5 s"),
        ([recording(seconds=2.0), recording(seconds=0.2)], 400, "InvalidInputException", "3 to 60 s"),
        ([recording(seconds=4.0), recording(seconds=0.2)], 400, "InvalidInputException", "0.2"),
        ([wav_bytes(0.0)], 400, "InvalidInputException", "no samples"),
        ([recording(0.0, 4.0)], 400, "InvalidInputException", "silent"),
        ([recording(seconds=61.0, rate=8_000)], 413, "TooLargeException", "60 s"),
        ([recording(seconds=31.0, rate=8_000)] * 2, 413, "TooLargeException", "62.0 s"),
        ([recording()[:40_000]], 400, "InvalidInputException", "cut off"),
        ([b"this is no audio at all"], 415, "UnsupportedMediaException", "not audio"),
        ([image_bytes()], 415, "UnsupportedMediaException", "not audio"),
        ([silent_film()], 415, "UnsupportedMediaException", "no audio track"),
        ([recording(), b""], 400, "InvalidInputException", "empty"),
        ([recording(seconds=0.5)] * 11, 400, "InvalidInputException", "10"),
    ],
    ids=[
        "2.5 s",
        "2.2 s in two",
        "0.2 s of two",
        "0 samples",
        "silent",
        "61 s",
        "62 s in two",
        "truncated",
        "text",
        "image",
        "film",
        "empty",
        "eleven",
    ],
)
def test_recordings_that_cannot_be_used(
    xtts: Api, recordings: list[bytes], status: int, name: str, fragment: str
) -> None:
    """Too short, too long, silent, damaged, no audio: one clear error, and no voice."""
    assert_error(post(xtts, *recordings), status, name, fragment)
    assert len(xtts.client.get(VOICES).json()["voices"]) == 2
    assert not xtts.settings.voices_path.exists()


def test_names_that_look_like_json(xtts: Api) -> None:
    """A form's name is text, whatever it looks like."""
    for index, name in enumerate(("1", "null", '{"a": 1}')):
        response = post(xtts, recording(500 + 50 * index), name=name)
        assert (response.status_code, response.json().get("name")) == (201, name), response.text


def test_names_are_not_taken_at_once(xtts: Api) -> None:
    """Two voices of one name, made at the same time: one is refused."""
    with ThreadPoolExecutor() as threads:
        made = list(threads.map(lambda hertz: post(xtts, recording(hertz), name="Twin"), (500, 600)))
    assert sorted(response.status_code for response in made) == [201, 400]
    assert xtts.client.get(f"{VOICES}/Twin").status_code == 200


def test_an_unknown_name_is_answered_briefly(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """Not with every voice that there is."""
    api = serve_with(triton_url=triton_url, model_repository=repository, voice="xtts")
    for index in range(45):
        assert post(api, recording(500 + index), name=f"Voice {index}").status_code == 201
    message = api.client.get(f"{VOICES}/{'q' * 3000}").json()["message"]
    assert "and 7 more" in message
    assert len(message) < 1000


def test_names_are_not_taken_twice(xtts: Api) -> None:
    """A name leads to one voice: those of others, built-in ones included, and `default` are refused."""
    assert post(xtts, recording(500), name="Mine").status_code == 201
    for name in ("Mine", "MINE", "\uff2dine", "ada lovelace", "Be\u0300de", "default"):
        assert_error(post(xtts, recording(600), name=name), 400, "InvalidInputException", "another voice")
    for name in ("", " ", "a\x07b", "a" * 65):
        assert_error(post(xtts, recording(600), name=name), 400, "InvalidInputException", "name")


@pytest.mark.parametrize(
    ("body", "status", "name", "fragment"),
    [
        ({"json": {"name": "Ada"}}, 415, "UnsupportedMediaException", "multipart/form-data"),
        ({"files": {"sound": ("a.wav", b"x")}}, 400, "InvalidInputException", "sound"),
        ({"files": {"x": ("", b"")}, "data": {"audio": "text"}}, 400, "InvalidInputException", "audio"),
        ({"files": {"audio": ("a", b"x")}, "data": {"more": "1"}}, 400, "InvalidInputException", "more"),
    ],
)
def test_bodies_that_are_no_recordings(
    xtts: Api, body: dict[str, Any], status: int, name: str, fragment: str
) -> None:
    """Forms are checked here as strictly as elsewhere."""
    assert_error(xtts.client.post(VOICES, **body), status, name, fragment)


def test_as_many_voices_as_are_kept(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """MAX_VOICES bounds the folder; a removed voice makes room."""
    api = serve_with(triton_url=triton_url, model_repository=repository, voice="xtts", max_voices=1)
    made = post(api, recording(500)).json()
    assert_error(post(api, recording(600)), 507, "StorageException", "remove one")
    assert post(api, recording(500)).status_code == 200
    api.client.delete(f"{VOICES}/{made['id']}")
    assert post(api, recording(600)).status_code == 201


def test_files_that_are_no_voices(xtts: Api) -> None:
    """Damaged and foreign files in the folder are left out, and the log names them."""
    made = post(xtts, recording(500), name="Whole").json()
    folder = xtts.settings.voices_path
    whole = (folder / f"{made['id']}.safetensors").read_bytes()
    (folder / f"{'1' * 32}.safetensors").write_bytes(whole[:100])
    save_file({"x": np.zeros(1, np.float32)}, folder / f"{'2' * 32}.safetensors")
    (folder / "notes.safetensors").write_bytes(whole)
    names = [voice["name"] for voice in xtts.client.get(VOICES).json()["voices"]]
    assert names == ["Ada Lovelace", "Bède", "Whole"]
    assert f"{'1' * 32}.safetensors is damaged" in xtts.log()
    assert xtts.client.delete(f"{VOICES}/{'1' * 32}").status_code == 204


def test_a_checkpoint_that_was_not_exported(serve_with: Serve, triton_url: str, tmp_path: Path) -> None:
    """Without the exported speakers one clear line says what to do; the status page stays up."""
    api = serve_with(triton_url=triton_url, model_repository=tmp_path, voice="xtts")
    assert_error(api.client.get(VOICES), 500, "ModelLoadException", "lumen export xtts")
    assert_error(api.client.post(TTS, json={"text": "one"}), 500, "ModelLoadException", "lumen export xtts")
    status = api.client.get("/api/status").json()
    assert status["voices"] == []
    assert len(status["languages"]) == 17


def test_voices_when_triton_is_not_there(serve_with: Serve, repository: Path) -> None:
    """Voices are listed without Triton, none can be made, and nothing is left of the try."""
    api = serve_with(model_repository=repository, voice="xtts")
    assert api.client.get(VOICES).status_code == 200
    assert_error(post(api, recording()), 503, "ServiceUnavailableException", "Triton")
    assert not api.settings.voices_path.exists()


def test_a_folder_that_cannot_be_written(
    serve_with: Serve, triton_url: str, repository: Path, tmp_path: Path
) -> None:
    """A file where the folder of voices should be is 507, not a bug."""
    (tmp_path / "voices").touch()
    api = serve_with(
        triton_url=triton_url, model_repository=repository, voice="xtts", voices_path=tmp_path / "voices"
    )
    assert_error(post(api, recording()), 507, "StorageException", "voices folder")


def test_a_disk_that_is_full(serve_with: Serve, triton_url: str, repository: Path, small_disk: Path) -> None:
    """No voice, 507, nothing left of it; the other voices speak on."""
    voices = small_disk / "voices"
    api = serve_with(triton_url=triton_url, model_repository=repository, voice="xtts", voices_path=voices)
    with (small_disk / "ballast").open("wb") as ballast, contextlib.suppress(OSError):
        ballast.write(bytes(2**17))
    assert_error(post(api, recording()), 507, "StorageException")
    assert not [path for path in voices.rglob("*") if path.is_file()]
    assert api.client.post(TTS, json={"text": "one"}).status_code == 200


def test_voices_of_espeak(api: Api) -> None:
    """With eSpeak its voices are listed, and making and removing one is refused by the part's name."""
    body = api.client.get(VOICES).json()
    assert body["part"] == "espeak"
    assert {"default", "f2"} <= {voice["id"] for voice in body["voices"]}
    assert api.client.get(f"{VOICES}/f2").json()["kind"] == "builtin"
    assert_error(api.client.get(f"{VOICES}/nobody"), 404, "NotFoundException")
    assert_error(post(api, recording()), 400, "InvalidInputException", "espeak", "VOICE=xtts")
    assert_error(api.client.delete(f"{VOICES}/f2"), 400, "InvalidInputException", "espeak")


def test_health_names_the_models_of_the_chain(xtts: Api, repository: Path) -> None:
    """All of XTTS's models are there, those that only make voices too, and unload together."""
    assert post(xtts, recording()).status_code == 201
    assert xtts.client.post(TTS, json={"text": "one"}).status_code == 200
    body = xtts.client.get("/health").json()
    xtts_models = {name: model["state"] for name, model in body["models"].items() if "xtts" in name}
    names = ("xtts", "xtts_gpt", "xtts_vocoder", "xtts_conditioning", "xtts_speaker")
    assert xtts_models == dict.fromkeys(names, "READY")
    assert body["status"] == "healthy"
