"""The face SadTalker: speech becomes windows, windows become frames, frames a video."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import wav_bytes
from tests.support.sadtalker_clips import VIDEO, film, film_with, frames_of, picture, told


@pytest.mark.parametrize("seconds", [0.03, 1.0, 3.25])
def test_speech_becomes_frames(sadtalker: Api, repository: Path, seconds: float) -> None:
    """A video has 25 frames a second, of the crop's aspect; its windows know how long the clip is."""
    before = len(told(repository))
    response = sadtalker.client.post(VIDEO, files={"audio": wav_bytes(seconds)}, data={"seed": "7"})
    frames, body = frames_of(sadtalker, response), response.json()
    count = -(-round(seconds * 1000) // 40)
    assert len(frames) == count
    assert {frame.shape for frame in frames} == {(192, 256, 3)}
    assert (body["width"], body["height"], body["size"], body["seed"]) == (256, 192, 256, 7)
    assert body["parts"] == {"face": "sadtalker"}
    assert body["controls"] == {"preprocess": "crop"}
    windows = sorted(told(repository)[before:], key=lambda window: window["first_frame"])
    assert {(w["clip_frames"], w["seed"], w["preprocess"]) for w in windows} == {(count, 7, "crop")}
    assert sum(w["n_frames"] for w in windows) == count


def test_the_chain_films_while_it_speaks(sadtalker: Api, repository: Path) -> None:
    """The first window of a reply is asked for before its length is known, the last one after."""
    before = len(told(repository))
    prompt = " ".join(["word"] * 20)
    response = sadtalker.client.post("/api/generate/full", json={"prompt": prompt, "still": True})
    count = len(frames_of(sadtalker, response))
    windows = sorted(told(repository)[before:], key=lambda window: window["first_frame"])
    assert windows[0]["clip_frames"] == -1
    assert windows[-1]["clip_frames"] == sum(w["n_frames"] for w in windows) == count
    assert all(w["still"] for w in windows)


def test_idle_clips(sadtalker: Api) -> None:
    """A clip in which nobody speaks lasts as long as is asked for; it takes no audio besides."""
    frames = frames_of(sadtalker, film(sadtalker, idle_seconds=1.2))
    assert len(frames) == 30
    assert max(frame[150:].max() for frame in frames) < 20
    assert_error(film(sadtalker, idle_seconds=500), 400, "InvalidInputException", "idle_seconds", "120")
    assert_error(film(sadtalker, idle_seconds=0), 400, "InvalidInputException", "idle_seconds")
    both = film_with(sadtalker, "audio", wav_bytes(0.1))
    assert_error(both, 400, "InvalidInputException", "idle_seconds", "audio")


@pytest.mark.parametrize("blend", [None, "feather", "poisson"])
def test_full_puts_frames_back_into_the_picture(sadtalker: Api, blend: str | None) -> None:
    """With preprocess full the video is the picture, odd sides made even, and only the face's box moves."""
    fields = {"preprocess": "full", "portrait_file": picture(161, 121)}
    upload = fields.pop("portrait_file")
    data = {**fields, **({} if blend is None else {"blend": blend})}
    files = {"audio": wav_bytes(0.4), "portrait_file": upload}
    response = sadtalker.client.post(VIDEO, files=files, data=data)
    frame = frames_of(sadtalker, response)[3].astype(int)
    assert frame.shape == (120, 160, 3)
    assert (response.json()["width"], response.json()["height"]) == (160, 120)
    assert np.abs(frame[:20] - (200, 150, 100)).max() < 12
    assert np.abs(frame[100:] - (200, 150, 100)).max() < 12
    # The lower half of the stand-in's frames is the loudness: 0.26 of white for the tone.
    if blend != "poisson":
        assert np.abs(frame[70:80, 60:100] - 66).max() < 20


def test_large_pictures_are_made_smaller(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """A whole picture is no larger than a video may be, and a warning says so; a crop is not touched."""
    api = serve_with(triton_url=triton_url, model_repository=repository, face="sadtalker", max_video_side=256)
    response = film_with(api, "portrait_file", picture(600, 300), preprocess="full")
    assert frames_of(api, response)[0].shape == (128, 256, 3)
    (warning,) = response.json()["warnings"]
    assert "600 x 300" in warning
    assert "256 x 128" in warning
    crop = film_with(api, "portrait_file", picture(600, 300))
    assert told(repository, "sadtalker_portrait")[-1] == [[300, 600, 3], 256, "crop"]
    assert crop.json()["warnings"] == []


def test_warnings_and_refusals_of_the_portrait(sadtalker: Api, repository: Path) -> None:
    """The model's warnings and refusals of a picture reach the user; it is encoded once per preprocess."""
    small = film_with(sadtalker, "portrait_file", picture(40, 40))
    assert small.json()["warnings"] == ["The face is small."]
    before = len(told(repository, "sadtalker_portrait"))
    for mode in ("crop", "crop", "resize"):
        assert film_with(sadtalker, "portrait_file", picture(40, 42), preprocess=mode).status_code == 200
    assert len(told(repository, "sadtalker_portrait")) == before + 2
    nobody = film(sadtalker, portrait="nobody")
    assert_error(nobody, 400, "InvalidInputException", "No face was found.")


def test_another_checkpoint_studies_again(sadtalker: Api, repository: Path) -> None:
    """A picture that one checkpoint encoded is encoded anew for another, though the API goes on."""
    manifest = repository / "sadtalker_renderer" / "1" / "manifest.json"
    text, before = manifest.read_text(), len(told(repository, "sadtalker_portrait"))
    try:
        for source in ("a" * 64, "b" * 64, "b" * 64):
            manifest.write_text(json.dumps({**json.loads(text), "source_sha256": source}))
            assert film_with(sadtalker, "portrait_file", picture(90, 80)).status_code == 200
    finally:
        manifest.write_text(text)
    assert len(told(repository, "sadtalker_portrait")) == before + 2


def test_health_names_the_models(sadtalker: Api) -> None:
    """Health knows the face's models; none is missing from the repository."""
    models = sadtalker.client.get("/health").json()["models"]
    assert {"sadtalker", "sadtalker_portrait", "sadtalker_motion_full", "face_landmarks"} <= models.keys()
    assert "UNAVAILABLE" not in {model["state"] for model in models.values()}
    limits = sadtalker.client.get("/api/status").json()["limits"]
    assert limits["controls"]["pose_style"] == [0, 45]
