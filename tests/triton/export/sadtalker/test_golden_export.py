"""Parity of what is served: the reference's checkpoint, exported, draws and moves as the reference does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as grpc
from numpy.typing import NDArray

from export.network_file import open_network
from export.sadtalker.checkpoint import load_checkpoint
from export.sadtalker.export import artifacts, export_sadtalker
from lumen import contracts
from lumen.families.sadtalker.coefficient_windows import coefficients, portrait_window, windows
from lumen.families.sadtalker.dims import COEFFICIENTS, EXPRESSION, MOTION
from lumen.triton.server import TritonServer
from tests.support.closeness import difference, report
from tests.support.golden import ENERGY, TOLERANCE
from tests.support.sadtalker import Golden
from tests.support.triton_server import TritonFactory
from tests.support.triton_streams import tensor

pytestmark = pytest.mark.usefixtures("no_gradients")

STEP = 1 / 255
"""Between two neighbouring colours: what rounding to 8 bits may cost twice over is one step."""

ROWS = 8
"""Rows of one request to Triton."""

Array = NDArray[Any]
Run = Callable[..., Array]
"""``run(model, output, **inputs)``."""


@pytest.fixture(scope="module")
def checkpoint(golden_script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files whose results the reference's numbers are."""
    folder = tmp_path_factory.mktemp("golden")
    golden_script.write(folder, 1, 256)
    return folder


@pytest.fixture(scope="module")
def repository(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All seven models of the reference's checkpoint, float32."""
    repository = tmp_path_factory.mktemp("repository")
    export_sadtalker(checkpoint, repository)
    return repository


@pytest.fixture(params=["onnxruntime", "triton"])
def run(request: pytest.FixtureRequest, repository: Path) -> Run:
    """The exported networks, as they are and behind Triton."""
    if request.param == "onnxruntime":
        return partial(run_here, repository)
    triton: TritonFactory = request.getfixturevalue("triton")
    return partial(run_in_triton, triton(repository, [artifact.name for artifact in artifacts()]))


def run_here(repository: Path, model: str, output: str, **inputs: Array) -> Array:
    network = open_network(repository / model / "1", (output,))
    return network.run_all({name: torch.from_numpy(array) for name, array in inputs.items()})[output].numpy()


def run_in_triton(server: TritonServer, model: str, output: str, **inputs: Array) -> Array:
    n = len(next(iter(inputs.values())))
    with grpc.InferenceServerClient(server.grpc_url) as client:
        parts = [
            client.infer(model, [tensor(name, each[i : i + ROWS]) for name, each in inputs.items()])
            for i in range(0, n, ROWS)
        ]
    return np.concatenate([part.as_numpy(output) for part in parts])


def driving(run: Run, model: str, window: Array, keypoints: Array) -> Array:
    n = len(window)
    camera = np.full((n, 3), np.nan, np.float32)
    return run(model, "driving", window=window, keypoints=np.repeat(keypoints, n, 0), camera=camera)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_exported_networks_are_the_reference(checkpoint: Path, run: Run, golden: Golden) -> None:
    """Coefficients, expression, key points of both mappings within 1e-4; frames, and how they move.

    The reference's portrait has more than 8 bits a colour, so the frames' volumes are made of it by torch.
    """
    face = run(contracts.SADTALKER_FACE3D, "coefficients", image=golden["face3d_image"][None])
    assert difference("face3d", face[0], golden["face3d_coeffs"])[0] < TOLERANCE

    n = len(golden["mel_windows"])
    row = golden["reference_coeffs"]
    expression = run(
        contracts.SADTALKER_AUDIO2EXP,
        "expression",
        mel=golden["mel_windows"][:, None],
        reference=np.tile(row[:EXPRESSION], (n, 1)),
        blink=golden["blink"].reshape(n, 1),
    )
    assert difference("expression", expression, golden["expression"])[0] < TOLERANCE

    image = np.rint(golden["source_image"].transpose(1, 2, 0)[None] * 255).astype(np.uint8)
    keypoints = run(contracts.SADTALKER_SOURCE, "keypoints", image=image)
    assert difference("key points", keypoints[0], golden["canonical_keypoints"])[0] < TOLERANCE
    for model, columns, name in (
        (contracts.SADTALKER_MOTION, MOTION, "mapping229"),
        (contracts.SADTALKER_MOTION_FULL, COEFFICIENTS, "mapping109"),
    ):
        rows = coefficients(golden["expression"], golden["pose"], row, columns)
        points = driving(run, model, windows(rows), keypoints)
        assert difference(name, points, golden[f"{name}_driving_keypoints"])[0] < TOLERANCE

    rows = coefficients(golden["expression"], golden["pose"], row, MOTION)
    moved = driving(run, contracts.SADTALKER_MOTION, windows(rows), keypoints)
    source = driving(run, contracts.SADTALKER_MOTION, portrait_window(row, MOTION)[None], keypoints)
    volumes = load_checkpoint(checkpoint).generator.encode(torch.from_numpy(golden["source_image"])[None])
    appearance, compressed = (volume.numpy() for volume in volumes)
    frames = np.concatenate(
        [
            run(
                contracts.SADTALKER_RENDERER,
                "frames",
                appearance=appearance,
                compressed=compressed,
                source=source,
                driving=moved[None, i : i + 1],
            )[0]
            for i in golden["frame_index"]
        ]
    )
    drawn = frames.transpose(0, 3, 1, 2) / 255
    apart = np.abs(drawn - golden["frames"])
    report(f"frames in 8 bits: mean {apart.mean():.2e}, max {apart.max():.2e}")
    assert (apart <= 0.51 * STEP).mean() > 0.995
    assert apart.max() < 3e-2
    for got, want in zip(np.diff(drawn, axis=0), np.diff(golden["frames"], axis=0), strict=True):
        assert abs(float(np.square(got).sum() / np.square(want).sum()) - 1) < ENERGY
