"""Tensors between the orchestrator and the models, against each ``config.pbtxt``.

Triton checks the same of what one model asks of another. It does not check what Python models answer.
"""

from collections.abc import AsyncIterator
from unittest.mock import AsyncMock

import numpy as np
import pytest
from PIL import Image

from lumen import contracts, registry
from lumen.aio import once
from lumen.settings import Settings
from lumen.utterance import Sentence
from orchestrator.faces import make_face
from orchestrator.faces.animation import AnimationOptions, CropOptions
from orchestrator.media.decode_gate import make_gate
from orchestrator.voices import make_voice
from orchestrator.voices.voice import SpeechOptions
from tests.support.checked_client import MODELS, REPOSITORY, CheckedClient
from tests.support.paths import ROOT
from tests.support.triton_server import TritonFactory


@pytest.fixture
async def client(triton: TritonFactory) -> AsyncIterator[CheckedClient]:
    checked = CheckedClient(triton(REPOSITORY, MODELS).grpc_url)
    yield checked
    await checked.close()


async def test_what_passes_is_what_the_configurations_say(client: CheckedClient) -> None:
    """Names, types and shapes of all that the orchestrator asks and is answered in a clip."""
    settings, nothing = Settings(), AsyncMock()
    voice = make_voice(registry.voice("espeak"), client, nothing, settings, make_gate(settings))
    face = make_face(registry.face("warp"), client, nothing, settings, make_gate(settings))
    speaker = await voice.bind(SpeechOptions("en", "default", 1.0))
    speech = [chunk.pcm async for chunk in speaker.speak(once(Sentence("Good morning!")))]
    portrait = np.array(Image.open(ROOT / "assets" / "portraits" / "ada.png").convert("RGB"), np.uint8)
    features = await face.encode_portrait(portrait, CropOptions(contracts.FRAME_SIZES[0]))
    pcm = np.concatenate(speech)[: face.sample_rate]
    frames = [batch async for batch in face.animate(features, once(pcm), AnimationOptions(seed=1))]
    assert sum(len(batch.pixels) for batch in frames) == -(-len(pcm) // contracts.SAMPLES_PER_FRAME)
    assert client.asked == {contracts.ESPEAK, contracts.WARP_PORTRAIT, contracts.WARP}
