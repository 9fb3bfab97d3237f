"""Cloned voices on disk and in memory."""

import gc
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from lumen.errors import InvalidInputException, NotFoundException
from orchestrator.voices.library import ClonedVoice, Latents, VoiceLibrary
from tests.support.xtts_files import WIDTH, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    write_checkpoint(folder)
    return folder


@pytest.fixture
def library(tmp_path: Path, checkpoint: Path) -> VoiceLibrary:
    return VoiceLibrary(tmp_path / "voices", checkpoint, max_voices=100)


def cloned(number: int, name: str = "") -> ClonedVoice:
    return ClonedVoice(f"{number:032x}", name or f"voice {number}", 4.0, {"chunk_seconds": 4.0})


def latents(value: float) -> Latents:
    return Latents(np.full((32, WIDTH), value, np.float32), np.full(512, value, np.float32))


def test_voices_in_memory_are_bounded(tmp_path: Path, checkpoint: Path) -> None:
    """However many voices speak, only so many are kept; all of them are right."""
    library = VoiceLibrary(tmp_path / "voices", checkpoint, max_voices=100, max_cached=3)
    cards = [library.add(cloned(number), latents(number)) for number in range(6)]
    for _ in range(2):
        loaded = [library.load(card) for card in cards]
        assert [voice.speaker_embedding[0] for voice in loaded] == list(range(6))
    kept = [weakref.ref(voice) for voice in loaded]
    del loaded
    gc.collect()
    assert [voice() is not None for voice in kept] == [False] * 3 + [True] * 3


def test_a_replaced_voice_is_not_the_old_one(library: VoiceLibrary) -> None:
    """A voice in memory belongs to its file, not to its name."""
    library.add(cloned(1), latents(1.0))
    assert library.load(library.find("voice 1")).gpt_cond_latent[0, 0] == 1
    library.remove(cloned(1).id)
    with pytest.raises(NotFoundException, match="no voice"):
        library.find("voice 1")
    library.add(cloned(1), latents(2.0))
    assert library.load(library.find("voice 1")).gpt_cond_latent[0, 0] == 2


def test_a_voice_that_goes_while_it_is_looked_up(library: VoiceLibrary) -> None:
    """Between finding and reading it is removed: the caller learns that, and nothing breaks."""
    card = library.add(cloned(1), latents(1.0))
    library.remove(card.id)
    with pytest.raises(NotFoundException, match="not there any more"):
        library.load(card)


def test_a_name_that_two_processes_gave(library: VoiceLibrary, tmp_path: Path) -> None:
    """A name of two voices is refused: which one is meant is not guessed."""
    other = VoiceLibrary(tmp_path / "other", tmp_path / "checkpoint", max_voices=100)
    for number, process in ((1, library), (2, other)):
        process.add(cloned(number, "twin"), latents(number))
    for file in (tmp_path / "other").iterdir():
        file.rename(tmp_path / "voices" / file.name)
    with pytest.raises(InvalidInputException, match=f"{1:032x}, {2:032x}"):
        library.find("twin")
    assert library.find(f"{2:032x}").name == "twin"


def test_readers_see_whole_voices(library: VoiceLibrary) -> None:
    """While a voice is written again and again, every reader finds it, whole."""
    library.add(cloned(1), latents(1.0))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            library.add(cloned(1), latents(1.0))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            assert [card.name for card in library.cards()][-1] == "voice 1"
            assert library.load(library.find("voice 1")).gpt_cond_latent.shape == (32, WIDTH)
    finally:
        stop.set()
        writer.join()
