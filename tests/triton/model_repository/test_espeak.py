"""The espeak model behind a real Triton server."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as grpc
from tritonclient.utils import InferenceServerException

from lumen.contracts import ESPEAK, ESPEAK_SAMPLE_RATE
from lumen.errors import InvalidInputException, from_wire
from lumen.families.espeak.synthesizer import Espeak
from lumen.triton.server import TritonServer
from tests.support.paths import ROOT

REPOSITORY = ROOT / "model_repository"
ANSWER_SECONDS = 20.0

Answer = grpc.InferResult | InferenceServerException


@pytest.fixture(scope="module")
def server(triton: Callable[[Path, list[str]], TritonServer]) -> TritonServer:
    return triton(REPOSITORY, [ESPEAK])


class Stream:
    """A gRPC stream of requests; answers come in the order in which Triton gives them."""

    def __init__(self, url: str) -> None:
        self._client = grpc.InferenceServerClient(url)
        self.answers: queue.Queue[Answer] = queue.Queue()
        self._client.start_stream(lambda result, error: self.answers.put(error or result))

    def ask(self, request_id: str = "1", **values: Any) -> None:
        self._client.async_stream_infer(
            ESPEAK,
            [_tensor(name, value) for name, value in values.items()],
            request_id=request_id,
            enable_empty_final_response=True,
        )

    def until_final(self) -> Iterator[Answer]:
        """Answers of one request, the empty final one left out."""
        while True:
            answer = self.answers.get(timeout=ANSWER_SECONDS)
            if isinstance(answer, InferenceServerException):
                yield answer
                return
            if answer.get_response().parameters["triton_final_response"].bool_param:
                return
            yield answer

    def close(self, cancel: bool = False) -> None:
        self._client.stop_stream(cancel_requests=cancel)
        self._client.close()


@pytest.fixture
def stream(server: TritonServer) -> Iterator[Stream]:
    opened = Stream(server.grpc_url)
    yield opened
    opened.close()


def _tensor(name: str, value: Any) -> grpc.InferInput:
    kind = "FP32" if name == "speed" else "BYTES"
    array = np.array([value], np.float32 if name == "speed" else np.object_)
    tensor = grpc.InferInput(name, [1], kind)
    tensor.set_data_from_numpy(array)
    return tensor


def _pcm(answers: Iterator[Answer]) -> list[npt.NDArray[np.float32]]:
    chunks = []
    for answer in answers:
        assert isinstance(answer, grpc.InferResult), answer
        chunks.append(answer.as_numpy("pcm"))
    return chunks


def _assert_same_speech(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> None:
    """Equal but for eSpeak's flutter: length within 5 ms, levels in steps of 20 ms as good as equal."""
    assert abs(len(a) - len(b)) <= ESPEAK_SAMPLE_RATE * 0.005
    correlation = np.corrcoef(*(_levels(pcm, min(len(a), len(b))) for pcm in (a, b)))[0, 1]
    assert correlation > 0.98


def _levels(pcm: npt.NDArray[np.float32], n_samples: int) -> npt.NDArray[np.float32]:
    step = ESPEAK_SAMPLE_RATE // 50
    blocks = pcm[: n_samples // step * step].reshape(-1, step)
    return np.asarray(np.sqrt((blocks**2).mean(axis=1)))


def test_sentences_arrive_one_by_one_and_sound_as_the_engines(stream: Stream) -> None:
    """A response per sentence, the same speech as the engine gives, then the final flag."""
    text = "Good morning. How are you today? Fine!"
    stream.ask(text=text, language="en-us", voice="f2", speed=1.2)
    served = _pcm(stream.until_final())
    direct = list(Espeak().speak(text, "en-us", "f2", float(np.float32(1.2))))
    assert len(served) == 3
    for got, expected in zip(served, direct, strict=True):
        assert got.dtype == np.float32
        _assert_same_speech(got, expected)


def test_phonemes_and_words_come_with_their_times(stream: Stream) -> None:
    """The optional outputs, in one order with the sound: labels and [n, 2] seconds."""
    stream.ask(text="Mama, come home.", language="en-us")
    (answer,) = stream.until_final()
    assert isinstance(answer, grpc.InferResult)
    words, times = answer.as_numpy("words"), answer.as_numpy("word_times")
    assert [word.decode() for word in words] == ["Mama,", "come", "home."]
    assert times.shape == (3, 2)
    assert np.all(np.diff(times.ravel()) >= 0)
    assert answer.as_numpy("phonemes")[0].decode() == "m"
    assert answer.as_numpy("phoneme_times").shape == (len(answer.as_numpy("phonemes")), 2)


def test_voice_and_rate_may_be_left_out(stream: Stream) -> None:
    """The optional inputs have defaults: eSpeak's own voice at its normal rate."""
    stream.ask(text="Hello there.", language="en")
    (served,) = _pcm(stream.until_final())
    (direct,) = Espeak().speak("Hello there.", "en")
    _assert_same_speech(served, direct)
    assert len(served) > ESPEAK_SAMPLE_RATE // 2


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"text": "Hello", "language": "tlhh"}, "'tlhh'"),
        ({"text": "Hello", "language": "en", "voice": "f99"}, "'f99'"),
        ({"text": "...", "language": "en"}, "'...'"),
        ({"text": "Hello", "language": "en", "speed": float("nan")}, "nan"),
        ({"text": b"\xff\xfe", "language": "en"}, "UTF-8"),
    ],
)
def test_a_refusal_names_what_came_and_ends_the_request(
    stream: Stream, values: dict[str, Any], named: str
) -> None:
    """Wrong input is refused by name and class, and the stream goes on."""
    stream.ask(**values)
    (error,) = stream.until_final()
    assert isinstance(error, InferenceServerException)
    refusal = from_wire(str(error.message()))
    assert isinstance(refusal, InvalidInputException)
    assert named in refusal.message
    assert "Traceback" not in refusal.message
    stream.ask(text="Hello.", language="en")
    assert len(_pcm(stream.until_final())) == 1


def test_one_refusal_leaves_the_neighbours_alone(server: TritonServer) -> None:
    """Eight clients at once, one of them with an unknown language: seven hear their own text."""
    texts = [f"Number {n}. " * (n + 1) for n in range(8)]
    results: dict[int, list[Answer]] = {}

    def run(n: int) -> None:
        stream = Stream(server.grpc_url)
        stream.ask(text=texts[n], language="nowhere" if n == 3 else "en")
        results[n] = list(stream.until_final())
        stream.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ANSWER_SECONDS)
    assert isinstance(results.pop(3)[0], InferenceServerException)
    for n, answers in results.items():
        expected = Espeak().speak(texts[n], "en")
        for got, sentence in zip(_pcm(iter(answers)), expected, strict=True):
            _assert_same_speech(got, sentence)


def test_a_cancelled_request_stops_between_sentences(server: TritonServer) -> None:
    """After a client cancels, the server speaks on for less than the text and serves the next client."""
    stream = Stream(server.grpc_url)
    stream.ask(text="This is one of many sentences. " * 300, language="en")
    assert isinstance(stream.answers.get(timeout=ANSWER_SECONDS), grpc.InferResult)
    stream.close(cancel=True)
    assert stream.answers.qsize() < 299
    following = Stream(server.grpc_url)
    following.ask(text="Hello.", language="en")
    assert len(_pcm(following.until_final())) == 1
    following.close()
