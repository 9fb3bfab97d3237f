"""gfpgan and face_enhancer as Triton serves them, exported into a repository of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from export.gfpgan.artifact import faces
from export.gfpgan.checkpoint import load_checkpoint
from export.gfpgan.export import export_gfpgan
from export.gfpgan.networks.restorer import ServedRestorer
from lumen.contracts import ENHANCER_FRAMES, FACE_ENHANCER, FACE_LANDMARKS, GFPGAN
from lumen.families.gfpgan.enhancer import enhance
from lumen.families.portrait.face_mesh import FaceMesher
from lumen.families.portrait.landmarks68 import landmarks_of
from tests.support.model_configs import REPOSITORY, check_graph
from tests.support.paths import ROOT
from tests.support.portraits import Pixels, portrait, scaled
from tests.support.triton_server import TritonFactory

ANSWER_SECONDS = 60.0
SIDE = 256


@pytest.fixture(scope="module")
def repository(gfpgan_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export into another repository, and add the landmarks that are there in every one."""
    folder = tmp_path_factory.mktemp("repository")
    export_gfpgan(gfpgan_checkpoint, folder)
    shutil.copytree(ROOT / "model_repository" / FACE_LANDMARKS, folder / FACE_LANDMARKS)
    return folder


@pytest.fixture(scope="module")
def client(repository: Path, triton: TritonFactory) -> Iterator[grpc.InferenceServerClient]:
    server = triton(repository, (FACE_LANDMARKS, GFPGAN, FACE_ENHANCER))
    with grpc.InferenceServerClient(server.grpc_url) as client:
        yield client


def asked(client: grpc.InferenceServerClient, model: str, wanted: str, **given: Any) -> Any:
    inputs = []
    for name, value in given.items():
        inputs.append(grpc.InferInput(name, value.shape, np_to_triton_dtype(value.dtype)))
        inputs[-1].set_data_from_numpy(value)
    return client.infer(model, inputs, client_timeout=ANSWER_SECONDS).as_numpy(wanted)


def landmarks(frame: Pixels) -> Any:
    found = FaceMesher().find(frame)
    return landmarks_of(found[0].mesh) if found else None


def test_the_graph_fits_its_configurations(repository: Path) -> None:
    """The graph fits both devices' configurations, which are copied with the code; it holds no local path."""
    assert str(ROOT).encode() not in (repository / GFPGAN / "1" / "model.onnx").read_bytes()
    configurations = sorted((REPOSITORY / GFPGAN).rglob("*.pbtxt"))
    assert len(configurations) == 2
    for path in configurations:
        check_graph(path, repository / GFPGAN / "1")
    for path in (*configurations, *(REPOSITORY / FACE_ENHANCER).rglob("*.p[yb]*")):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (repository / path.relative_to(REPOSITORY)).read_bytes() == path.read_bytes()


def test_restored_faces_are_the_networks(client: grpc.InferenceServerClient, gfpgan_checkpoint: Path) -> None:
    """Two faces in one request: what the checkpoint's network draws, to two steps of colour."""
    given = faces(2, np.random.default_rng(3))
    with torch.inference_mode():
        expected = ServedRestorer(load_checkpoint(gfpgan_checkpoint).restorer)(torch.from_numpy(given))
    got = asked(client, GFPGAN, "restored", face=given)
    assert np.abs(got.astype(int) - expected.numpy()).max() <= 2


def test_frames_come_back_twice_as_large(client: grpc.InferenceServerClient) -> None:
    """A face is redrawn inside its oval; a frame without one between two that have is enlarged only."""
    face, plain = scaled(portrait("ada"), SIDE), np.full((SIDE, SIDE, 3), 90, np.uint8)
    frames = np.stack([face, plain, face])
    got = asked(client, FACE_ENHANCER, "frames", frames=frames)
    enlarged = enhance(frames, lambda _frame: None, lambda found: found)
    assert (got.shape, got.dtype) == ((3, 2 * SIDE, 2 * SIDE, 3), np.uint8)
    np.testing.assert_array_equal(got[1], enlarged[1])
    np.testing.assert_array_equal(got[0], got[2])
    changed = (got[0] != enlarged[0]).any(-1)
    assert changed[SIDE - 40 : SIDE + 40, SIDE - 40 : SIDE + 40].mean() > 0.9
    assert not changed[:16].any()
    assert not changed[:, :16].any()


def test_the_enhancer_equals_the_engine(client: grpc.InferenceServerClient) -> None:
    """The landmarks and the restorer beside it, through the engine, at half the weight."""
    frames = scaled(portrait("ada"), SIDE)[None]
    expected = enhance(
        frames, landmarks, lambda given: asked(client, GFPGAN, "restored", face=given), weight=0.5
    )
    got = asked(client, FACE_ENHANCER, "frames", frames=frames, weight=np.array([0.5], np.float32))
    assert np.abs(got.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    ("n", "weight", "message"),
    [(ENHANCER_FRAMES + 1, 1.0, "at most 32"), (1, 1.5, "The weight is 1.5")],
)
def test_bad_requests_are_the_callers_fault(
    client: grpc.InferenceServerClient, n: int, weight: float, message: str
) -> None:
    """INVALID_ARG with the reason; the next request is served."""
    frames = np.full((n, 64, 64, 3), 90, np.uint8)
    with pytest.raises(InferenceServerException, match=message) as refusal:
        asked(client, FACE_ENHANCER, "frames", frames=frames, weight=np.array([weight], np.float32))
    assert refusal.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert asked(client, FACE_ENHANCER, "frames", frames=frames[:1]).shape == (1, 128, 128, 3)
