"""What the orchestrator sends and the models answer is what each ``config.pbtxt`` says.

Triton checks the same of what one model asks of another. It does not check what Python models answer.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from PIL import Image
from tritonclient.grpc import model_config_pb2
from tritonclient.utils import np_to_triton_dtype

from lumen import contracts
from lumen.aio import one
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.faces.face import WarpFace
from orchestrator.triton.client import Tensors, TritonClient
from orchestrator.voices.voice import EspeakVoice, SpeechOptions
from tests.conftest import ROOT, TritonFactory

EXPORTED = (
    contracts.XTTS_CONDITIONING,
    contracts.XTTS_SPEAKER,
    contracts.XTTS_GPT,
    contracts.XTTS_VOCODER,
    contracts.XTTS,
    contracts.SADTALKER_FACE3D,
    contracts.SADTALKER_SOURCE,
    contracts.SADTALKER_AUDIO2EXP,
    contracts.SADTALKER_AUDIO2POSE,
    contracts.SADTALKER_MOTION,
    contracts.SADTALKER_MOTION_FULL,
    contracts.SADTALKER_RENDERER,
    contracts.SADTALKER_PORTRAIT,
    contracts.SADTALKER_DRIVER,
    contracts.SADTALKER,
    contracts.GFPGAN,
    contracts.FACE_ENHANCER,
)
"""Models whose artifacts are exported and not in the checkout."""

REPOSITORY = ROOT / "model_repository"
MODELS = (
    contracts.ESPEAK,
    contracts.FACE_LANDMARKS,
    contracts.WARP_PORTRAIT,
    contracts.MOUTH,
    contracts.WARP_RENDERER,
    contracts.WARP,
)


def config_of(model: str) -> Any:
    text = (REPOSITORY / model / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def check(model: str, specs: Iterable[Any], tensors: Tensors) -> None:
    """Compare names, types and shapes of ``tensors`` with the ``specs`` of a configuration."""
    known = {spec.name: spec for spec in specs}
    optional = {name for name, spec in known.items() if getattr(spec, "optional", False)}
    assert known.keys() - optional <= tensors.keys() <= known.keys()
    for name, array in tensors.items():
        found = np_to_triton_dtype(array.dtype).replace("BYTES", "STRING")
        assert f"TYPE_{found}" == model_config_pb2.DataType.Name(known[name].data_type), f"{model}.{name}"
        assert fits(array.shape, known[name].dims), f"{model}.{name}: {array.shape} is not {known[name].dims}"


def fits(shape: Sequence[int], dims: Sequence[int]) -> bool:
    return len(shape) == len(dims) and all(d in (-1, n) for n, d in zip(shape, dims, strict=True))


class CheckedClient(TritonClient):
    """Compares everything that passes with the configurations, and notes which models were asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=60.0)
        self.asked: set[str] = set()

    async def infer(
        self, model: str, inputs: Tensors, timeout: float | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        self._check_inputs(model, inputs)
        answer = await super().infer(model, inputs, timeout)
        check(model, config_of(model).output, answer)
        return answer

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
    ) -> AsyncGenerator[dict[str, npt.NDArray[Any]], None]:
        self._check_inputs(model, inputs)
        async for answer in super().stream(model, inputs, first_timeout, next_timeout, probe):
            check(model, config_of(model).output, answer)
            yield answer

    def _check_inputs(self, model: str, inputs: Tensors) -> None:
        assert config_of(model).max_batch_size == 0, "what is sent has no batch dimension"
        self.asked.add(model)
        check(model, config_of(model).input, inputs)


@pytest.fixture
async def client(triton: TritonFactory) -> AsyncIterator[CheckedClient]:
    checked = CheckedClient(triton(REPOSITORY, MODELS).grpc_url)
    yield checked
    await checked.close()


def test_the_models_have_their_names() -> None:
    """Every name in the contracts is a folder of the repository, and every folder has a name there."""
    assert {*MODELS, *EXPORTED} == {path.parent.name for path in REPOSITORY.glob("*/config.pbtxt")}


@pytest.mark.triton
async def test_what_passes_is_what_the_configurations_say(client: CheckedClient) -> None:
    """Names, types and shapes of all that the orchestrator asks and is answered in a clip."""
    voice, face = EspeakVoice(client), WarpFace(client)
    speaker = await voice.speaker(SpeechOptions("en", "default", 1.0))
    speech = [chunk async for chunk in speaker.speak("Good morning!")]
    portrait = np.array(Image.open(ROOT / "assets" / "portraits" / "ada.png").convert("RGB"), np.uint8)
    features = await face.encode_portrait(portrait, CropOptions(contracts.FRAME_SIZES[0]))
    pcm = np.concatenate(speech)[: face.sample_rate]
    frames = [batch async for batch in face.animate(features, one(pcm), AnimationOptions(seed=1))]
    assert sum(map(len, frames)) == -(-len(pcm) // contracts.SAMPLES_PER_FRAME)
    assert client.asked == {contracts.ESPEAK, contracts.WARP_PORTRAIT, contracts.WARP}
