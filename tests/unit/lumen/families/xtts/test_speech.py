"""Text to PCM without Triton: against the reference with its own weights, and on strict fakes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from export.xtts.vocoder_graph import build
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SAMPLE_RATE, XTTS_SPEAKER_WIDTH
from lumen.errors import BusyException, GenerationException, InvalidInputException, LumenException
from lumen.families.xtts.playout_buffer import PlayoutBuffer
from lumen.families.xtts.speech import MAX_SPEECHES, Order, Speech, SpeechOptions, Voice
from lumen.families.xtts.tails import PAUSE_SAMPLES
from lumen.families.xtts.text.tokenizer import Tokenizer
from lumen.families.xtts.vocoder_windows import BUCKETS, FRAME_SAMPLES, Window, vocoder_frames
from lumen.utterance import Sentence

Float32 = npt.NDArray[np.float32]

WIDTH = 8
TOLERANCE = 1e-3
TWO_PIECES = "This is the first of two sentences. " * 7 + "And this one comes after it."


@pytest.fixture(scope="session")
def tokenizer(xtts_checkpoint: Path) -> Tokenizer:
    return Tokenizer(xtts_checkpoint / "vocab.json")


class FakeStream:
    def __init__(self, chunks: Sequence[Float32], failure: LumenException | None = None) -> None:
        self._chunks = chunks
        self._failure = failure
        self.ended = False
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[Float32]:
        assert not self.closed, "read after it was closed"
        for chunk in self._chunks:
            await asyncio.sleep(0)
            yield chunk
        self.ended = True
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        self.closed = True


class FakeGpt:
    """Latents that are the number of their piece plus one; ``log`` says when a piece began."""

    def __init__(self, chunks: Sequence[int] = (6, 10, 4), failure: LumenException | None = None) -> None:
        self._chunks = chunks
        self._failure = failure
        self.orders: list[Order] = []
        self.streams: list[FakeStream] = []
        self.log: list[str] = []

    def start(self, order: Order) -> FakeStream:
        self.log.append("begin")
        self.orders.append(order)
        value = np.float32(len(self.orders))
        chunks = [np.full((n, WIDTH), value, np.float32) for n in self._chunks]
        self.streams.append(FakeStream(chunks, self._failure))
        return self.streams[-1]


class FakeVocoder:
    """A tenth of the window's latents as a square wave; refuses what the real one has no bucket for."""

    def __init__(self, log: list[str] | None = None, failure: LumenException | None = None) -> None:
        self._log = [] if log is None else log
        self._failure = failure
        self.speakers: list[Float32] = []
        self.speeches = 0

    @contextmanager
    def speech(self, playout: PlayoutBuffer) -> Iterator[None]:
        self.speeches += 1
        try:
            yield
        finally:
            self.speeches -= 1

    async def pcm(self, window: Window, speaker_embedding: Float32, playout: PlayoutBuffer) -> Float32:
        assert len(window.latents) in BUCKETS
        assert self.speeches
        self._log.append("decode")
        self.speakers.append(speaker_embedding)
        await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        wave = np.resize(np.array([1, -1], np.float32), vocoder_frames(len(window.latents)) * FRAME_SAMPLES)
        return wave * window.latents[0, 0] / 10


def voice(width: int = WIDTH) -> Voice:
    source = np.random.default_rng(3)
    embedding = source.standard_normal(XTTS_SPEAKER_WIDTH).astype(np.float32)
    latent = source.standard_normal((XTTS_CONDITION_LATENTS, width)).astype(np.float32)
    return Voice(latent, embedding / np.linalg.norm(embedding))


async def spoken(
    speech: Speech, text: str = "Hello.", options: SpeechOptions | None = None, language: str = "en"
) -> list[Float32]:
    return [pcm async for pcm in speech.speak(Sentence(text), language, voice(), options or SpeechOptions())]


async def test_a_speech_has_all_samples_of_its_latents(tokenizer: Tokenizer) -> None:
    """Nothing is lost at joins or at the end: 20 latents are vocoder_frames(20) frames, in several chunks."""
    chunks = await spoken(Speech(tokenizer, FakeGpt(), FakeVocoder()))
    assert len(chunks) > 1
    pcm = np.concatenate(chunks)
    assert len(pcm) == vocoder_frames(20) * FRAME_SAMPLES
    np.testing.assert_allclose(np.abs(pcm), 0.1, rtol=1e-6)


@pytest.mark.parametrize("speed", [0.8, 1.0])
async def test_the_last_chunk_and_the_end_are_one_window(tokenizer: Tokenizer, speed: float) -> None:
    """The last chunk, known by its smaller size, and the end are decoded as one window."""
    log: list[str] = []
    await spoken(Speech(tokenizer, FakeGpt((6, 10, 4)), FakeVocoder(log)), options=SpeechOptions(speed))
    assert log == ["decode"] * 3


async def test_sentences_share_a_voice_and_have_a_pause_between_them(tokenizer: Tokenizer) -> None:
    """Every piece goes out with the same latents and embedding; a quarter of a second parts sentences."""
    gpt, vocoder = FakeGpt(), FakeVocoder()
    pcm = np.concatenate(await spoken(Speech(tokenizer, gpt, vocoder), TWO_PIECES))
    sentence = vocoder_frames(20) * FRAME_SAMPLES
    first, quiet, second = np.split(pcm, [sentence, sentence + PAUSE_SAMPLES])
    np.testing.assert_allclose(np.abs(first), 0.1, rtol=1e-6)
    assert not quiet.any()
    assert len(quiet) == PAUSE_SAMPLES
    np.testing.assert_allclose(np.abs(second), 0.2, rtol=1e-6)
    assert all(np.array_equal(order.gpt_cond_latent, voice().gpt_cond_latent) for order in gpt.orders)
    assert all(np.array_equal(speaker, voice().speaker_embedding) for speaker in vocoder.speakers)


async def test_a_sentence_cut_for_its_length_has_no_pause_inside(tokenizer: Tokenizer) -> None:
    """Words that go on in the next piece follow at once."""
    gpt = FakeGpt()
    pcm = np.concatenate(await spoken(Speech(tokenizer, gpt, FakeVocoder()), "word " * 80))
    assert len(gpt.orders) == 2
    assert len(pcm) == 2 * vocoder_frames(20) * FRAME_SAMPLES


async def test_the_next_piece_begins_before_the_last_sound_of_this_one(tokenizer: Tokenizer) -> None:
    """The GPT works on sentence two while the vocoder finishes sentence one; never further ahead."""
    gpt = FakeGpt()
    text = " ".join([TWO_PIECES] * 3)
    await spoken(Speech(tokenizer, gpt, FakeVocoder(gpt.log)), text)
    begins = [i for i, entry in enumerate(gpt.log) if entry == "begin"]
    assert len(begins) == len(gpt.orders) > 2
    assert all(gpt.log[i + 1] == "decode" for i in begins)
    assert all(b - a > 1 for a, b in pairwise(begins))


async def test_seeds_follow_from_the_speechs_seed_and_differ_by_piece(tokenizer: Tokenizer) -> None:
    """Same seed, same seeds; another seed, others; within a speech no two alike; none given, a new one."""

    async def seeds(seed: int | None) -> list[float]:
        gpt = FakeGpt()
        await spoken(Speech(tokenizer, gpt, FakeVocoder()), TWO_PIECES, SpeechOptions(seed=seed))
        return [order.sampling["seed"] for order in gpt.orders]

    assert await seeds(7) == await seeds(7)
    assert (
        len({*await seeds(7), *await seeds(8), *await seeds(-1), *await seeds(None), *await seeds(None)})
        == 10
    )
    assert all(0 <= seed < 2**63 for seed in await seeds(2**63 - 1))


@pytest.mark.parametrize("chunks_heard", [0, 1, 2])
async def test_a_closed_speech_closes_its_streams(tokenizer: Tokenizer, chunks_heard: int) -> None:
    """Whenever the listener leaves, what began at the GPT is closed, and nothing begins after."""
    gpt = FakeGpt()
    speech = Speech(tokenizer, gpt, FakeVocoder())
    async with aclosing(speech.speak(Sentence(TWO_PIECES), "en", voice(), SpeechOptions())) as chunks:
        for _ in range(chunks_heard):
            await anext(chunks)
    assert all(stream.closed for stream in gpt.streams)
    assert len(gpt.streams) <= chunks_heard


async def test_a_failing_vocoder_ends_the_gpts_stream(tokenizer: Tokenizer) -> None:
    """The error keeps its class and the GPT does not go on."""
    gpt = FakeGpt()
    vocoder = FakeVocoder(failure=GenerationException("xtts_vocoder: no"))
    with pytest.raises(GenerationException, match="xtts_vocoder: no"):
        await spoken(Speech(tokenizer, gpt, vocoder))
    assert [stream.closed for stream in gpt.streams] == [True]
    assert vocoder.speeches == 0


async def test_a_refusing_gpt_is_heard_with_its_class(tokenizer: Tokenizer) -> None:
    """No room at the GPT is no room for the caller, and no sound came before."""
    speech = Speech(tokenizer, FakeGpt((), BusyException("full")), FakeVocoder())
    with pytest.raises(BusyException, match="full"):
        await spoken(speech)


async def test_a_gpt_that_says_nothing_is_an_error(tokenizer: Tokenizer) -> None:
    """A speech without a sample is not passed off as one."""
    with pytest.raises(GenerationException, match="no sound of 'Hello\\.'"):
        await spoken(Speech(tokenizer, FakeGpt(()), FakeVocoder()))


async def test_one_speech_too_many_is_refused_and_room_comes_back(tokenizer: Tokenizer) -> None:
    """Beyond MAX_SPEECHES the caller hears Busy at once; a speech that ends makes room."""
    speech = Speech(tokenizer, FakeGpt(), FakeVocoder())
    speeches = [speech.speak(Sentence("Hello."), "en", voice(), SpeechOptions()) for _ in range(MAX_SPEECHES)]
    for chunks in speeches:
        await anext(chunks)
    with pytest.raises(BusyException, match="24"):
        await spoken(speech)
    await speeches.pop().aclose()
    assert await spoken(speech)
    for chunks in speeches:
        await chunks.aclose()


@pytest.mark.parametrize(
    ("changed", "options", "named"),
    [
        ({}, SpeechOptions(speed=0.49), "0.49"),
        ({}, SpeechOptions(speed=2.01), "2.01"),
        ({}, SpeechOptions(speed=float("nan")), "nan"),
        ({"gpt_cond_latent": np.zeros((31, WIDTH), np.float32)}, SpeechOptions(), r"\[31, 8\]"),
        ({"gpt_cond_latent": np.full((32, WIDTH), np.nan, np.float32)}, SpeechOptions(), "no numbers"),
        ({"speaker_embedding": np.zeros(511, np.float32)}, SpeechOptions(), r"\[511\]"),
        ({"speaker_embedding": np.full(512, np.inf, np.float32)}, SpeechOptions(), "no numbers"),
    ],
)
async def test_what_is_wrong_is_refused_before_the_gpt_begins(
    tokenizer: Tokenizer, changed: dict[str, Any], options: SpeechOptions, named: str
) -> None:
    """A voice or speed that cannot be is named, and costs nothing."""
    gpt = FakeGpt()
    who = Voice(**{**voice().__dict__, **changed})
    with pytest.raises(InvalidInputException, match=named):
        await anext(Speech(tokenizer, gpt, FakeVocoder()).speak(Sentence("Hello."), "en", who, options))
    assert not gpt.streams


class ReferenceGpt:
    """The reference's latents of fixed codes, in chunks of growing sizes."""

    def __init__(self, model: Any, codes: Sequence[int]) -> None:
        self._model = model
        self._codes = codes

    def start(self, order: Order) -> FakeStream:
        import torch

        ids, codes = torch.tensor(order.piece.ids)[None], torch.tensor(self._codes)[None]
        with torch.inference_mode():
            latents = self._model.gpt(
                ids,
                torch.tensor([ids.shape[-1]]),
                codes,
                torch.tensor([codes.shape[-1] * self._model.gpt.code_stride_len]),
                cond_latents=torch.tensor(order.gpt_cond_latent)[None],
                return_latent=True,
            )[0].numpy()
        return FakeStream(np.split(latents, [6, 9]))


class OnnxVocoder:
    def __init__(self, model: Any) -> None:
        graph = build(model.hifigan_decoder.waveform_decoder).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch wants the cores
        self._session = onnxruntime.InferenceSession(graph, options)

    def speech(self, playout: PlayoutBuffer) -> AbstractContextManager[None]:
        return nullcontext()

    async def pcm(self, window: Window, speaker_embedding: Float32, playout: PlayoutBuffer) -> Float32:
        tensors = {**window.tensors(), "speaker_embedding": speaker_embedding[None]}
        pcm: Float32 = self._session.run(["pcm"], tensors)[0][0]
        return pcm


@pytest.fixture(scope="module")
def onnx_vocoder(xtts_model: Any) -> OnnxVocoder:
    return OnnxVocoder(xtts_model)


@pytest.mark.parametrize("speed", [1.0, 0.8, 1.7])
async def test_a_sentence_with_fixed_codes_sounds_as_the_references(
    xtts_model: Any,
    onnx_vocoder: OnnxVocoder,
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    speed: float,
) -> None:
    """The whole sentence, streamed, is `Xtts.inference`'s within 1e-3 (fp32), sample for sample."""
    import torch

    codes = np.random.default_rng(5).integers(0, 1024, 14).tolist()
    monkeypatch.setattr(xtts_model.gpt, "generate", lambda **_: torch.tensor(codes)[None])
    who, text = voice(xtts_model.gpt.model_dim), "Good morning, Dr. Smith: it is 7.30."
    latent, embedding = torch.tensor(who.gpt_cond_latent)[None], torch.tensor(who.speaker_embedding)
    expected = xtts_model.inference(text, "en", latent, embedding[None, :, None], speed=speed)["wav"]

    speech = Speech(tokenizer, ReferenceGpt(xtts_model, codes), onnx_vocoder)
    chunks = [pcm async for pcm in speech.speak(Sentence(text), "en", who, SpeechOptions(speed))]
    pcm = np.concatenate(chunks)
    assert len(pcm) == len(expected) > XTTS_SAMPLE_RATE // 4
    difference = np.abs(pcm - expected)

    assert difference.max() < TOLERANCE, f"maximum {difference.max():.2g}, mean {difference.mean():.2g}"
