"""The five XTTS models behind a real Triton server: text in, speech out."""

import asyncio
import os
import re
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from lumen.contracts import (
    XTTS,
    XTTS_CONDITION_LATENTS,
    XTTS_GPT,
    XTTS_SAMPLE_RATE,
    XTTS_SPEAKER_WIDTH,
    XTTS_VOCODER,
)
from lumen.engines.xtts.calls import SAMPLING
from lumen.engines.xtts.languages import CHARACTER_LIMITS
from lumen.errors import (
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
)
from lumen.triton.server import TritonServer
from orchestrator.triton import TritonClient, text_tensor
from tests.conftest import ROOT

REPOSITORY = ROOT / "model_repository"
MODELS = (XTTS_GPT, XTTS_VOCODER, XTTS)
ANSWER_SECONDS = 60.0
FREE_SECONDS = 2.0
WIDTH = 64

HELLO = {
    "en": "Hi.",
    "es": "¡Olé!",
    "fr": "Ça va ?",
    "de": "Schön.",
    "it": "Ciao.",
    "pt": "Olá.",
    "pl": "Cześć.",
    "tr": "Merhaba.",
    "ru": "Да.",
    "nl": "Dag.",
    "cs": "Ahoj.",
    "ar": "نعم.",
    "zh-cn": "你好。",
    "ja": "はい。",
    "hu": "Szia.",
    "ko": "네.",
    "hi": "हाँ।",
}

Pcm = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def server(triton: Callable[[Path, Sequence[str]], TritonServer], tiny_repository: Path) -> TritonServer:
    return triton(tiny_repository, MODELS)


@pytest.fixture
async def client(server: TritonServer) -> AsyncIterator[TritonClient]:
    opened = TritonClient(server.grpc_url, ANSWER_SECONDS)
    yield opened
    await opened.close()


def request(
    text: str | bytes = "Hi.", language: str = "en", voice: int = 1, **numbers: Any
) -> dict[str, Any]:
    source = np.random.default_rng(voice)
    latent = source.standard_normal((XTTS_CONDITION_LATENTS, WIDTH)).astype(np.float32)
    embedding = source.standard_normal(XTTS_SPEAKER_WIDTH).astype(np.float32)
    tensors = {
        "text": text_tensor(text) if isinstance(text, str) else np.array([text], np.object_),
        "language": text_tensor(language),
        "gpt_cond_latent": latent,
        "speaker_embedding": embedding / np.linalg.norm(embedding),
    }
    kinds = {"speed": np.float32, **SAMPLING}
    return tensors | {
        name: value if isinstance(value, np.ndarray) else np.array([value], kinds[name])
        for name, value in numbers.items()
    }


async def speech(client: TritonClient, **asked: Any) -> list[Pcm]:
    async with aclosing(client.stream(XTTS, request(**asked))) as answers:
        return [answer["pcm"] async for answer in answers]


def slots_in_use(server: TritonServer) -> int:
    with urllib.request.urlopen(server.metrics_url, timeout=5) as response:
        page = response.read().decode()
    return int(sum(float(v) for v in re.findall(r"^lumen_xtts_gpt_slots_in_use\S* (\S+)", page, re.MULTILINE)))


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


@pytest.mark.triton
async def test_speech_comes_in_chunks_while_it_is_made(client: TritonClient) -> None:
    """Finite samples in -1..1, several chunks, as long as the codes, and the same for the same seed."""
    text = "Good morning, how are you today?"
    chunks = await speech(client, text=text, seed=5)
    pcm = np.concatenate(chunks)
    assert len(chunks) > 3
    assert all(chunk.dtype == np.float32 for chunk in chunks)
    assert np.abs(pcm).max() <= 1
    assert XTTS_SAMPLE_RATE < len(pcm) < 10 * XTTS_SAMPLE_RATE
    np.testing.assert_array_equal(pcm, np.concatenate(await speech(client, text=text, seed=5)))
    other = np.concatenate(await speech(client, text=text, seed=6))
    assert len(other) != len(pcm) or not np.allclose(other, pcm)


@pytest.mark.triton
@pytest.mark.parametrize("language", HELLO)
async def test_every_language_speaks(client: TritonClient, language: str) -> None:
    """Each of the 17, in its own script."""
    pcm = np.concatenate(await speech(client, text=HELLO[language], language=language, speed=2.0))
    assert len(pcm) > 0.1 * XTTS_SAMPLE_RATE


def test_the_languages_above_are_all() -> None:
    """None of the 17 is left out."""
    assert {code.partition("-")[0] for code in HELLO} == set(CHARACTER_LIMITS)


@pytest.mark.triton
async def test_eight_at_once_sound_as_each_alone(client: TritonClient, server: TritonServer) -> None:
    """Each of eight gets its own speech, within the vocoder's tolerance the one that it gets alone."""
    asked = [{"text": f"Number {n}.", "voice": n, "seed": n, "language": "en"} for n in range(8)]
    together = await asyncio.gather(*(speech(client, **one) for one in asked))
    for n in (0, 5):
        alone = np.concatenate(await speech(client, **asked[n]))
        np.testing.assert_allclose(np.concatenate(together[n]), alone, atol=1e-3)
    assert slots_in_use(server) == 0


@pytest.mark.triton
@pytest.mark.parametrize(
    ("asked", "kind", "named"),
    [
        ({"language": "sv"}, InvalidInputException, "'sv'"),
        ({"text": "..."}, InvalidInputException, "'...'"),
        ({"text": ""}, InvalidInputException, "''"),
        ({"text": b"\xff\xfe"}, InvalidInputException, "UTF-8"),
        ({"text": "a%" * 100}, TooLargeException, "tokens"),
        ({"text": "a" * 10_001}, TooLargeException, "10001"),
        ({"speed": 3.0}, InvalidInputException, "3.0"),
        ({"temperature": -1.0}, InvalidInputException, "temperature"),
        ({"top_p": 2.0}, InvalidInputException, "top_p"),
        ({"repetition_penalty": 0.0}, InvalidInputException, "repetition_penalty"),
        ({"gpt_cond_latent": np.zeros((32, 65), np.float32)}, InvalidInputException, "65"),
        ({"gpt_cond_latent": np.full((32, WIDTH), np.nan, np.float32)}, InvalidInputException, "no numbers"),
    ],
)
async def test_a_refusal_names_what_came(
    client: TritonClient, asked: dict[str, Any], kind: type[LumenException], named: str
) -> None:
    """Wrong input is refused with its class before the first chunk, and the next request is served."""
    with pytest.raises(kind) as refused:
        await speech(client, **asked)
    assert named in refused.value.message
    assert "Traceback" not in refused.value.message


@pytest.mark.triton
async def test_a_refusal_leaves_the_neighbours_alone(client: TritonClient, server: TritonServer) -> None:
    """Three of six are wrong in three ways; the others speak, and no slot is lost."""
    asked: list[dict[str, Any]] = [{}, {"language": "sv"}, {}, {"top_k": -1}, {}, {"text": "?"}]
    results = await asyncio.gather(*(speech(client, **one) for one in asked), return_exceptions=True)
    for one, result in zip(asked, results, strict=True):
        assert isinstance(result, InvalidInputException if one else list), result
    assert slots_in_use(server) == 0


@pytest.mark.triton
async def test_a_cancelled_speech_frees_its_slot_and_leaves_the_others(
    client: TritonClient, server: TritonServer
) -> None:
    """Four long speeches are left after their first chunk; the fifth goes on and the slots come back."""
    long = "This is a long sentence that goes on and on, and on, and on. " * 20
    streams = [client.stream(XTTS, request(long, seed=n)) for n in range(4)]
    staying = asyncio.create_task(speech(client, text="Hello, how are you today?", seed=1))
    for stream in streams:
        await anext(stream)
    assert slots_in_use(server) >= 4
    for stream in streams:
        await stream.aclose()
    await until(lambda: slots_in_use(server) <= 1, FREE_SECONDS, "a cancelled speech holds its slot")
    alone = await speech(client, text="Hello, how are you today?", seed=1)
    np.testing.assert_allclose(np.concatenate(await staying), np.concatenate(alone), atol=1e-3)


@pytest.mark.triton
async def test_the_death_of_the_gpt_ends_the_speech(
    triton: Any, tiny_repository: Path, tmp_path: Path
) -> None:
    """When the GPT's process is killed in a sentence, its callers hear an error and do not hang."""
    folder = tmp_path / "repository"
    folder.symlink_to(tiny_repository, target_is_directory=True)
    server: TritonServer = triton(folder, MODELS)
    client = TritonClient(server.grpc_url, ANSWER_SECONDS)
    stream = client.stream(XTTS, request("This is a long sentence. " * 30))
    await anext(stream)
    os.kill(_stub(server, XTTS_GPT), signal.SIGKILL)
    with pytest.raises(LumenException) as died:
        async for _ in stream:
            pass
    assert isinstance(died.value, ServiceUnavailableException), died.value
    await client.close()


def _stub(server: TritonServer, model: str) -> int:
    """The process that runs a Python model of this server."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            command = _command(folder)
            if (
                "triton_python_backend_stub" in command
                and f"/{model}/" in command
                and server.prefix in command
            ):
                return int(folder.name)
    raise AssertionError(f"no process runs {model}")


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_the_configuration_says_what_the_model_does() -> None:
    """config.pbtxt parses; names, types and optional inputs are those of the model."""
    config = text_format.Parse((REPOSITORY / XTTS / "config.pbtxt").read_text(), ModelConfig())
    assert config.name == XTTS
    assert config.model_transaction_policy.decoupled
    inputs = {tensor.name: tensor for tensor in config.input}
    kinds = {np.float32: "TYPE_FP32", np.int32: "TYPE_INT32", np.int64: "TYPE_INT64"}
    numbers = {"speed": np.float32, **SAMPLING}
    del numbers["max_codes"]
    assert {name for name, tensor in inputs.items() if tensor.optional} == set(numbers)
    for name, kind in numbers.items():
        assert (
            inputs[name].data_type
            == inputs[name]
            .DESCRIPTOR.fields_by_name["data_type"]
            .enum_type.values_by_name[kinds[kind]]
            .number
        )
    assert set(inputs) - set(numbers) == {"text", "language", "gpt_cond_latent", "speaker_embedding"}
    assert [output.name for output in config.output] == ["pcm"]
