"""xtts_gpt behind a real Triton server, with a tiny GPT."""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.gpt_counts import GptCounts
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_GPT
from lumen.errors import (
    BusyException,
    InvalidInputException,
    LumenException,
    TooLargeException,
)
from lumen.triton.adapter import REFUSAL
from lumen.triton.server import TritonServer
from orchestrator.triton.client import TritonClient
from tests.support.gpt_settling import settled
from tests.support.paths import ROOT
from tests.support.xtts import QUEUE, SLOTS

WIDTH = 64
SECONDS = 20.0
LATENT_TOLERANCE = 1e-3

ATTEMPTS = 20
"""Tries to cut a sentence short, or to fill the house."""

CALLER = np.array([os.getpid()])

Tensors = dict[str, NDArray[Any]]


@pytest.fixture
async def client(xtts_server: TritonServer) -> AsyncIterator[TritonClient]:
    opened = TritonClient(xtts_server.grpc_url, SECONDS)
    yield opened
    await opened.close()


def sentence(n: int, **values: float) -> Tensors:
    """Sentence number n: its own text, voice and seed; by the released defaults but for `values`."""
    generator = np.random.default_rng(n)
    voice = generator.normal(0, 1, (XTTS_CONDITION_LATENTS, WIDTH)).astype(np.float32)
    text = generator.integers(1, 200, 5 + 9 * (n % 8)).astype(np.int32)
    numbers = {"seed": n, "max_codes": 60 + n} | values
    return {"text_ids": text, "gpt_cond_latent": voice} | {k: tensor(k, v) for k, v in numbers.items()}


def tensor(name: str, value: float) -> NDArray[Any]:
    kinds: dict[str, type[np.generic]] = {
        **dict.fromkeys(("temperature", "top_p", "repetition_penalty"), np.float32),
        **dict.fromkeys(("seed", "stream_id", "next", "cancel", "check", "caller"), np.int64),
    }
    return np.array([value], kinds.get(name, np.int32))


async def chunks_of(client: TritonClient, values: Tensors) -> list[Tensors]:
    return [chunk async for chunk in client.stream(XTTS_GPT, values)]


async def said(client: TritonClient, values: Tensors) -> Tensors:
    chunks = await chunks_of(client, values)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in ("codes", "latents")}


async def long_sentence(client: TritonClient) -> Tensors:
    """Make a sentence that speaks to the last code there is."""
    for n in range(100, 140):
        values = sentence(n, max_codes=605, repetition_penalty=1.0)
        if len((await said(client, values))["codes"]) == 605:
            return values
    raise AssertionError("every sentence came to its stop code")


async def until_cancelled(
    server: TritonServer, cut: Callable[[], Awaitable[object]], times: int = 1
) -> GptCounts:
    """Cut sentences short until so many more were cancelled.

    The tiny network says all of one within a tenth of a second, now and then before it hears of the end.
    """
    wanted = (await settled(server)).values["cancelled_total"] + times
    for _ in range(ATTEMPTS):
        await cut()
        now = await settled(server)
        if now.values["cancelled_total"] >= wanted:
            return now
    raise AssertionError(f"of {ATTEMPTS} tries too few were cancelled: {now}")


@pytest.mark.parametrize(
    "name",
    ["xtts_server", "gpt_server_int8", pytest.param("gpt_server_torch", marks=pytest.mark.heavy)],
)
async def test_eight_streams_share_the_steps_and_say_what_each_says_alone(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Greedy and drawn: the codes are the same among seven others, the latents within the tolerance."""
    server: TritonServer = request.getfixturevalue(name)
    client = TritonClient(server.grpc_url, SECONDS)
    asked = [sentence(n, temperature=0.0 if n % 2 else 0.75) for n in range(8)]
    alone = [await said(client, values) for values in asked]
    before = await settled(server)
    together = await asyncio.gather(*(said(client, values) for values in asked))
    worst = 0.0
    for one, other in zip(alone, together, strict=True):
        assert (one["codes"] == other["codes"]).all()
        worst = max(worst, np.abs(one["latents"] - other["latents"]).max() / np.abs(one["latents"]).max())
    sys.stdout.write(f"largest difference of latents {worst:.2g}\n")
    assert worst <= LATENT_TOLERANCE
    after = await settled(server)
    steps = {rows: count - before.steps[rows] for rows, count in after.steps.items()}
    sys.stdout.write(f"steps by rows {steps}\n")
    assert sum(rows * count for rows, count in steps.items()) / sum(steps.values()) > 1.5
    await client.close()


async def test_a_response_has_a_latent_for_each_code(client: TritonClient) -> None:
    """Chunks grow; codes are int32 [n] and latents float32 [n, width]."""
    chunks = await chunks_of(client, await long_sentence(client))
    sizes = [len(chunk["codes"]) for chunk in chunks]
    assert sizes[:4] == [6, 9, 13, 20]
    assert max(sizes) == 40
    for chunk in chunks:
        assert chunk["codes"].dtype == np.int32
        assert chunk["latents"].dtype == np.float32
        assert chunk["latents"].shape == (len(chunk["codes"]), WIDTH)


async def test_a_seed_makes_the_codes(client: TritonClient) -> None:
    """Same seed, same codes; another seed, or none, other codes."""
    values = sentence(3)
    first = await said(client, values)
    assert (await said(client, values))["codes"].tolist() == first["codes"].tolist()
    unseeded = {name: value for name, value in values.items() if name != "seed"}
    others = [{**values, "seed": tensor("seed", 4)}, unseeded, unseeded]
    found = [tuple((await said(client, other))["codes"].tolist()) for other in others]
    assert len({tuple(first["codes"].tolist()), *found}) == 4


@pytest.mark.parametrize(
    ("values", "kind", "named"),
    [
        (
            {"temperature": tensor("temperature", 3)},
            InvalidInputException,
            "temperature 3.0, expected 0",
        ),
        ({"top_p": tensor("top_p", float("nan"))}, InvalidInputException, "top_p nan"),
        ({"top_k": tensor("top_k", 1027)}, InvalidInputException, "top_k 1027, expected 0 to 1026"),
        ({"repetition_penalty": tensor("repetition_penalty", 0)}, InvalidInputException, "penalty 0.0"),
        ({"seed": tensor("seed", -1)}, InvalidInputException, "seed -1"),
        ({"max_codes": tensor("max_codes", 606)}, InvalidInputException, "max_codes 606, expected 1 to 605"),
        ({"text_ids": np.zeros(0, np.int32)}, InvalidInputException, "text_ids"),
        ({"text_ids": np.zeros(403, np.int32)}, TooLargeException, "403 text ids, at most 402"),
        ({"text_ids": np.array([1, 10**6], np.int32)}, InvalidInputException, "text id 1000000"),
        ({"gpt_cond_latent": np.zeros((32, 63), np.float32)}, InvalidInputException, r"\[32, 63\]"),
        (
            {"gpt_cond_latent": np.full((32, WIDTH), np.inf, np.float32)},
            InvalidInputException,
            "not finite",
        ),
    ],
)
async def test_a_refusal_names_what_came(
    client: TritonClient, values: Tensors, kind: type[LumenException], named: str
) -> None:
    """Wrong input is refused by class and name before the first chunk, and the next request is served."""
    with pytest.raises(kind, match=named) as refusal:
        await chunks_of(client, {**sentence(1), **values})
    assert "Traceback" not in refusal.value.message
    assert len((await said(client, sentence(1, max_codes=3)))["codes"]) == 3


@pytest.mark.parametrize("missing", ["text_ids", "gpt_cond_latent"])
async def test_what_is_missing_is_named(client: TritonClient, missing: str) -> None:
    """The inputs are optional for Triton, because a cancel goes alone, but not for a sentence."""
    values = {name: value for name, value in sentence(1).items() if name != missing}
    with pytest.raises(InvalidInputException, match=f"no {missing}"):
        await chunks_of(client, values)


async def test_a_cancelled_stream_frees_its_slot(xtts_server: TritonServer, client: TritonClient) -> None:
    """Clients that leave after their first chunk end their sentences; a neighbour hears all of its own."""
    values = await long_sentence(client)
    neighbour = sentence(5)
    alone = await said(client, neighbour)
    before = await settled(xtts_server)

    async def leave() -> None:
        async with contextlib.aclosing(client.stream(XTTS_GPT, values)) as chunks:
            await anext(chunks)

    async def cut() -> None:
        heard, *_ = await asyncio.gather(said(client, neighbour), *(leave() for _ in range(5)))
        assert heard["codes"].tolist() == alone["codes"].tolist()

    after = await until_cancelled(xtts_server, cut, times=5)
    more = {name: after.values[name] - before.values[name] for name in ("codes_total", "admitted_total")}
    assert more["codes_total"] < 605 * more["admitted_total"] * 5 / 6


SPEAKER = """
import asyncio, sys
from orchestrator.triton.client import TritonClient
from tests.triton.model_repository.test_xtts_gpt import XTTS_GPT, sentence

async def speak():
    client = TritonClient(sys.argv[1], 60)
    while True:
        async for _ in client.stream(XTTS_GPT, sentence(101)):
            sys.stdout.write("speaking\\n")
            sys.stdout.flush()

asyncio.run(speak())
"""


async def test_a_killed_client_frees_its_slot(xtts_server: TritonServer, client: TritonClient) -> None:
    """A client whose process is killed while it is spoken to holds no slot."""
    before = await settled(xtts_server)
    await asyncio.to_thread(_speak_and_die, xtts_server.grpc_url)
    after = await settled(xtts_server)
    assert after.values["admitted_total"] > before.values["admitted_total"]
    assert len((await said(client, sentence(2)))["codes"]) > 0


def _speak_and_die(url: str) -> None:
    command = [sys.executable, "-c", SPEAKER, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"speaking\n"
        process.kill()


async def test_a_stream_is_cancelled_by_its_name(xtts_server: TritonServer, client: TritonClient) -> None:
    """A cancel ends the stream of that stream_id without an error, and is itself answered by its end."""
    values = {**await long_sentence(client), "stream_id": tensor("stream_id", 77)}
    tries = []

    async def refused_beside_it() -> str:
        try:
            await chunks_of(client, values)
        except InvalidInputException as error:
            return error.message
        return "not at all"

    async def cut() -> None:
        codes, refused = 0, ""
        async for chunk in client.stream(XTTS_GPT, values):
            if codes == 0:
                refused = await refused_beside_it()
                assert await chunks_of(client, {"cancel": tensor("cancel", 77)}) == []
            codes += len(chunk["codes"])
        tries.append((refused, codes))

    await until_cancelled(xtts_server, cut)
    refused, codes = tries[-1]
    assert "stream_id 77 is in use" in refused
    assert codes < 605
    assert await chunks_of(client, {"cancel": tensor("cancel", 77)}) == []
    assert len((await said(client, {**sentence(1), "stream_id": tensor("stream_id", 77)}))["codes"]) > 0


async def test_a_model_has_one_chunk_for_each_request(
    xtts_server: TritonServer, client: TritonClient
) -> None:
    """A stream comes in one answer for each request, then it is forgotten; refusals are answers too."""
    values, named = sentence(3), {"stream_id": tensor("stream_id", 78), "caller": CALLER}
    said_at_once = await said(client, values)
    chunks = [await answer_of(client, values | named)]
    assert await answer_of(client, about("check", 78)) == {}
    assert "is in use" in await refusal_of(client, values | named)
    while chunk := await answer_of(client, about("next", 78)):
        chunks.append(chunk)
    assert np.concatenate([chunk["codes"] for chunk in chunks]).tolist() == said_at_once["codes"].tolist()
    assert len(chunks) > 2
    for what in ("next", "check"):
        assert await refusal_of(client, about(what, 78)) == (
            "NotFoundException: No stream has the stream_id 78; it is over, or never began."
        )
    assert "no text_ids" in await refusal_of(client, named)
    assert "no stream_id" in await refusal_of(client, {**values, "caller": CALLER})
    await settled(xtts_server)


async def test_a_sentence_in_answers_is_cancelled(xtts_server: TritonServer, client: TritonClient) -> None:
    """By its name, or because the process that asked for it has died; no slot is held."""
    values, ids, bereft = await long_sentence(client), itertools.count(79), list[int]()

    async def begin(caller: NDArray[Any]) -> int:
        stream_id = next(ids)
        named = {"stream_id": tensor("stream_id", stream_id), "caller": caller}
        assert len((await answer_of(client, values | named))["codes"]) == 6
        return stream_id

    async def by_name() -> None:
        stream_id = await begin(CALLER)
        assert await answer_of(client, about("cancel", stream_id)) == {}
        while await answer_of(client, about("next", stream_id)):
            pass

    async def by_death() -> None:
        caller = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
        stream_id = await begin(tensor("caller", caller.pid))
        caller.kill()
        await caller.wait()
        bereft.append(stream_id)

    await until_cancelled(xtts_server, by_name)
    await until_cancelled(xtts_server, by_death)
    assert "NotFound" in await refusal_of(client, about("next", bereft[-1]))


def about(what: str, stream_id: int) -> Tensors:
    return {what: tensor(what, stream_id), "caller": CALLER}


async def answer_of(client: TritonClient, values: Tensors) -> Tensors:
    """The only answer; nothing where it has no tensors, as the end of a stream has none either."""
    answers = await chunks_of(client, values)
    assert len(answers) <= 1
    return answers[0] if answers else {}


async def refusal_of(client: TritonClient, values: Tensors) -> str:
    return str((await answer_of(client, values))[REFUSAL][0].decode())


async def test_a_full_house_refuses_at_once(xtts_server: TritonServer, client: TritonClient) -> None:
    """More than slots and queue: some hear BusyException, all the others their whole sentence."""
    values = await long_sentence(client)
    alone = await said(client, values)
    # On a machine that stands still for a moment the first may be done when the last ones come.
    for _ in range(ATTEMPTS):
        heard = await asyncio.gather(
            *(said(client, values) for _ in range(SLOTS + QUEUE + 8)), return_exceptions=True
        )
        busy = [answer for answer in heard if isinstance(answer, BusyException)]
        spoken = [answer for answer in heard if isinstance(answer, dict)]
        assert len(spoken) >= SLOTS + QUEUE
        assert len(busy) + len(spoken) == len(heard)
        assert all(answer["codes"].tolist() == alone["codes"].tolist() for answer in spoken)
        await settled(xtts_server)
        if busy:
            break
    assert busy
    assert "All 8 slots" in busy[0].message
