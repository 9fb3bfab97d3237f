"""What belongs to a key is neither seen nor changed by another: two keys try 200 requests each."""

import asyncio
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
import pytest

from orchestrator.faces.avatars import FORMAT
from orchestrator.store.file_store import FolderStore
from orchestrator.store.tensor_store import TensorStore
from orchestrator.voices.library import ClonedVoice, Latents, VoiceLibrary
from orchestrator.voices.references import PARAMETERS, fingerprint
from tests.support.api_server import Serve
from tests.support.keys import TestKey, new_key
from tests.support.live_client import talking
from tests.support.xtts_files import WIDTH, write_checkpoint

REQUESTS: Final = 200

NAMES: Final = ("Pelagia", "Theodora")
"""In the names of all that each key has; neither must be in an answer to the other one."""


@dataclass(frozen=True)
class Owned:
    """All that one key has; ``name`` is in all of it."""

    key: TestKey
    avatar: str
    voice: str
    name: str
    audio_url: str
    video_url: str
    progress: str


class Served:
    """An API with two keys that have the same things, and one that everybody has."""

    def __init__(self, serve_with: Serve, folder: Path) -> None:
        (folder / "xtts" / "1").mkdir(parents=True)
        write_checkpoint(folder / "xtts" / "1")
        path = folder / "keys.json"
        keys = [new_key(path, f"key of {name}") for name in NAMES]
        self.admin = new_key(path, "root", "admin")
        self.api = serve_with(
            keys_path=path,
            voice="xtts",
            model_repository=folder,
            voices_path=folder / "voices",
            avatars_path=folder / "avatars",
        )
        self.avatars = TensorStore(FolderStore(folder / "avatars", "avatars"), "avatar", 100)
        self.voices = VoiceLibrary(FolderStore(folder / "voices", "voices"), folder / "xtts" / "1", 100)
        self.owners: dict[str, str] = {}
        self.api.services.access.owner_of = self.owner_of
        self.places = ExitStack()
        self.owned = [self._fill(key, number) for number, key in enumerate(keys)]
        self.common = f"{9:032x}"
        self._keep_avatar(self.common, "Everybody's")

    async def owner_of(self, path: PurePath) -> str | None:
        return self.owners.get(str(path))

    def _fill(self, key: TestKey, number: int) -> Owned:
        avatar, voice, name = f"{number + 1:032x}", f"{number + 5:032x}", NAMES[number]
        outputs = self.api.services.outputs
        with key.asking():
            self._keep_avatar(avatar, name)
            latents = Latents(np.ones((32, WIDTH), np.float32), np.ones(512, np.float32))
            asyncio.run(self.voices.add(ClonedVoice(voice, name, 4.0, {}), latents))
            files = outputs.audio(f"sound-{number}"), outputs.video(f"film-{number}")
            for file in files:
                file.write_bytes(name.encode())
                self.owners[outputs.url(file).partition("?")[0]] = key.id
            progress = f"progress-of-{number}"
            self.places.enter_context(self.api.services.progress.shown(progress))
            paths = [outputs.url(file).partition("?")[0] for file in files]
        return Owned(key, avatar, voice, name, *paths, progress)

    def _keep_avatar(self, avatar: str, name: str) -> None:
        header = {"format": FORMAT, "name": name, "created": "2026-11-28", "part": "warp", "size": "512"}
        header |= {"preprocess": "", "source_sha256": "x", "box": "null", "face": "null"}
        header |= {"confidence": "null", "warnings": "[]"}
        asyncio.run(self.avatars.write(avatar, {"crop": np.zeros((2, 2, 3), np.uint8)}, header))


@pytest.fixture(scope="module")
def served(serve_with: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(serve_with, tmp_path_factory.mktemp("isolation"))
    yield found
    found.places.close()


def attempts(of: Owned) -> Iterator[tuple[str, str, Mapping[str, Any], set[int]]]:
    """Requests for what another key has, and the statuses that are right for them."""
    missing = {404}
    for method in ("GET", "HEAD", "DELETE"):
        for path in (f"/api/avatars/{of.avatar}", f"/api/voices/{of.voice}"):
            yield method, path, {}, missing
        for path in (f"/api/avatars/{of.name}", f"/api/voices/{of.name.lower()}"):
            yield method, path, {}, missing
    for path in (of.audio_url, of.video_url, f"/api/generate/progress/{of.progress}"):
        yield "GET", path, {}, missing
        yield "HEAD", path, {}, missing
        yield "GET", path, {"headers": {"Range": "bytes=0-3"}}, missing
    yield "GET", f"{of.audio_url}?token={of.key.id}.99999999999.{'A' * 32}", {}, missing
    for avatar in (of.avatar, of.name, of.avatar.upper()):
        yield "POST", "/api/generate/full", {"json": {"prompt": "Hi", "avatar": avatar}}, missing
        idle = {"idle_seconds": 1, "avatar": avatar}
        yield "POST", "/api/generate/video", {"json": idle}, missing
    for voice in (of.voice, of.name):
        for stream in (False, True):
            body = {"text": "Hi", "voice": voice, "stream": stream}
            yield "POST", "/api/generate/tts", {"json": body}, missing
    yield "POST", "/api/generate/video", {"json": {"audio_url": of.audio_url, "portrait": "ada"}}, missing
    for path in ("/api/avatars", "/api/voices", "/api/status", "/v1/usage?days=31", "/health"):
        yield "GET", path, {}, {200}


@pytest.mark.parametrize("number", [0, 1])
def test_two_hundred_requests_on_what_another_key_has(served: Served, number: int) -> None:
    """Nothing is seen, nothing is changed, and what is there is answered as what never was."""
    asking, other = served.owned[number].key, served.owned[1 - number]
    every = list(attempts(other))
    chosen = [every[n % len(every)] for n in range(REQUESTS)]
    random.Random(number).shuffle(chosen)
    assert len(chosen) == REQUESTS
    before = kept(served)
    for method, path, options, right in chosen:
        headers = {**options.get("headers", {}), **asking.headers}
        response = served.api.client.request(method, path, **{**options, "headers": headers})
        assert response.status_code in right, (method, path, response.text)
        asked = other.name.lower() in f"{path} {options}".lower()  # then an error repeats it
        told = response.text if not asked else response.text.replace(other.name, "", 1)
        assert other.name not in told, (method, path, told)
        assert asked or other.key.id not in response.text.replace(path, ""), (method, path, response.text)
    assert kept(served) == before


def kept(served: Served) -> dict[str, bytes]:
    """All files that the keys have."""
    settings = served.api.settings
    roots = settings.outputs_path, settings.avatars_path, settings.voices_path
    return {str(path): path.read_bytes() for root in roots for path in root.rglob("*") if path.is_file()}


def test_own_things_are_found(served: Served) -> None:
    """A key finds what it has, and what belongs to everyone; it may not remove the latter."""
    for own in served.owned:
        ask, headers = served.api.client, own.key.headers
        cards = ask.get("/api/avatars", headers=headers).json()["avatars"]
        found = {card["id"]: card.get("owner") for card in cards}
        assert found == {own.avatar: own.key.id, served.common: None}
        voices = ask.get("/api/voices", headers=headers).json()["voices"]
        assert [card["id"] for card in voices if card["kind"] == "custom"] == [own.voice]
        assert ask.get(f"/api/avatars/{own.name}", headers=headers).json()["id"] == own.avatar
        assert ask.get(own.audio_url, headers=headers).content == own.name.encode()
        assert ask.get(f"/api/generate/progress/{own.progress}", headers=headers).status_code == 200
        assert ask.delete(f"/api/avatars/{served.common}", headers=headers).status_code == 403
    headers = served.admin.headers
    cards = served.api.client.get("/api/avatars", headers=headers).json()["avatars"]
    assert len(cards) == 3
    assert served.api.client.get(served.owned[0].audio_url, headers=headers).status_code == 200


def test_answers_do_not_tell_whether_it_is_there(served: Served) -> None:
    """The answer for what another key has is, word for word, that for what never was."""
    asking, other = served.owned[0].key, served.owned[1]
    never = {"avatar": "e" * 32, "voice": "e" * 32, "audio": "/outputs/audio/never.wav"}
    pairs = [
        ("GET", f"/api/avatars/{other.avatar}", f"/api/avatars/{never['avatar']}"),
        ("DELETE", f"/api/avatars/{other.avatar}", f"/api/avatars/{never['avatar']}"),
        ("GET", f"/api/voices/{other.voice}", f"/api/voices/{never['voice']}"),
        ("DELETE", f"/api/voices/{other.voice}", f"/api/voices/{never['voice']}"),
        ("GET", other.audio_url, never["audio"]),
        ("GET", f"/api/generate/progress/{other.progress}", "/api/generate/progress/never-there"),
    ]
    for method, theirs, nobodys in pairs:
        ask, headers = served.api.client, asking.headers
        answers = [ask.request(method, path, headers=headers) for path in (theirs, nobodys)]
        told = [{**answer.json(), "request_id": ""} for answer in answers]
        texts = [
            json.dumps(each).replace(path.rpartition("/")[2], "x").replace(path, "x")
            for each, path in zip(told, (theirs, nobodys), strict=True)
        ]
        assert texts[0] == texts[1]
        assert answers[0].status_code == answers[1].status_code == 404


def test_the_same_name_for_two_keys(served: Served) -> None:
    """A name that another key has given is free, as if nobody had it."""
    one, two = served.owned
    with one.key.asking():
        assert two.name not in {stored.header["name"] for stored in asyncio.run(served.avatars.all())}
        asyncio.run(served.voices.check_name(two.name, f"{77:032x}"))


def test_a_conversation_with_another_keys_avatar(served: Served) -> None:
    """A live conversation finds its own key's avatars, by id and name, and no other's."""
    own, other = served.owned
    with talking(served.api.url, additional_headers=own.key.headers) as client:
        for character, code in ((other.avatar, "invalid_character"), (other.name, "invalid_character")):
            client.send("session.update", session={"type": "realtime", "avatar": {"character": character}})
            error = client.failure()
            assert error["code"] == code
            assert "There is no avatar" in error["message"]
        client.send("session.update", session={"type": "realtime", "avatar": {"character": own.avatar}})
        assert "made with another checkpoint" in client.failure()["message"]


def test_the_same_recordings_of_two_keys_are_two_voices(served: Served) -> None:
    """The key is part of the id, and what is made without one has the id that it always had."""
    ids = [fingerprint([b"recording"])]
    for own in served.owned:
        with own.key.asking():
            ids += [fingerprint([b"recording"]), fingerprint([b"recording"])]
    everyone, one, again, two, _ = ids
    assert one == again
    assert len({everyone, one, two}) == 3
    digest = hashlib.sha256(json.dumps(PARAMETERS, sort_keys=True).encode())
    digest.update(hashlib.sha256(b"recording").digest())
    assert everyone == digest.hexdigest()[:32]
