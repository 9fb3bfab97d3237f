"""Driving videos lend their motion to SadTalker."""

import io
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import silent_film, wav_bytes
from tests.support.sadtalker_clips import film_with, told


def driving_video(bright: list[int], fps: int = 25, container: str = "mp4") -> bytes:
    """A video whose frames are as bright as ``bright`` says."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream = file.add_stream("libx264", rate=fps, width=64, height=48, pix_fmt="yuv420p")
        for value in bright:
            pixels = np.full((48, 64, 3), value, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    return buffer.getvalue()


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
        (driving_video([100] * 12, container="matroska")[:1300], 400, "ref_pose: the video is cut off"),
        (driving_video([100, 100], fps=1), 413, "ref_pose"),
        (silent_film(), 400, "ref_pose: in the first frame of the video"),
    ],
    ids=["sound", "text", "cut off", "cut off later", "too long", "no face"],
)
def test_driving_videos_that_are_refused(
    serve_with: Serve, triton_url: str, repository: Path, data: bytes, status: int, fragment: str
) -> None:
    """A file that is no video, too long, damaged or faceless is refused, and the message says which."""
    api = serve_with(
        triton_url=triton_url, model_repository=repository, face="sadtalker", max_driving_seconds=0.5
    )
    response = film_with(api, "ref_pose_file", data)
    assert response.status_code == status, response.text
    assert fragment in response.json()["message"]
    assert api.files() == []


@pytest.mark.parametrize("name", ["ref_eyeblink", "ref_pose"])
def test_warp_refuses_driving_videos_by_name(api: Api, name: str) -> None:
    """Nor does it take a driving video."""
    response = film_with(api, f"{name}_file", silent_film())
    assert_error(response, 400, "InvalidInputException", name, "warp")
