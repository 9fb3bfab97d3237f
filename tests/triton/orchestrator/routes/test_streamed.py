"""Speech is heard while it is being made, in the kind that the caller prefers."""

import json
import struct
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from lumen.families.xtts.family import LANGUAGES
from tests.support.api_server import Api, Serve, assert_error
from tests.support.media_files import heard, pitch
from tests.support.waiting import wait_until

TTS, FULL = "/api/generate/tts", "/api/generate/full"
SPEECH = {"text": "one two three four five", "voice": "Ada Lovelace"}
HERTZ = {"Ada Lovelace": 200, "Bède": 300}
SECONDS = 1.0

KINDS = {
    "audio/wav": 0.001,
    "audio/mpeg": 0.15,
    "audio/ogg": 0.001,
    "audio/pcm": 0.001,
    "audio/aac": 0.15,
    "audio/flac": 0.001,
}
"""Kinds of streams with the seconds of silence around them: an MP3 without tags has its encoder's delay."""


def events(repository: Path, event: str = "") -> list[str]:
    """Read the stand-in's records that begin with ``event``."""
    path = repository / "xtts" / "events"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line for line in lines if line.startswith(event)]


def told(repository: Path) -> dict[str, Any]:
    """Read the stand-in's last request, besides the voice."""
    return all_told(repository)[-1]


def all_told(repository: Path) -> list[dict[str, Any]]:
    """Read the stand-in's requests, one by one."""
    return [json.loads(line.removeprefix("told ")) for line in events(repository, "told ")]


def stream(api: Api, accept: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if accept is None else {"accept": accept}
    return api.client.post(TTS, json={**SPEECH, "stream": True, **fields}, headers=headers)


def samples(response: httpx.Response) -> tuple[np.ndarray[Any, Any], int]:
    """The samples of a streamed answer and their rate."""
    if response.headers["content-type"].startswith("audio/pcm"):
        pcm = np.frombuffer(response.content, "<i2").astype(np.float32) / 32_767
        return pcm, int(response.headers["x-sample-rate"])
    return heard(response.content)


@pytest.fixture(scope="module")
def slow(serve_with: Serve, triton_url: str, repository: Path) -> Api:
    """An API whose audio has a lower rate than its voice."""
    return serve_with(
        triton_url=triton_url, model_repository=repository, voice="xtts", audio_sample_rate=16_000
    )


@pytest.mark.parametrize(("accept", "padding"), KINDS.items())
@pytest.mark.parametrize("fixture", ["xtts", "slow"])
def test_streams_sound_like_the_file(
    request: pytest.FixtureRequest, fixture: str, accept: str, padding: float
) -> None:
    """Each kind decodes to the tone, loudness and length of the file, at the rate that its header says."""
    api: Api = request.getfixturevalue(fixture)
    response = stream(api, accept)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith(accept)
    pcm, rate = samples(response)
    expected = 48_000 if accept == "audio/ogg" else api.settings.audio_sample_rate
    assert rate == int(response.headers["x-sample-rate"]) == expected
    assert SECONDS - 0.001 <= len(pcm) / rate <= SECONDS + padding
    assert pitch(pcm, rate) == pytest.approx(HERTZ["Ada Lovelace"], abs=3)
    middle = pcm[len(pcm) // 4 : len(pcm) // 2]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.06)


def test_a_streamed_wav_has_the_samples_of_the_file(xtts: Api) -> None:
    """Sample for sample: streaming changes when they come and nothing else."""
    body = xtts.client.post(TTS, json=SPEECH).json()
    with wave.open(BytesIO(xtts.client.get(body["audio_url"]).content)) as file:
        whole = file.readframes(file.getnframes())
    response = stream(xtts)
    (marks,) = struct.unpack_from("<I", response.content, 40)  # the chunk that says that a machine made it
    start = 44 + marks + 8
    header, data = response.content[:start], response.content[start:]
    assert data == whole
    assert header[:4] + header[8:16] + header[36:40] + header[-8:-4] == b"RIFFWAVEfmt LISTdata"
    assert struct.unpack("<I", header[-4:])[0] == 0xFFFF_FFFF
    assert stream(xtts, "audio/pcm").content == whole


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "audio/wav"),
        ("*/*", "audio/wav"),
        ("audio/*", "audio/wav"),
        ("audio/mpeg, audio/wav;q=0.5", "audio/mpeg"),
        ("audio/wav;q=0.1, audio/ogg; q=0.9", "audio/ogg"),
        ("audio/mpeg, */*", "audio/mpeg"),
        ("audio/wav;q=0, audio/*", "audio/mpeg"),
        ("AUDIO/X-WAV", "audio/wav"),
        ("audio/opus", "audio/ogg"),
        ("application/json;q=0.9, audio/pcm;q=0.2", "audio/pcm"),
        ("audio/ogg;codecs=opus", "audio/ogg"),
    ],
)
def test_the_kind_that_is_preferred(xtts: Api, accept: str | None, expected: str) -> None:
    """Accept decides, with q-values and wildcards; WAV where nothing is preferred."""
    response = stream(xtts, accept)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith(expected)


@pytest.mark.parametrize(
    "accept", ["application/json", "audio/midi", "audio/*;q=0", "*/*;q=0", "audio/wav;q=x"]
)
def test_kinds_that_there_are_not(xtts: Api, repository: Path, accept: str) -> None:
    """Nothing acceptable is 406 with the kinds that there are, before anything is spoken."""
    before = len(events(repository))
    assert_error(stream(xtts, accept), 406, "NotAcceptableException", "audio/wav, audio/mpeg")
    assert len(events(repository)) == before


def test_headers_of_a_stream(xtts: Api) -> None:
    """They tell what a file's JSON tells: the request, the part, the seed that repeats it."""
    made = xtts.files()
    response = stream(xtts)
    assert len(response.headers["x-request-id"]) == 36
    assert response.headers["x-voice-part"] == "xtts"
    assert 0 <= int(response.headers["x-seed"]) < 2**31
    assert "content-length" not in response.headers
    assert stream(xtts, seed=7).headers["x-seed"] == "7"
    wait_until(lambda: xtts.services.pipeline.active_clips == 0)
    assert xtts.files() == made


@contextmanager
def open_stream(api: Api, **fields: Any) -> Iterator[httpx.Response]:
    """A streamed answer of which the headers are there."""
    with httpx.stream(
        "POST", api.url + TTS, json={**SPEECH, "stream": True, **fields}, timeout=20
    ) as response:
        yield response


@pytest.mark.parametrize("accept", KINDS)
def test_it_is_heard_before_it_is_finished(xtts: Api, repository: Path, accept: str) -> None:
    """The first bytes are here while the voice still waits to say the rest."""
    gate = repository / "xtts" / "gate"
    gate.unlink(missing_ok=True)
    ended = len(events(repository, "ended"))
    body = {**SPEECH, "text": "one two GATE three", "stream": True}
    with httpx.stream("POST", xtts.url + TTS, json=body, headers={"accept": accept}, timeout=20) as response:
        chunks = response.iter_raw()
        first = next(chunks)
        assert len(first) > 44
        assert len(events(repository, "ended")) == ended
        gate.touch()
        rest = b"".join(chunks)
    gate.unlink()
    if accept != "audio/pcm":
        pcm, rate = heard(first + rest)
        assert len(pcm) / rate == pytest.approx(0.6, abs=0.08)


def test_a_client_that_leaves_a_stream(xtts: Api, repository: Path) -> None:
    """The work stops in Triton, and the clip no longer counts."""
    before = len(events(repository, "cancelled"))
    with open_stream(xtts, text="one two WAIT") as response:
        chunks = response.iter_raw()
        next(chunks)
        assert xtts.services.pipeline.active_clips == 1
    wait_until(lambda: len(events(repository, "cancelled")) == before + 1)
    wait_until(lambda: xtts.services.pipeline.active_clips == 0)
    assert "The client left; the work stops" in xtts.log()


def test_a_stream_that_fails_midway_breaks_off(xtts: Api) -> None:
    """The client sees that the body is not whole, the log why; the next request is served."""
    with open_stream(xtts, text="one two BREAK three") as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            response.read()
    log = xtts.log()
    assert "The response breaks off: GenerationException" in log
    assert stream(xtts).status_code == 200
    wait_until(lambda: xtts.services.pipeline.active_clips == 0)


@pytest.mark.parametrize(
    ("fields", "status", "name", "fragment"),
    [
        ({"text": "BREAK"}, 500, "GenerationException", "'xtts'"),
        ({"text": "!!!"}, 400, "InvalidInputException", "nothing that can be spoken"),
        ({"voice": "nobody"}, 404, "NotFoundException", "no voice 'nobody'"),
        ({"language": "tlh"}, 400, "InvalidInputException", "no language 'tlh'"),
        ({"speed": 2.5}, 400, "InvalidInputException", "speed"),
        ({"seed": -1}, 400, "InvalidInputException", "seed"),
        ({"sampling": {"temperature": 2.1}}, 400, "InvalidInputException", "sampling.temperature"),
        ({"sampling": {"top_k": 1027}}, 400, "InvalidInputException", "sampling.top_k"),
        ({"sampling": {"top_k": 1.5}}, 400, "InvalidInputException", "sampling.top_k"),
        ({"sampling": {"top_p": 0}}, 400, "InvalidInputException", "sampling.top_p"),
        ({"sampling": {"repetition_penalty": 0.5}}, 400, "InvalidInputException", "sampling.repetition"),
        ({"sampling": {"surprise": 1}}, 400, "InvalidInputException", "sampling.surprise"),
        ({"stream": "yes"}, 400, "InvalidInputException", "stream"),
    ],
)
def test_what_is_refused_is_refused_before_the_first_byte(
    xtts: Api, fields: dict[str, Any], status: int, name: str, fragment: str
) -> None:
    """A stream that cannot begin is an error as any other."""
    assert_error(stream(xtts, **fields), status, name, fragment)
    assert xtts.services.pipeline.active_clips == 0


@pytest.mark.parametrize("streamed", [True, False])
def test_a_voice_that_has_no_room(xtts: Api, streamed: bool) -> None:
    """Slots that are all taken are 429 with the time to come back."""
    response = stream(xtts, text="BUSY", stream=streamed)
    assert_error(response, 429, "BusyException", "slots")
    assert response.headers["retry-after"] == "2"


def test_a_long_wait_for_a_slot(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """The first sound may take FIRST_AUDIO_TIMEOUT, longer than any later piece; then it is 504."""
    settings = {"triton_url": triton_url, "model_repository": repository, "voice": "xtts"}
    gate = repository / "xtts" / "gate"
    gate.unlink(missing_ok=True)
    impatient = serve_with(**settings, first_audio_timeout=0.5)
    assert_error(stream(impatient, text="WAIT"), 504, "UpstreamTimeoutException", "0.5 s")
    patient = serve_with(**settings, triton_timeout=0.3)
    begun = len(events(repository, "told"))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stream, patient, text="GATE one")
        wait_until(lambda: len(events(repository, "told")) > begun)
        # Longer than a later piece may take: nothing happens meanwhile, which is the point.
        with pytest.raises(TimeoutError):
            answer.result(0.6)
        gate.touch()
        assert answer.result().status_code == 200
    gate.unlink()


def test_voices_of_two_users_are_not_mixed(xtts: Api) -> None:
    """Requests at once with different voices each hear their own."""
    voices = [*HERTZ, *HERTZ, *HERTZ, *HERTZ]
    with ThreadPoolExecutor(len(voices)) as pool:
        answers = list(pool.map(lambda voice: samples(stream(xtts, voice=voice)), voices))
    found = [round(pitch(pcm, rate), -1) for pcm, rate in answers]
    assert found == [HERTZ[voice] for voice in voices]


def test_what_the_model_is_told(xtts: Api, repository: Path) -> None:
    """Language, speed, seed and sampling arrive as they were sent; what was not sent is left to the model."""
    sampling = {"temperature": 0.5, "top_k": 0, "top_p": 0.5, "repetition_penalty": 2.5}
    fields = {"language": "PT_br", "speed": 1.5, "seed": 9, "sampling": sampling}
    body = xtts.client.post(TTS, json={**SPEECH, **fields}).json()
    assert (body["seed"], body["voice"]) == (9, "Ada Lovelace")
    scalars = {name: [value] for name, value in sampling.items()}
    place = {"utterance": body["request_id"], "sentence": [0], "last": [True]}
    text = {"text": SPEECH["text"], "language": "pt", **place}
    assert told(repository) == {**text, "speed": [1.5], "seed": [9], **scalars}
    body = xtts.client.post(TTS, json={**SPEECH, "language": "zh"}).json()
    text |= {"utterance": body["request_id"], "language": "zh-cn"}
    assert told(repository) == {**text, "speed": [1.0], "seed": [body["seed"]]}


@pytest.mark.parametrize("path", [TTS, FULL])
def test_the_voice_is_told_of_an_utterance(xtts: Api, repository: Path, path: str) -> None:
    """Sentences arrive one by one with their place, of a finished text and of one that is being written."""
    field = "text" if path == TTS else "prompt"
    body = xtts.client.post(path, json={field: "One two. **Three**! Four?", "seed": 3}).json()
    heard_of = all_told(repository)[-3:]
    assert [" ".join(each["text"].split()) for each in heard_of] == ["One two.", "Three!", "Four?"]
    assert [each["sentence"] for each in heard_of] == [[0], [1], [2]]
    assert [each["last"] for each in heard_of] == [[False], [False], [True]]
    assert {each["utterance"] for each in heard_of} == {body["request_id"]}
    assert {each["seed"][0] for each in heard_of} == {3}


def test_the_full_chain_speaks_with_xtts(xtts: Api, repository: Path) -> None:
    """A prompt becomes a video in a named voice; its seed is the speech's too, sampling goes along."""
    fields = {"prompt": "one two. Three", "voice": "bède", "seed": 5, "sampling": {"top_k": 20}}
    response = xtts.client.post(FULL, json={**fields, "temperature": 1.5})
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["parts"] == {"writer": "echo", "voice": "xtts", "face": "warp"}
    assert (body["voice"], body["seed"]) == ("Bède", 5)
    assert told(repository)["seed"] == [5]
    assert told(repository)["top_k"] == [20]
    assert "temperature" not in told(repository)
    pcm, rate = heard(xtts.client.get(body["audio_url"]).content)
    assert pitch(pcm, rate) == pytest.approx(300, abs=5)


def test_sampling_in_a_form(xtts: Api, repository: Path) -> None:
    """A form carries it as JSON."""
    data = {"prompt": "one", "sampling": '{"top_p": 0.25}'}
    files = {"portrait_file": ("p.png", (xtts.settings.assets_path / "portraits" / "ada.png").read_bytes())}
    assert xtts.client.post(FULL, data=data, files=files).status_code == 200
    assert told(repository)["top_p"] == [0.25]


@pytest.mark.parametrize("voice", ["Bède", "default"])
def test_the_default_voice(serve_with: Serve, triton_url: str, repository: Path, voice: str) -> None:
    """DEFAULT_VOICE speaks where a request names none; by default that is the first built-in one."""
    api = serve_with(triton_url=triton_url, model_repository=repository, voice="xtts", default_voice=voice)
    body = api.client.post(TTS, json={"text": "one"}).json()
    assert body["voice"] == {"Bède": "Bède", "default": "Ada Lovelace"}[voice]


@pytest.mark.parametrize("accept", ["audio/wav", "audio/ogg"])
def test_espeak_streams_too(api: Api, accept: str) -> None:
    """Streaming belongs to the endpoint, not to a voice."""
    body = {"text": "one two three four five", "stream": True}
    response = api.client.post(TTS, json=body, headers={"accept": accept})
    assert response.headers["x-voice-part"] == "espeak"
    assert "x-seed" not in response.headers
    pcm, rate = heard(response.content)
    assert len(pcm) / rate == pytest.approx(1.0, abs=0.05)
    assert pitch(pcm, rate) == pytest.approx(220, abs=3)


@pytest.mark.parametrize("path", [TTS, FULL])
@pytest.mark.parametrize("field", [{"seed": 1}, {"sampling": {"temperature": 0.5}}])
def test_what_espeak_cannot_do(api: Api, path: str, field: dict[str, Any]) -> None:
    """An option without effect on espeak is refused by name; a clip's seed has one, on the motion."""
    text = {"text": "one"} if path == TTS else {"prompt": "one"}
    response = api.client.post(path, json={**text, **field})
    if path == FULL and "seed" in field:
        assert response.status_code == 200
    else:
        assert_error(response, 400, "InvalidInputException", next(iter(field)), "espeak")


def test_status_tells_what_xtts_takes(xtts: Api) -> None:
    """A front end learns languages, voices, ranges and kinds of streams."""
    body = xtts.client.get("/api/status").json()
    assert body["parts"]["voice"] == "xtts"
    assert len(body["languages"]) == 17
    assert body["voices"] == list(HERTZ)
    limits = body["limits"]
    assert limits["sampling"]["repetition_penalty"] == [1, 20]
    assert limits["voice_seconds"] == [3, 60]
    assert limits["stream_types"] == [
        "audio/wav",
        "audio/mpeg",
        "audio/ogg",
        "audio/pcm",
        "audio/aac",
        "audio/flac",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks(xtts: Api, repository: Path, language: str) -> None:
    """Each of them, in capitals and with a region too."""
    for code in (language, f"{language.partition('-')[0].upper()}-XX"):
        assert stream(xtts, language=code).status_code == 200
        assert told(repository)["language"] == language
