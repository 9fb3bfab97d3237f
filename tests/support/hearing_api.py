"""An API that hears: stand-ins for voice and face, the real listener."""

import base64
import shutil

import numpy as np
import pytest
import soxr

from lumen.contracts import MOONSHINE, VOICE_ACTIVITY
from orchestrator.live.client_events import PCM_RATE
from orchestrator.media.resample import pcm16
from tests.support.api_server import Api, Serve, stand_ins
from tests.support.live_client import LiveClient
from tests.support.paths import ROOT
from tests.support.spoken import Pcm, needs
from tests.support.triton_server import TritonFactory

PIECE = PCM_RATE // 10
"""Samples that are sent at once."""


@pytest.fixture(scope="session")
def hearing(serve_with: Serve, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory) -> Api:
    """An API that recognises English."""
    needs("moonshine_voice")
    repository = stand_ins(tmp_path_factory.mktemp("hearing"))
    for model in (VOICE_ACTIVITY, MOONSHINE):
        shutil.copytree(ROOT / "model_repository" / model, repository / model)
    url = triton(repository, [VOICE_ACTIVITY, MOONSHINE]).grpc_url
    return serve_with(triton_url=url, model_repository=repository, listener="moonshine")


def wire(pcm: Pcm) -> bytes:
    """PCM16 of the socket's rate for float32 at 16 kHz."""
    return pcm16(np.asarray(soxr.resample(pcm, 16_000, PCM_RATE), np.float32)).tobytes()


def send_sound(client: LiveClient, pcm: Pcm) -> None:
    """Send sound in pieces, faster than real time."""
    data = wire(pcm)
    for start in range(0, len(data), 2 * PIECE):
        piece = base64.b64encode(data[start : start + 2 * PIECE]).decode()
        client.send("input_audio_buffer.append", audio=piece)
