"""`xtts` and the models that it calls behind a real Triton server: text in, speech out."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench.gpt_counts import read_gpt_counts
from bench.xtts_soak import process_of
from lumen.contracts import (
    XTTS,
    XTTS_CONDITION_LATENTS,
    XTTS_GPT,
    XTTS_SAMPLE_RATE,
    XTTS_SPEAKER_WIDTH,
    XTTS_VOCODER,
)
from lumen.errors import (
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
    TooLargeException,
)
from lumen.families.xtts.gpt.sampling import TENSORS
from lumen.families.xtts.text.lengths import MAX_CODES
from lumen.triton.server import TritonServer, private_options
from orchestrator.triton.client import TritonClient, text_tensor
from tests.support.gpt_settling import settled
from tests.support.greetings import HELLO
from tests.support.xtts import QUEUE, SLOTS

MODELS = (XTTS_GPT, XTTS_VOCODER, XTTS)
ANSWER_SECONDS = 60.0
FREE_SECONDS = 2.0
DEATH_SECONDS = 10.0
"""Until those hear of a process's death who wait for it."""

WIDTH = 64

LONG = "This is a long sentence that goes on and on, and on, and on. " * 150
"""Some 40 pieces."""


Pcm = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def server(xtts_server: TritonServer) -> TritonServer:
    return xtts_server


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
    kinds = {"speed": np.float32, **TENSORS}
    return tensors | {
        name: value if isinstance(value, np.ndarray) else np.array([value], kinds[name])
        for name, value in numbers.items()
    }


async def speech(client: TritonClient, **asked: Any) -> list[Pcm]:
    async with aclosing(client.stream(XTTS, request(**asked))) as answers:
        return [answer["pcm"] async for answer in answers]


async def speech_probed(client: TritonClient, text: str) -> list[Pcm]:
    """As the API asks, which wants to hear of a death."""
    stream = client.stream(XTTS, request(text), probe=request(""))
    async with aclosing(stream) as answers:
        return [answer["pcm"] async for answer in answers]


async def speech_after_a_death(client: TritonClient) -> list[Pcm]:
    """As the API does it: what is known to be dead is loaded, and who hears of a death tries again."""
    for _ in MODELS:
        for model in MODELS:
            if not await client.is_model_ready(model):
                await client.load(model, ANSWER_SECONDS)
        try:
            return await speech_probed(client, "Hi.")
        except ServiceUnavailableException:
            continue
    raise AssertionError("it does not speak again")


def free_or_ended(server: TritonServer, gpt: Path) -> bool:
    """No slot is in use, or the process that had them is no more."""
    return not counted(server, "slots_in_use") or not gpt.exists() or " Z " in (gpt / "stat").read_text()


def counted(server: TritonServer, what: str) -> int:
    """A number of the GPT's from the metrics page."""
    return read_gpt_counts(server.metrics_url).values[what]


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def test_speech_comes_in_chunks_while_it_is_made(client: TritonClient) -> None:
    """Samples in -1..1 in several chunks, as many as the codes say, and the same for the same seed."""
    chunks = await speech(client, text="Good morning.", seed=5, speed=2.0)
    pcm = np.concatenate(chunks)
    assert len(chunks) > 3
    assert all(chunk.dtype == np.float32 for chunk in chunks)
    assert 0.01 < np.abs(pcm).max() <= 1
    assert XTTS_SAMPLE_RATE / 2 < len(pcm) < 2 * XTTS_SAMPLE_RATE
    again, other = await asyncio.gather(
        *(speech(client, text="Good morning.", seed=seed, speed=2.0) for seed in (5, 6))
    )
    np.testing.assert_allclose(np.concatenate(again), pcm, atol=1e-3)
    assert not np.allclose(np.resize(np.concatenate(other), len(pcm)), pcm, atol=1e-2)


@pytest.mark.parametrize(
    "languages",
    [("zh-cn", "ja", "ko"), pytest.param(tuple(HELLO), marks=pytest.mark.heavy)],
    ids=["three", "all"],
)
async def test_languages_speak(client: TritonClient, languages: tuple[str, ...]) -> None:
    """Each in its own script, and with a region in the code; as many at once as the GPT takes."""
    room = asyncio.Semaphore(SLOTS + QUEUE)

    async def hear(language: str) -> list[Pcm]:
        async with room:
            return await speech(client, text=HELLO[language], language=language, speed=2.0)

    for chunks in await asyncio.gather(*map(hear, languages)):
        assert len(np.concatenate(chunks)) > 0.1 * XTTS_SAMPLE_RATE


async def test_eight_at_once_sound_as_each_alone(client: TritonClient, server: TritonServer) -> None:
    """Each of eight gets its own speech, within the vocoder's tolerance the one that it gets alone."""
    asked = [{"text": f"{n}.", "voice": n, "seed": n, "speed": 2.0} for n in range(8)]
    together = await asyncio.gather(*(speech(client, **one) for one in asked))
    alone = np.concatenate(await speech(client, **asked[5]))
    np.testing.assert_allclose(np.concatenate(together[5]), alone, atol=1e-3)
    assert len({chunks[0].tobytes() for chunks in together}) == len(together)
    await settled(server)


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


async def test_a_refusal_leaves_the_neighbours_alone(client: TritonClient, server: TritonServer) -> None:
    """Three of six are wrong in three ways; the others speak, and no slot is lost."""
    asked: list[dict[str, Any]] = [{}, {"language": "sv"}, {}, {"top_k": -1}, {}, {"text": "?"}]
    results = await asyncio.gather(
        *(speech(client, **{"speed": 2.0, **one}) for one in asked), return_exceptions=True
    )
    for one, result in zip(asked, results, strict=True):
        assert isinstance(result, InvalidInputException if one else list), result
    await settled(server)


async def test_a_cancelled_speech_frees_its_slot_and_leaves_the_others(
    client: TritonClient, server: TritonServer
) -> None:
    """Four long speeches are cancelled, three at once, one after a chunk; a fifth is not disturbed."""
    before = counted(server, "codes_total")
    staying = {"text": "Hello.", "seed": 1, "speed": 2.0}
    heard = asyncio.create_task(speech(client, **staying))
    leaving = [asyncio.create_task(speech(client, text=LONG, seed=n)) for n in range(3)]
    async with aclosing(client.stream(XTTS, request(LONG))) as stream:
        await anext(stream)
        for task in leaving:
            task.cancel()
    await until(
        lambda: counted(server, "slots_in_use") <= 1, FREE_SECONDS, "a cancelled speech holds its slot"
    )
    together = np.concatenate(await heard)
    np.testing.assert_allclose(np.concatenate(await speech(client, **staying)), together, atol=1e-3)
    await settled(server)
    assert counted(server, "codes_total") - before < 20 * MAX_CODES, "speeches went on that nobody heard"


@pytest.mark.heavy
async def test_the_death_of_the_gpt_ends_the_speech(xtts_repository: Path, tmp_path: Path) -> None:
    """When the GPT's process dies in a sentence, its caller hears so; loaded anew, it speaks again."""
    with TritonServer(private_options(xtts_repository, MODELS, tmp_path / "triton.log")) as server:
        server.wait_ready()
        client = TritonClient(server.grpc_url, ANSWER_SECONDS)
        process = int(process_of(XTTS_GPT, server.prefix).name)
        os.kill(process, signal.SIGSTOP)
        asked = asyncio.create_task(speech(client))
        done, _ = await asyncio.wait([asked], timeout=1.0)
        assert not done, "a GPT that stands still has answered"
        os.kill(process, signal.SIGKILL)
        with pytest.raises(ServiceUnavailableException, match=XTTS_GPT):
            await asyncio.wait_for(asked, DEATH_SECONDS)
        await client.load(XTTS_GPT, ANSWER_SECONDS)
        assert await speech(client)
        await client.close()


@pytest.mark.heavy
async def test_a_gpt_that_died_and_came_back_ends_what_it_forgot(
    xtts_repository: Path, tmp_path: Path
) -> None:
    """Whoever else's request loads the GPT anew, the speeches of its first life hear that they are over."""
    with TritonServer(private_options(xtts_repository, MODELS, tmp_path / "triton.log")) as server:
        server.wait_ready()
        client, other = (TritonClient(server.grpc_url, ANSWER_SECONDS) for _ in range(2))
        process = int(process_of(XTTS_GPT, server.prefix).name)
        os.kill(process, signal.SIGSTOP)
        asked = asyncio.create_task(speech(client))
        await asyncio.wait([asked], timeout=1.0)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(ServiceUnavailableException, match=XTTS_GPT):
            await anext(other.stream(XTTS_GPT, {"cancel": np.array([1])}))
        await other.load(XTTS_GPT, ANSWER_SECONDS)
        with pytest.raises(ServiceUnavailableException, match="stopped"):
            await asyncio.wait_for(asked, DEATH_SECONDS)
        for each in (client, other):
            await each.close()


@pytest.mark.heavy
async def test_the_death_of_the_voice_ends_its_speeches_and_frees_their_slots(
    xtts_repository: Path, tmp_path: Path
) -> None:
    """When `xtts` dies its callers hear so and no slot is held; loaded anew, it speaks; twice over.

    Where Triton was sending an answer to it just then, `xtts_gpt` cannot go on: it ends, and comes back too.
    """
    with TritonServer(private_options(xtts_repository, MODELS, tmp_path / "triton.log")) as server:
        server.wait_ready()
        client = TritonClient(server.grpc_url, ANSWER_SECONDS)
        for _ in range(2):
            asked = [asyncio.create_task(speech_probed(client, LONG)) for _ in range(3)]
            await until(lambda: counted(server, "slots_in_use") >= 3, ANSWER_SECONDS, "nobody speaks")
            gpt = process_of(XTTS_GPT, server.prefix)
            os.kill(int(process_of(XTTS, server.prefix).name), signal.SIGKILL)
            ended = asyncio.gather(*asked, return_exceptions=True)
            for refusal in await asyncio.wait_for(ended, DEATH_SECONDS):
                assert isinstance(refusal, ServiceUnavailableException), refusal
            await until(partial(free_or_ended, server, gpt), DEATH_SECONDS, "a slot is held for nobody")
            assert await speech_after_a_death(client)
        await client.close()
