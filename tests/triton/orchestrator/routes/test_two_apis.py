"""Voices and avatars of two APIs that have a bucket in common and no disk."""

from pathlib import Path

import pytest

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import recording
from tests.support.s3_server import S3Server
from tests.support.sadtalker_clips import AVATARS, film, picture
from tests.support.waiting import wait_until

VOICES, TTS = "/api/voices", "/api/generate/tts"


@pytest.fixture
def apis(
    s3: S3Server, serve_with: Serve, triton_url: str, repository: Path, request: pytest.FixtureRequest
) -> tuple[Api, Api]:
    settings = s3.settings(request.node.name)
    parts = {"triton_url": triton_url, "model_repository": repository, "voice": "xtts", "face": "sadtalker"}
    one, two = (serve_with(**parts, **settings, max_avatars=1) for _ in range(2))
    return one, two


def post_avatar(api: Api, height: int, name: str) -> int:
    """Status of the making of an avatar; pictures of another height are others."""
    files = {"portrait_file": picture(160, height, (90, 160, 60))}
    return api.client.post(AVATARS, files=files, data={"name": name}).status_code


def test_what_users_keep_at_two_apis(apis: tuple[Api, Api]) -> None:
    """An avatar and a voice of one are used at the other, counted and removed there, and leave no file."""
    here, there = apis
    assert post_avatar(here, 120, "Grace") == 201
    assert post_avatar(there, 120, "Another name") == 200
    assert_error(
        there.client.post(AVATARS, files={"portrait_file": picture(160, 140)}), 507, "StorageException", "1"
    )
    answer = film(there, avatar="grace")
    assert answer.status_code == 200, answer.text
    avatar = answer.json()["avatar"]
    assert there.client.get(f"{AVATARS}/{avatar}/picture").content[:2] == b"\xff\xd8"
    made = here.client.post(VOICES, files={"audio": recording(500)}, data={"name": "Ada"})
    assert made.status_code == 201, made.text
    assert there.client.post(TTS, json={"text": "one", "voice": "Ada"}).status_code == 200
    for path in (f"{AVATARS}/{avatar}", f"{VOICES}/{made.json()['id']}"):
        assert there.client.delete(path).status_code == 204
        assert_error(here.client.get(path), 404, "NotFoundException")
    assert_error(film(here, avatar=avatar), 404, "NotFoundException", avatar)
    assert post_avatar(here, 140, "Grace") == 201
    for api in apis:
        assert not api.settings.avatars_path.exists()
        assert not api.settings.voices_path.exists()


def test_a_bucket_that_is_away(s3: S3Server, apis: tuple[Api, Api]) -> None:
    """What needs it is 503 and says when to ask again; what does not goes on; afterwards all is as before."""
    here, there = apis
    assert post_avatar(here, 160, "Before") == 201
    assert (
        there.client.delete(f"{AVATARS}/{film(there, avatar='Before').json()['avatar']}").status_code == 204
    )
    with s3.away():
        refused = [
            here.client.post(AVATARS, files={"portrait_file": picture(160, 180)}),
            here.client.get(AVATARS),
            here.client.get(f"{AVATARS}/Before"),
            film(here, avatar="Before"),
            here.client.post(TTS, json={"text": "one", "voice": "Nobody"}),
        ]
        for answer in refused:
            assert_error(answer, 503, "ServiceUnavailableException", "OBJECTS_URL", "try again")
            assert int(answer.headers["retry-after"]) > 0
        streamed = here.client.post(TTS, json={"text": "one", "voice": "Ada Lovelace", "stream": True})
        assert streamed.status_code == 200, streamed.text
    wait_until(lambda: here.client.get(AVATARS).status_code == 200)
    assert here.client.get(AVATARS).json()["avatars"] == []
    wait_until(lambda: post_avatar(here, 180, "After") in (200, 201))
    assert there.client.get(f"{AVATARS}/After").status_code == 200
