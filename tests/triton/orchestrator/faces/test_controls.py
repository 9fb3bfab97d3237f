"""Controls of a face: they reach the model, or are refused by name."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.api_server import Api, assert_error
from tests.support.sadtalker_clips import VIDEO, film, frames_of, told


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
        ("input_yaw", -91),
        ("input_yaw", True),
        ("input_yaw", "20"),
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
    """A control out of range, unknown or of no use here is a 400 that names it; no model is asked."""
    before = len(told(repository))
    assert_error(film(sadtalker, **{name: value}), 400, "InvalidInputException", name)
    assert len(told(repository)) == before


def test_angles_hold_or_turn(sadtalker: Api, repository: Path) -> None:
    """A single angle holds, several turn over the whole clip, none is as predicted."""
    before = len(told(repository))
    response = film(sadtalker, idle_seconds=1.0, input_yaw=[-10, 10], input_roll=[5])
    assert response.status_code == 200, response.text
    assert response.json()["controls"]["input_yaw"] == [-10, 10]
    windows = sorted(told(repository)[before:], key=lambda window: window["first_frame"])
    yaw, pitch, roll = zip(*[row for window in windows for row in window["camera"]], strict=True)
    assert yaw == pytest.approx(np.linspace(-10, 10, 25), abs=1e-4)
    assert set(pitch) == {None}
    assert set(roll) == {5.0}


def test_one_angle_needs_no_list(sadtalker: Api, repository: Path) -> None:
    """A number is one stop, as JSON and in a form; the published schema says that both are taken."""
    fields = {"idle_seconds": "0.4", "input_roll": "5"}
    for response in (
        film(sadtalker, input_roll=5),
        sadtalker.client.post(VIDEO, files={name: (None, value) for name, value in fields.items()}),
    ):
        assert response.status_code == 200, response.text
        assert response.json()["controls"]["input_roll"] == [5]
        assert {row[2] for row in told(repository)[-1]["camera"]} == {5.0}
    schemas = sadtalker.client.get("/openapi.json").json()["components"]["schemas"]
    angles, _ = schemas["VideoRequest"]["properties"]["input_roll"]["anyOf"]
    assert [kind["type"] for kind in angles["anyOf"]] == ["number", "array"]


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


def test_an_enhancer_that_is_not_served_is_refused(sadtalker: Api) -> None:
    """Without the enhancer's models a request for it is told how to get them; all else goes on."""
    response = film(sadtalker, enhancer="gfpgan")
    assert_error(response, 400, "InvalidInputException", "enhancer", "gfpgan", "leave it out")
    assert sadtalker.client.get("/health").json()["status"] == "healthy"


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
