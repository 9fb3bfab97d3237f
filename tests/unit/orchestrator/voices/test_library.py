"""Cloned voices on a disk or in a bucket, which several APIs use at once, and in memory."""

import asyncio
import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from lumen.errors import InvalidInputException, NotFoundException, StorageException
from orchestrator.voices.library import ClonedVoice, Latents, VoiceLibrary
from tests.support.file_stores import Replica
from tests.support.keys import TestKey
from tests.support.xtts_files import WIDTH, write_checkpoint

ADA, ALAN = (TestKey(f"{number:010x}", "") for number in (1, 2))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    write_checkpoint(folder)
    return folder


@pytest.fixture
def libraries(replica: Replica, checkpoint: Path) -> tuple[VoiceLibrary, VoiceLibrary]:
    """Those of two APIs on the same place."""
    one, two = (VoiceLibrary(replica(), checkpoint, max_voices=3) for _ in range(2))
    return one, two


def cloned(number: int, name: str = "") -> ClonedVoice:
    return ClonedVoice(f"{number:032x}", name or f"voice {number}", 4.0, {"chunk_seconds": 4.0})


def latents(value: float) -> Latents:
    return Latents(np.full((32, WIDTH), value, np.float32), np.full(512, value, np.float32))


async def spoken(library: VoiceLibrary, voice: str) -> float:
    """The number that a voice was made of."""
    return float((await library.open(voice))[1].speaker_embedding[0])


async def names(library: VoiceLibrary) -> list[str]:
    return [card.name for card in await library.cards() if card.kind == "custom"]


async def test_made_at_one_and_used_at_the_other(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """A voice speaks at every API at once, by id and name, and is gone from all at once."""
    here, there = libraries
    card, new = await here.add(cloned(1), latents(1.0))
    assert new
    assert await names(there) == ["voice 1"]
    assert [await spoken(each, name) for each in libraries for name in (card.id, "VOICE 1")] == [1.0] * 4
    await there.remove(card.id)
    for library in libraries:
        assert await names(library) == []
        for name in (card.id, "voice 1"):
            with pytest.raises(NotFoundException, match="no voice"):
                await library.open(name)


async def test_the_same_voice_at_two_apis(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """The same recordings at both at the same moment: one voice, new at one of them, with one name."""
    made = await asyncio.gather(
        *(library.add(cloned(1, name), latents(1.0)) for library, name in zip(libraries, "AB", strict=True))
    )
    assert sorted(new for _, new in made) == [False, True]
    assert len({card.name for card, _ in made}) == 1
    assert len(await names(libraries[0])) == 1


async def test_a_name_is_given_once(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """Two APIs give one name to two voices at the same moment: one is refused, and leaves nothing."""
    made = await asyncio.gather(
        *(library.add(cloned(n, "Twin"), latents(n)) for n, library in enumerate(libraries)),
        return_exceptions=True,
    )
    (refused,) = (each for each in made if isinstance(each, BaseException))
    assert isinstance(refused, InvalidInputException)
    assert "'Twin' is another voice's" in refused.message
    assert await names(libraries[0]) == ["Twin"]


async def test_as_many_as_each_key_may_have(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """Five at once at two APIs where three may be: three are kept, and other keys have theirs besides."""
    with ADA.asking():
        added = (libraries[n % 2].add(cloned(n), latents(n)) for n in range(5))
        made = await asyncio.gather(*added, return_exceptions=True)
        refused = [each for each in made if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [StorageException] * 2
        assert "You have 3 voices already" in str(refused[0])
        kept = [each[0] for each in made if not isinstance(each, BaseException)]
        await libraries[1].remove(kept[0].id)
        assert (await libraries[0].add(cloned(9), latents(9)))[1]
    with ALAN.asking():
        assert (await libraries[0].add(cloned(10), latents(10)))[1]
    assert (await libraries[1].add(cloned(11), latents(11)))[1]  # everyone's


async def test_a_replaced_voice_is_not_the_old_one(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """A voice in memory belongs to its file, not to its name; one of another checkpoint is replaced."""
    here, _ = libraries
    await here.add(cloned(1), latents(1.0))
    assert [await spoken(each, "voice 1") for each in libraries] == [1.0, 1.0]
    await here.remove(cloned(1).id)
    await here.add(cloned(1), latents(2.0))
    assert [await spoken(each, "voice 1") for each in libraries] == [2.0, 2.0]


async def test_a_voice_of_another_checkpoint_is_made_anew(
    libraries: tuple[VoiceLibrary, VoiceLibrary], checkpoint: Path
) -> None:
    """Under the same id; the other API speaks with the new one at once."""
    here, there = libraries
    await here.add(cloned(1), latents(1.0))
    assert await spoken(there, "voice 1") == 1.0
    write_checkpoint(checkpoint, source="b" * 64)
    with pytest.raises(InvalidInputException, match="another XTTS checkpoint"):
        await there.open("voice 1")
    assert (await here.add(cloned(1, "new"), latents(3.0)))[1]
    assert await spoken(there, cloned(1).id) == 3.0
    assert await names(there) == ["new"]


async def test_voices_in_memory_are_bounded(replica: Replica, checkpoint: Path) -> None:
    """However many voices speak, only so many are kept; all of them are right."""
    library = VoiceLibrary(replica(), checkpoint, max_voices=100, max_cached=3)
    cards = [(await library.add(cloned(number), latents(number)))[0] for number in range(6)]
    for _ in range(2):
        loaded = [(await library.open(card.id))[1] for card in cards]
        assert [voice.speaker_embedding[0] for voice in loaded] == list(range(6))
    kept = [weakref.ref(voice) for voice in loaded]
    del loaded
    gc.collect()
    assert [voice() is not None for voice in kept] == [False] * 3 + [True] * 3


async def test_a_name_of_two_voices(replica: Replica, checkpoint: Path) -> None:
    """A name of two voices, whose files were copied together, is refused: which is meant is not guessed."""
    library, files = VoiceLibrary(replica(), checkpoint, max_voices=100), replica()
    await library.add(cloned(1, "twin"), latents(1.0))
    part = await files.read(f"{1:032x}.safetensors")
    assert part is not None
    await files.write(f"{2:032x}.safetensors", part.data)
    with pytest.raises(InvalidInputException, match=f"{1:032x}, {2:032x}"):
        await library.find("twin")
    assert (await library.find(f"{2:032x}")).name == "twin"


async def test_readers_see_whole_voices(replica: Replica, checkpoint: Path) -> None:
    """While a voice is removed and made again and again, every reader finds it whole, or not at all."""
    writer, reader = (VoiceLibrary(replica(), checkpoint, max_voices=100) for _ in range(2))

    async def write() -> None:
        while True:
            await writer.add(cloned(1), latents(1.0))
            await writer.remove(cloned(1).id)

    writing, found = asyncio.create_task(write()), 0
    try:
        while found < 20:
            assert not writing.done()
            try:
                found += (await reader.open("voice 1"))[1].gpt_cond_latent.shape == (32, WIDTH)
            except NotFoundException:
                continue
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def test_what_belongs_to_a_key(libraries: tuple[VoiceLibrary, VoiceLibrary]) -> None:
    """A key's voice is not there for another one, at any API, and an admin finds and removes it."""
    here, there = libraries
    with ADA.asking():
        card, _ = await here.add(cloned(1), latents(1.0))
        assert card.owner == ADA.id
        assert await names(there) == ["voice 1"]
    with ALAN.asking():
        assert await names(there) == []
        for library in libraries:
            with pytest.raises(NotFoundException):
                await library.find(card.id)
            with pytest.raises(NotFoundException):
                await library.remove(card.id)
    assert (await there.find(card.id)).owner == ADA.id  # no request, so what an admin sees
    await there.remove(card.id)
    with ADA.asking():
        assert await names(here) == []
