"""The face SadTalker: its windows and controls reach the model, and avatars keep what it learned."""

import io
import json
import re
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import Api, Serve, assert_error
from tests.api.media import image_bytes, silent_film, wav_bytes

pytestmark = pytest.mark.triton

VIDEO, AVATARS = "/api/generate/video", "/api/avatars"


def film(api: Api, **fields: Any) -> httpx.Response:
    """A video of 0.4 s in which nobody speaks, unless ``fields`` say otherwise."""
    return api.client.post(VIDEO, json={"idle_seconds": 0.4, **fields})


def film_with(api: Api, name: str, data: bytes, **fields: str) -> httpx.Response:
    """The same, with an upload."""
    return api.client.post(VIDEO, files={name: data}, data={"idle_seconds": "0.4", **fields})


def frames_of(api: Api, response: httpx.Response) -> list[Any]:
    """The frames of an answer's video, uint8 [height, width, 3]."""
    assert response.status_code == 200, response.text
    with av.open(str(api.settings.outputs_path / response.json()["video_url"][9:])) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def told(repository: Path, model: str = "sadtalker") -> list[Any]:
    """What a stand-in was told, request by request."""
    path = repository / model / "events"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def driving_video(bright: list[int], fps: int = 25) -> bytes:
    """A video whose frames are as bright as ``bright`` says."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=fps, width=64, height=48, pix_fmt="yuv420p")
        for value in bright:
            pixels = np.full((48, 64, 3), value, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def picture(width: int, height: int, colour: tuple[int, int, int] = (200, 150, 100)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "PNG")
    return buffer.getvalue()


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("still", True),
        ("pose_style", 45),
        ("expression_scale", 1.5),
        ("head_motion_scale", 0.0),
        ("blink", 0.5),
        ("seed", 2**31 - 1),
        ("preprocess", "extcrop"),
    ],
)
def test_controls_reach_the_model(sadtalker: Api, repository: Path, name: str, value: object) -> None:
    """A control is what the model is told, and the response says it."""
    response = film(sadtalker, **{name: value})
    assert response.status_code == 200, response.text
    assert told(repository)[-1][name] == value
    body = response.json()
    assert {**body["controls"], "seed": body["seed"]}[name] == value


def test_what_is_left_out_is_the_models_own(sadtalker: Api, repository: Path) -> None:
    """Without controls the model is told of none, so its own defaults hold."""
    assert film(sadtalker).status_code == 200
    assert told(repository)[-1].keys() == {
        *("preprocess", "pcm_start", "first_frame", "n_frames", "clip_frames", "seed")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("still", "yes"),
        ("pose_style", 46),
        ("pose_style", -1),
        ("pose_style", 1.5),
        ("expression_scale", 3.1),
        ("expression_scale", -0.1),
        ("head_motion_scale", 3.1),
        ("blink", 4.1),
        ("blink", -1),
        ("input_yaw", [91]),
        ("input_pitch", []),
        ("input_roll", [0] * 65),
        ("input_yaw", 20),
        ("seed", 2**31),
        ("preprocess", "zoom"),
        ("enhancer", "sharpen"),
        ("blend", "glue"),
        ("blend", "poisson"),
        ("size", 512),
        ("avatar", ""),
    ],
)
def test_controls_out_of_range_are_refused_by_name(
    sadtalker: Api, repository: Path, name: str, value: object
) -> None:
    """What is out of range, unknown or of no use here is a 400 that names it; no model is asked."""
    before = len(told(repository))
    assert_error(film(sadtalker, **{name: value}), 400, "InvalidInputException", name)
    assert len(told(repository)) == before


def test_angles_hold_or_turn(sadtalker: Api, repository: Path) -> None:
    """One angle holds, several turn over the whole clip, none is as predicted."""
    before = len(told(repository))
    response = film(sadtalker, idle_seconds=1.0, input_yaw=[-10, 10], input_roll=[5])
    assert response.status_code == 200, response.text
    assert response.json()["controls"]["input_yaw"] == [-10, 10]
    windows = sorted(told(repository)[before:], key=lambda window: window["first_frame"])
    yaw, pitch, roll = zip(*[row for window in windows for row in window["camera"]], strict=True)
    assert yaw == pytest.approx(np.linspace(-10, 10, 25), abs=1e-4)
    assert set(pitch) == {None}
    assert set(roll) == {5.0}


def test_a_turn_takes_the_length_of_a_reply(sadtalker: Api, repository: Path) -> None:
    """A camera that turns in the whole chain ends its turn with the speech."""
    before = len(told(repository))
    fields = {"prompt": "one two three four five six", "input_pitch": [0, 20]}
    response = sadtalker.client.post("/api/generate/full", json=fields)
    count = len(frames_of(sadtalker, response))
    windows = sorted(told(repository)[before:], key=lambda window: window["first_frame"])
    assert {window["clip_frames"] for window in windows} == {count}
    pitch = [row[1] for window in windows for row in window["camera"]]
    assert pitch == pytest.approx(np.linspace(0, 20, count), abs=1e-4)


@pytest.mark.parametrize(
    ("upload", "tensor"), [("ref_eyeblink_file", "driver_expression"), ("ref_pose_file", "driver_pose")]
)
def test_driving_videos_lend_their_motion(sadtalker: Api, repository: Path, upload: str, tensor: str) -> None:
    """A driving video is read once, in pieces that begin with its first frame; each frame has its row."""
    bright = [60 + 2 * index for index in range(70)]
    before = len(told(repository, "sadtalker_driver"))
    # Another rate for the other control, so that it is another video.
    data = driving_video(bright, 25 if upload == "ref_pose_file" else 50)
    for _ in range(2):
        response = film_with(sadtalker, upload, data)
        assert response.status_code == 200, response.text
    assert response.json()["controls"][upload.removesuffix("_file")] == "uploaded"
    rows = told(repository)[-1][tensor]
    expected = bright if upload == "ref_pose_file" else bright[::2]
    assert rows == pytest.approx(expected, abs=4)
    pieces = [50, 21] if upload == "ref_pose_file" else [35]
    assert told(repository, "sadtalker_driver")[before:] == pieces


@pytest.mark.parametrize(
    ("data", "status", "fragment"),
    [
        (wav_bytes(0.2), 415, "ref_pose"),
        (b"no video", 415, "ref_pose"),
        (driving_video([100])[:600], 415, "ref_pose"),
        (driving_video([100, 100], fps=1), 413, "ref_pose"),
        (silent_film(), 400, "no face"),
    ],
    ids=["sound", "text", "cut off", "too long", "no face"],
)
def test_driving_videos_that_are_refused(
    serve_with: Serve, triton_url: str, repository: Path, data: bytes, status: int, fragment: str
) -> None:
    """What is no video, too long, damaged or faceless is refused, and the message says what was wrong."""
    api = serve_with(
        triton_url=triton_url, model_repository=repository, face="sadtalker", max_driving_seconds=0.5
    )
    response = film_with(api, "ref_pose_file", data)
    assert response.status_code == status, response.text
    assert fragment in response.json()["message"]
    assert api.files() == []


def test_an_enhancer_that_is_not_served_is_refused(sadtalker: Api) -> None:
    """Without the enhancer's models a request for it is told how to get them."""
    response = film(sadtalker, enhancer="gfpgan")
    assert_error(response, 400, "InvalidInputException", "enhancer", "gfpgan", "leave it out")


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
    """What the model says of a picture reaches the user; a picture is studied once per preprocess."""
    small = film_with(sadtalker, "portrait_file", picture(40, 40))
    assert small.json()["warnings"] == ["The face is small."]
    before = len(told(repository, "sadtalker_portrait"))
    for mode in ("crop", "crop", "resize"):
        assert film_with(sadtalker, "portrait_file", picture(40, 42), preprocess=mode).status_code == 200
    assert len(told(repository, "sadtalker_portrait")) == before + 2
    nobody = film(sadtalker, portrait="nobody")
    assert_error(nobody, 400, "InvalidInputException", "No face was found.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("still", False),
        ("pose_style", 0),
        ("expression_scale", 1.0),
        ("head_motion_scale", 1.0),
        ("blink", 1.0),
        ("input_yaw", [0]),
        ("input_pitch", [0]),
        ("input_roll", [0]),
        ("enhancer", "gfpgan"),
        ("blend", "feather"),
        ("preprocess", "crop"),
    ],
)
def test_warp_refuses_controls_by_name(api: Api, name: str, value: object) -> None:
    """The face warp has none of the controls and says which one came."""
    assert_error(film(api, **{name: value}), 400, "InvalidInputException", name, "warp", "sadtalker")


@pytest.mark.parametrize("name", ["ref_eyeblink", "ref_pose"])
def test_warp_refuses_driving_videos_by_name(api: Api, name: str) -> None:
    """Nor does it take a driving video."""
    response = film_with(api, f"{name}_file", silent_film())
    assert_error(response, 400, "InvalidInputException", name, "warp")


def test_avatars_are_made_once_and_filmed(sadtalker: Api, repository: Path) -> None:
    """A portrait is kept with what was learned: the same picture is the same avatar."""
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


def test_avatars_are_listed_read_and_removed(sadtalker: Api) -> None:
    """Avatars are found by id and name until they are removed; then nobody is filmed with them."""
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
    """What belongs to the avatar cannot be sent besides it; the message names both."""
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
    assert frames_of(warp, film(warp, avatar="warped"))[0].shape == (256, 256, 3)
    full = warp.client.post(AVATARS, files={"portrait_file": image_bytes()})
    assert_error(full, 507, "StorageException", "2 avatars")


def test_health_names_the_models(sadtalker: Api) -> None:
    """Health knows the face's models; none is missing from the repository."""
    models = sadtalker.client.get("/health").json()["models"]
    assert {"sadtalker", "sadtalker_portrait", "sadtalker_motion_full", "face_landmarks"} <= models.keys()
    assert "UNAVAILABLE" not in {model["state"] for model in models.values()}
    limits = sadtalker.client.get("/api/status").json()["limits"]
    assert limits["controls"]["pose_style"] == [0, 45]
