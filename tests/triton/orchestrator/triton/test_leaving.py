"""Streams that are left at any moment, before the real Triton and the real voices."""

import asyncio
import random
from contextlib import aclosing
from pathlib import Path

import pytest

from lumen.settings import Settings
from lumen.triton.server import TritonServer, private_options
from orchestrator.triton.client import TritonClient, text_tensor

TEXT = (
    "Good morning, and thank you for asking. The weather today is mild. Would you like to hear what comes "
    "tomorrow? I can tell you. It will rain a bit. Then sun."
)

CONVERSATIONS = 4
LONGEST_SECONDS = 0.5
"""Time after which an answer is left at the latest, a little more than it takes."""

ANSWER_SECONDS = 20
UNLOAD_SECONDS = 20
POLL_SECONDS = 0.1


async def spoken(client: TritonClient, model: str) -> int:
    """Sentences of an answer."""
    inputs = {"text": text_tensor(TEXT), "language": text_tensor("en")}
    async with aclosing(client.stream(model, inputs)) as answers:
        return len([answer async for answer in answers])


async def interrupt(client: TritonClient, model: str, times: int, chance: random.Random) -> None:
    """Leave answers after a moment; after each twenty the next one has to come whole."""
    for index in range(times):
        if index % 20 == 19:
            assert await asyncio.wait_for(spoken(client, model), ANSWER_SECONDS) == 6
            continue
        speaking = asyncio.create_task(spoken(client, model))
        await asyncio.wait([speaking], timeout=chance.uniform(0, LONGEST_SECONDS) ** 2 / LONGEST_SECONDS)
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


async def freed(client: TritonClient, model: str) -> bool:
    """Whether Triton frees a model that it was told to unload."""
    for _ in range(round(UNLOAD_SECONDS / POLL_SECONDS)):
        if model not in await client.held_models():
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False


@pytest.mark.heavy
@pytest.mark.parametrize(("model", "times"), [("espeak", 160), ("hibari", 60)])
async def test_nothing_holds_a_model_after_many_interruptions(tmp_path: Path, model: str, times: int) -> None:
    """Every answer that is waited for comes, and the model can be unloaded: Triton keeps no request."""
    server = TritonServer(private_options(Settings().model_repository, [model], tmp_path / "triton.log"))
    server.start()
    try:
        await asyncio.to_thread(server.wait_ready)
        client = TritonClient(server.grpc_url, ANSWER_SECONDS)
        await asyncio.gather(
            *(interrupt(client, model, times, random.Random(seed)) for seed in range(CONVERSATIONS))
        )
        await client.unload(model)
        assert await freed(client, model)
        await client.close()
    finally:
        server.kill()
