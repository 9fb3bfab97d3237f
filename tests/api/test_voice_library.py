"""What the API's own parts promise of voices and streams, without a server."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from lumen.aio import with_timeout
from lumen.errors import InvalidInputException, NotAcceptableException, NotFoundException
from lumen.families.xtts.text.languages import CHARACTER_LIMITS
from orchestrator.media.encodings import ENCODINGS, Encoding, choose_encoding, encoder
from orchestrator.voices import library as voice_library
from orchestrator.voices.library import ClonedVoice, Latents, VoiceLibrary
from orchestrator.voices.references import fingerprint
from orchestrator.voices.voice import primary
from orchestrator.voices.xtts import LANGUAGES
from tests.api.checkpoint import WIDTH, write_checkpoint
from tests.api.media import heard, pitch, tone


@pytest.fixture
def library(tmp_path: Path) -> VoiceLibrary:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    write_checkpoint(checkpoint)
    return VoiceLibrary(tmp_path / "voices", checkpoint, max_voices=100)


def cloned(number: int, name: str = "") -> ClonedVoice:
    return ClonedVoice(f"{number:032x}", name or f"voice {number}", 4.0, {"chunk_seconds": 4.0})


def latents(value: float) -> Latents:
    return Latents(np.full((32, WIDTH), value, np.float32), np.full(512, value, np.float32))


def test_ids_name_all_that_a_voice_is_made_of() -> None:
    """Other bytes, another order, another cut between the files: another voice."""
    ids = {fingerprint(files) for files in ([b"ab", b"c"], [b"c", b"ab"], [b"a", b"bc"], [b"abc"], [b"ab"])}
    assert len(ids) == 5
    assert fingerprint([b"ab", b"c"]) in ids


def test_voices_in_memory_are_bounded(library: VoiceLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many voices speak, only so many are kept; all of them are right."""
    monkeypatch.setattr(voice_library, "CACHED_VOICES", 3)
    cards = [library.add(cloned(number), latents(number)) for number in range(6)]
    for _ in range(2):
        for number, card in enumerate(cards):
            assert library.load(card).speaker_embedding[0] == number
    assert len(library._cache) == 3


def test_a_replaced_voice_is_not_the_old_one(library: VoiceLibrary) -> None:
    """What is in memory belongs to the file, not to its name."""
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
    """Which of two voices is meant is not guessed."""
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


def test_the_languages_are_the_models() -> None:
    """The API names the languages that the model speaks."""
    assert {primary(code) for code in LANGUAGES} == set(CHARACTER_LIMITS)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.media_type)
@pytest.mark.parametrize("size", [1, 441, 7_001])
def test_encoded_pieces_of_any_size(size: int, encoding: Encoding) -> None:
    """However the speech is cut, nothing is lost of a stream; an empty chunk does no harm."""
    pcm = tone(0.5).astype(np.float32) / 32_767
    rate = encoding.rate(22_050)
    with encoder(encoding, 22_050, rate) as coder:
        pieces = [coder.encode(pcm[start : start + size]) for start in range(0, len(pcm), size)]
        data = b"".join([*pieces, coder.encode(pcm[:0]), coder.finish()])
    if encoding.media_type == "audio/pcm":
        found = np.frombuffer(data, "<i2").astype(np.float32)
    else:
        found, rate = heard(data)
    assert len(found) / rate >= 0.5
    assert pitch(found, rate) == pytest.approx(220, abs=5)


def test_an_encoder_that_is_left_early() -> None:
    """A stream that breaks off lets go of its codec."""
    for encoding in ENCODINGS:
        with pytest.raises(RuntimeError, match="gone"), encoder(encoding, 22_050, encoding.rate(22_050)):
            raise RuntimeError("gone")


@pytest.mark.parametrize("accept", ["", " ", ";;q=1,,", "audio/wav;q=2", "*/*;level=1"])
def test_anything_is_acceptable(accept: str) -> None:
    """Callers that do not say, or say it oddly, get WAV."""
    assert choose_encoding(accept) is ENCODINGS[0]


@pytest.mark.parametrize("accept", ["text/html", "audio/flac;q=1", "*/*;q=0.0", "audio/mpeg;q=-1"])
def test_nothing_is_acceptable(accept: str) -> None:
    """What a caller does not take is not sent."""
    with pytest.raises(NotAcceptableException, match="audio/wav"):
        choose_encoding(accept)


async def test_a_cancellation_at_the_last_moment_counts() -> None:
    """A client that leaves just when its chunk was taken stops the work all the same."""
    taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        await with_timeout(10, taken)
        await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    taken.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_a_time_limit() -> None:
    """What takes too long is given up."""
    with pytest.raises(TimeoutError):
        await with_timeout(0.01, asyncio.sleep(10))
