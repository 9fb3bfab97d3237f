"""Avatars keep the features that a face made of a portrait."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import image_bytes
from tests.support.sadtalker_clips import AVATARS, film, film_with, frames_of, picture, told


def test_avatars_are_made_once_and_filmed(sadtalker: Api, repository: Path) -> None:
    """A portrait is kept with its features: the same picture is the same avatar."""
    files = {"portrait_file": picture(160, 120, (90, 160, 60))}
    data = {"name": "Grace", "preprocess": "full"}
    made, again = (sadtalker.client.post(AVATARS, files=files, data=data) for _ in range(2))
    assert (made.status_code, again.status_code) == (201, 200), made.text
    body = made.json()
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert again.json()["id"] == body["id"]
    assert (body["name"], body["part"], body["size"], body["preprocess"]) == (
        *("Grace", "sadtalker"),
        *(256, "full"),
    )
    assert (body["face"], body["confidence"]) == ([40, 30, 120, 90], 0.75)
    assert (body["usable"], body["warnings"]) == (True, [])
    assert [file.name for file in sadtalker.settings.avatars_path.iterdir()] == [f"{body['id']}.safetensors"]
    before = len(told(repository, "sadtalker_portrait"))
    for avatar in (body["id"], "grace"):
        response = film(sadtalker, avatar=avatar, blend="poisson", pose_style=3)
        assert frames_of(sadtalker, response)[0].shape == (120, 160, 3)
        answer = response.json()
        assert (answer["avatar"], answer["portrait"]) == (body["id"], "Grace")
        assert answer["controls"] == {"preprocess": "full", "blend": "poisson", "pose_style": 3}
    assert len(told(repository, "sadtalker_portrait")) == before


def test_avatars_of_an_older_version_are_not_usable(sadtalker: Api) -> None:
    """Files without this version's format are listed as not usable and refused; a new post replaces them."""
    made = sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "Old"}).json()
    folder, old = sadtalker.settings.avatars_path, "0123456789abcdef" * 2
    path = folder / f"{made['id']}.safetensors"
    with safe_open(path, framework="np") as file:
        header = {key: value for key, value in file.metadata().items() if key != "format"}
        tensors = {"crop": file.get_tensor("crop"), "row": file.get_tensor("coefficients")}
    save_file(tensors, folder / f"{old}.safetensors", header)
    path.unlink()
    (listed,) = sadtalker.client.get(AVATARS).json()["avatars"]
    assert (listed["id"], listed["name"], listed["usable"]) == (old, "Old", False)
    assert_error(film(sadtalker, avatar="Old"), 400, "InvalidInputException", "Old", "post its portrait")
    again = sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "New"})
    assert (again.status_code, again.json()["usable"]) == (201, True)


def test_avatars_are_listed_read_and_removed(sadtalker: Api) -> None:
    """Avatars are found by id and name until they are removed; then no clip is made of them."""
    one = sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "One"}).json()
    two = sadtalker.client.post(AVATARS, json={"portrait": "ada", "preprocess": "resize"}).json()
    listed = sadtalker.client.get(AVATARS).json()
    assert listed["part"] == "sadtalker"
    assert {avatar["id"] for avatar in listed["avatars"]} == {one["id"], two["id"]}
    assert two["name"] == f"avatar-{two['id'][:8]}"
    for key in (one["id"], "one"):
        assert sadtalker.client.get(f"{AVATARS}/{key}").json()["id"] == one["id"]
    assert sadtalker.client.delete(f"{AVATARS}/{one['id']}").status_code == 204
    gone = sadtalker.client.delete(f"{AVATARS}/{one['id']}")
    assert_error(gone, 404, "NotFoundException", one["id"])
    for response in (sadtalker.client.get(f"{AVATARS}/One"), film(sadtalker, avatar="One")):
        assert_error(response, 404, "NotFoundException", "One")


def test_an_avatar_has_its_own_portrait(sadtalker: Api) -> None:
    """A portrait or crop option sent beside an avatar is refused; the message names both."""
    made = sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "Own"})
    assert made.status_code == 201, made.text
    upload = film_with(sadtalker, "portrait_file", image_bytes(), avatar="Own")
    assert_error(upload, 400, "InvalidInputException", "avatar", "portrait_file")
    for name, value in {"portrait": "ada", "size": 256, "preprocess": "crop"}.items():
        response = film(sadtalker, avatar="Own", **{name: value})
        assert_error(response, 400, "InvalidInputException", "avatar", name)
    assert_error(film(sadtalker, avatar="Own", blend="feather"), 400, "InvalidInputException", "blend")


def test_avatars_that_are_refused(sadtalker: Api) -> None:
    """A name is one avatar's, is no id, and a picture without a face makes none."""
    assert_error(film(sadtalker, avatar="twin"), 404, "NotFoundException", "'twin'; none is made yet")
    assert sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "Twin"}).status_code == 201
    other = {"portrait_file": image_bytes()}
    for name in ("TWIN", "0123456789abcdef" * 2):
        response = sadtalker.client.post(AVATARS, files=other, data={"name": name})
        assert_error(response, 400, "InvalidInputException", "name", name)
    nobody = sadtalker.client.post(AVATARS, json={"portrait": "nobody"})
    assert_error(nobody, 400, "InvalidInputException", "No face was found.")
    text = sadtalker.client.post(AVATARS, files={"portrait_file": b"text"})
    assert text.status_code == 415
    assert len(list(sadtalker.settings.avatars_path.iterdir())) == 1


def test_names_are_not_taken_at_once(sadtalker: Api) -> None:
    """Two avatars of one name, made at the same time: one is refused and leaves no file."""
    files = [{"portrait_file": picture(120, 100 + 20 * index, (90, 60, 40))} for index in range(2)]
    with ThreadPoolExecutor(2) as threads:
        made = threads.map(
            lambda each: sadtalker.client.post(AVATARS, files=each, data={"name": "Twin"}), files
        )
        refused, kept = sorted(made, key=lambda response: -response.status_code)
    assert kept.status_code == 201
    assert_error(refused, 400, "InvalidInputException", "name", "Twin")
    (listed,) = sadtalker.client.get(AVATARS).json()["avatars"]
    assert listed["id"] == kept.json()["id"]


def test_an_avatar_of_another_face_is_not_filmed(sadtalker: Api, serve_with: Serve, triton_url: str) -> None:
    """Avatars belong to the face that made them: another one lists them as unusable and says what to do."""
    made = sadtalker.client.post(AVATARS, json={"portrait": "ada", "name": "Foreign"})
    assert made.status_code == 201, made.text
    warp = serve_with(triton_url=triton_url, avatars_path=sadtalker.settings.avatars_path, max_avatars=2)
    (listed,) = warp.client.get(AVATARS).json()["avatars"]
    assert not listed["usable"]
    assert_error(film(warp, avatar="Foreign"), 400, "InvalidInputException", "Foreign", "post its portrait")
    own = warp.client.post(AVATARS, json={"portrait": "ada", "name": "Warped"})
    assert own.status_code == 201, own.text
    assert frames_of(warp, film(warp, avatar="warped"))[0].shape == (512, 512, 3)
    full = warp.client.post(AVATARS, files={"portrait_file": image_bytes()})
    assert_error(full, 507, "StorageException", "2 avatars")
