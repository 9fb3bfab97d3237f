"""`/api/outputs`, and files that are kept, made again, and gone."""

import io
import threading
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.media import derived_sound
from orchestrator.media.sound_files import FORMATS, SUFFIXES, FormatName, sound_file
from orchestrator.store.records import OutputFile, OutputRecord
from tests.support.api_server import Api, Serve, assert_error
from tests.support.keys import new_key
from tests.support.waiting import wait_until

OUTPUTS = "/api/outputs"
RATE = 22_050


@pytest.fixture(scope="module")
def api(serve_with: Serve) -> Api:
    return serve_with()


def spoken(
    api: Api, name: str, kind: FormatName = "m4a", owner: str = "", seconds: float = 0.7
) -> OutputRecord:
    """A recorded output: a tone in a format."""
    outputs = api.services.outputs
    path = outputs.audio(name, SUFFIXES[kind])
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    media_type = FORMATS[kind].media_type if kind in FORMATS else "audio/wav"
    with sound_file(kind, path, RATE, RATE, {}) as write:
        write(tone.astype(np.float32))
    record = OutputRecord(
        id=name,
        owner=owner,
        kind="speech",
        created=datetime.now(UTC),
        expires=None,
        files=(OutputFile("audio", f"audio/{path.name}", path.stat().st_size, media_type),),
        seconds=seconds,
        parts={"voice": "espeak"},
        text="A tone.",
    )
    api.services.kept.add(record)
    return record


def test_listed_described_removed(api: Api) -> None:
    """An output is listed with its files and addresses, described by its id, and removed with its files."""
    record = spoken(api, "listed")
    told = api.client.get(OUTPUTS).json()["outputs"][0]
    assert (told["id"], told["kind"], told["text"]) == ("listed", "speech", "A tone.")
    assert told["files"] == [
        {
            "role": "audio",
            "url": "/outputs/audio/listed.m4a",
            "bytes": record.files[0].bytes,
            "media_type": "audio/mp4",
        }
    ]
    one = api.client.get(f"{OUTPUTS}/listed").json()
    assert {name: one[name] for name in told} == told
    assert api.client.get(told["audio_url"]).status_code == 200
    assert api.client.delete(f"{OUTPUTS}/listed").status_code == 204
    assert_error(api.client.get(f"{OUTPUTS}/listed"), 404, "NotFoundException", "listed")
    assert_error(api.client.delete(f"{OUTPUTS}/listed"), 404, "NotFoundException", "listed")
    gone = api.client.get(told["audio_url"])
    assert_error(gone, 404, "NotFoundException", "any more", "/api/outputs")
    video = api.client.post("/api/generate/video", json={"audio_url": "/outputs/audio/listed.wav"})
    assert_error(video, 404, "NotFoundException", "any more")


def test_owners(serve_with: Serve, tmp_path: Path) -> None:
    """What belongs to another key is not there; everyone's is, and an admin's key removes either."""
    keys = tmp_path / "keys.json"
    own, admin = new_key(keys, "own"), new_key(keys, "root", "admin")
    api = serve_with(keys_path=keys)
    for name, owner in (("mine", own.id), ("theirs", "another"), ("everyones", "")):
        spoken(api, name, owner=owner)
    for key, seen in ((own, ["everyones", "mine"]), (admin, ["everyones", "theirs", "mine"])):
        listed = api.client.get(OUTPUTS, headers=key.headers).json()["outputs"]
        assert [each["id"] for each in listed] == seen
    for method in ("GET", "DELETE"):
        answer = api.client.request(method, f"{OUTPUTS}/theirs", headers=own.headers)
        assert_error(answer, 404, "NotFoundException")
    refused = api.client.delete(f"{OUTPUTS}/everyones", headers=own.headers)
    assert_error(refused, 403, "ForbiddenException", "everyone", "admin")
    for name in ("theirs", "everyones", "mine"):
        assert api.client.delete(f"{OUTPUTS}/{name}", headers=admin.headers).status_code == 204
    assert list(api.services.outputs.files()) == []


def test_files_of_keys_that_are_gone(serve_with: Serve) -> None:
    """While there are no keys, other machines fetch everyone's files, and none of a key that was removed."""
    api, another_machine = serve_with(), {"X-Forwarded-For": "192.0.2.7"}
    for name, owner in (("theirs", "removed"), ("everyones", "")):
        spoken(api, name, owner=owner)
    for headers, status in ((another_machine, 404), ({}, 200)):
        answer = api.client.get("/outputs/audio/theirs.m4a", headers=headers)
        assert answer.status_code == status
        assert api.client.get("/outputs/audio/everyones.m4a", headers=headers).status_code == 200


def test_pages(api: Api) -> None:
    """Pages lead on to the last one; a wrong order, size or place is refused."""
    for index in range(5):
        spoken(api, f"page{index}")
    found: list[str] = []
    parameters: dict[str, str | int] = {"limit": 2, "order": "asc"}
    while True:
        body = api.client.get(OUTPUTS, params=parameters).json()
        found += [each["id"] for each in body["outputs"]]
        assert body["has_more"] == ("next" in body)
        if not body["has_more"]:
            break
        parameters["after"] = body["next"]
    assert [name for name in found if name.startswith("page")] == [f"page{index}" for index in range(5)]
    assert api.client.get(OUTPUTS, params={"kind": "video"}).json()["outputs"] == []
    for wrong in ({"order": "up"}, {"limit": 0}, {"limit": 101}, {"kind": "picture"}):
        assert_error(api.client.get(OUTPUTS, params=wrong), 400, "InvalidInputException", *wrong)
    assert_error(api.client.get(OUTPUTS, params={"after": "none"}), 404, "NotFoundException", "start again")


@pytest.mark.parametrize("kind", ["m4a", "opus", "mp3", "flac"])
def test_the_wav_of_compressed_sound(api: Api, kind: FormatName) -> None:
    """The WAV is served from what is kept: as long, with ranges, and counted while it is there."""
    record = spoken(api, f"wav-{kind}", kind)
    before = api.services.kept.bytes
    url = f"/outputs/audio/wav-{kind}.wav"
    part = api.client.get(url, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"RIFF")
    answer = api.client.get(url)
    assert answer.headers["content-type"] == "audio/x-wav" or answer.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE, round(record.seconds * RATE))
        pcm = np.frombuffer(file.readframes(RATE), np.int16) / 32768
    assert np.sqrt(np.mean(pcm**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    assert spectrum.argmax() * RATE / len(pcm) == pytest.approx(440, abs=3)
    assert api.services.kept.bytes == before + len(answer.content)
    assert b"made by a machine" in answer.content


def test_a_wav_that_many_ask_for_at_once(api: Api) -> None:
    """The same WAV is made for all who ask for it, and every one of them gets all of it."""
    spoken(api, "wanted", seconds=5.0)
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.client.get("/outputs/audio/wanted.wav").content))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({*answers}) == 1
    assert len(answers[0]) > 5 * RATE * 2


@pytest.mark.parametrize("moment", ["before it is decoded", "while it is decoded", "when it has its name"])
def test_removed_while_its_wav_is_made(api: Api, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """An output that is removed while somebody fetches its WAV leaves nothing behind."""
    record = spoken(api, f"fetched-{len(moment)}", "flac")
    name, decode = record.id, derived_sound.decode_audio
    sound, kept, path = api.services.sound, api.services.kept, api.services.outputs.audio(record.id)

    def removed() -> None:
        assert api.client.delete(f"{OUTPUTS}/{name}").status_code == 204

    def decoding(*arguments: Any) -> Any:
        decoded = decode(*arguments)
        removed()
        return decoded

    def before(*arguments: Any) -> None:
        removed()
        make_file(*arguments)

    def after(*arguments: Any) -> None:
        make_file(*arguments)
        removed()

    make_file = sound._decode
    if moment == "while it is decoded":
        monkeypatch.setattr(derived_sound, "decode_audio", decoding)
    else:
        monkeypatch.setattr(sound, "_decode", before if moment == "before it is decoded" else after)
    for _ in range(2):
        assert_error(api.client.get(f"/outputs/audio/{name}.wav"), 404, "NotFoundException", "any more")
    assert (path.exists(), api.services.outputs.files_of(name), kept.read(name)) == (False, [], None)


@pytest.mark.parametrize(
    "path", ["audio/none.wav", "video/listed.wav", ".records/page0.json", "audio/../.records/page0.json"]
)
def test_what_is_not_there(api: Api, path: str) -> None:
    """No WAV is made of nothing, and records are not served as files."""
    spoken(api, "page0")
    assert_error(api.client.get(f"/outputs/{path}"), 404, "NotFoundException")


def test_kept_no_longer_than_the_server_keeps_things(api: Api) -> None:
    """A request that wants its output kept beyond the operator's limit is refused."""
    body = {"text": "one", "retain_seconds": 8 * 86_400}
    answer = api.client.post("/api/generate/tts", json=body)
    assert_error(answer, 400, "InvalidInputException", "retain_seconds", "604800")


def test_a_folder_that_is_swept_while_it_is_fetched(serve_with: Serve) -> None:
    """A download that is slow gets all of its file, though newer outputs need its room; then it goes."""
    api = serve_with(retention_bytes=60_000, audio_format="wav")
    spoken(api, "slow", "wav", seconds=1.3)
    path: Path = api.services.outputs.audio("slow")
    size = path.stat().st_size
    with api.client.stream("GET", "/outputs/audio/slow.wav") as answer:
        spoken(api, "new", "wav", seconds=1.3)
        received = b"".join(answer.iter_raw())
    assert len(received) == size
    spoken(api, "newer", "wav", seconds=1.3)
    kept = api.services.kept  # the server ends its reading after the client has all of it
    wait_until(lambda: bool(kept.sweep(protected="newer")) or not path.exists())
    assert [each["id"] for each in api.client.get(OUTPUTS).json()["outputs"]] == ["newer"]
