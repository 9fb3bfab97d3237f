"""`xtts_vocoder` behind a real Triton server, with the project's configuration."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import np_to_triton_dtype

from export.graph_file import write
from export.xtts import vocoder, vocoder_graph
from export.xtts.checkpoint import LoadedXtts
from lumen.contracts import XTTS_VOCODER
from lumen.families.xtts.vocoder_windows import Window
from lumen.triton.server import TritonServer
from tests.support.comparing import worst
from tests.support.paths import ROOT
from tests.support.slim_vocoder import TOLERANCE, WIDTH, cut, sentence, slim_decoder, speaker
from tests.support.triton_server import TritonFactory
from tests.support.triton_statistics import counted

CALLERS = 4


@pytest.fixture(scope="module")
def slim() -> Any:
    return slim_decoder(WIDTH)


@pytest.fixture(scope="module")
def server(slim: Any, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory) -> TritonServer:
    repository = tmp_path_factory.mktemp("repository")
    config = Path(XTTS_VOCODER, "config.pbtxt")
    (repository / XTTS_VOCODER / "1").mkdir(parents=True)
    shutil.copyfile(ROOT / "model_repository" / config, repository / config)
    write(vocoder_graph.build(slim.waveform_decoder), repository / XTTS_VOCODER / "1")
    return triton(repository, [XTTS_VOCODER])


@pytest.fixture
def client(server: TritonServer) -> Iterator[grpc.InferenceServerClient]:
    with grpc.InferenceServerClient(server.grpc_url) as opened:
        yield opened


def decode(client: grpc.InferenceServerClient, window: Window) -> npt.NDArray[np.float32]:
    """The samples of a window that go out."""
    tensors = []
    for name, array in {**window.tensors(), "speaker_embedding": speaker()}.items():
        tensors.append(grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        tensors[-1].set_data_from_numpy(array)
    pcm: npt.NDArray[np.float32] = client.infer(XTTS_VOCODER, tensors).as_numpy("pcm")
    return pcm[0][window.keep]


def test_windows_of_callers_share_executions_and_are_the_references(
    slim: Any, client: grpc.InferenceServerClient
) -> None:
    """All windows asked for at once: fewer executions than windows, and the joined PCM within 1e-3."""
    latents = sentence(200)
    windows = cut(np.split(latents, range(20, 200, 20)))
    with ThreadPoolExecutor(len(windows)) as pool:
        for _ in range(CALLERS):
            pcm = np.concatenate(list(pool.map(lambda window: decode(client, window), windows)))
    assert worst(pcm, vocoder.reference(slim, latents, speaker()), "through Triton") < TOLERANCE
    asked = CALLERS * len(windows)
    assert counted(client, XTTS_VOCODER, asked).execution_count < asked


def test_the_exported_vocoder_is_served(
    xtts_repository: Path, xtts_loaded: LoadedXtts, triton: TritonFactory
) -> None:
    """The checkpoint's own, at its real size: one window through Triton is the reference's within 1e-3."""
    latents = np.random.default_rng(4).standard_normal((6, xtts_loaded.dims.width), np.float32)
    expected = vocoder.reference(xtts_loaded.model.hifigan_decoder, latents, speaker())
    with grpc.InferenceServerClient(triton(xtts_repository, [XTTS_VOCODER]).grpc_url) as client:
        pcm = np.concatenate([decode(client, window) for window in cut([latents])])
    assert worst(pcm, expected, "the real one") < TOLERANCE
