"""Models load once and can be freed; whatever breaks on the way leaves no file and no work behind."""

import asyncio
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from orchestrator.core.model_manager import ModelManager
from orchestrator.main import create_app
from tests.support.api_server import DEADLINE, Api, Serve, assert_error, served, stand_ins
from tests.support.media_files import image_bytes, wav_bytes
from tests.support.triton_server import TritonFactory
from tests.support.waiting import wait_until

TTS, VIDEO, FULL = (f"/api/generate/{name}" for name in ("tts", "video", "full"))


def events(repository: Path, event: str) -> int:
    """Count how often the stand-in voice has written down ``event``."""
    path = repository / "espeak" / "events"
    return path.read_text().splitlines().count(event) if path.is_file() else 0


def test_models_load_once_and_can_be_freed(api: Api, repository: Path) -> None:
    """unload_all frees the chain; concurrent requests then load each model once, and all are served."""
    assert api.client.post(TTS, json={"text": "one"}).status_code == 200
    manager = ModelManager(api.settings)
    manager.unload_all()
    states = asyncio.run(_states(manager))
    assert set(states.values()) == {"UNLOADED"}
    assert api.client.get("/health").json()["status"] == "healthy"
    loads = events(repository, "loaded")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: api.client.post(TTS, json={"text": "one"}).status_code, range(4)))
    assert answers == [200] * 4
    assert events(repository, "loaded") == loads + 1


async def test_freeing_models_leaves_the_event_loop_free(api: Api) -> None:
    """`unload` lets everything else go on; `unload_all` may be called wherever code is not async."""
    manager, turns = ModelManager(api.settings), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    try:
        await manager.ensure(manager.models()[:1])
        counting = asyncio.create_task(count())
        await manager.unload()
        counting.cancel()
        assert turns > 10
        assert {model.state for model in (await manager.states()).values()} == {"UNLOADED"}
        await manager.ensure(manager.models()[:1])
        manager.unload_all()
        assert {model.state for model in (await manager.states()).values()} == {"UNLOADED"}
    finally:
        await manager.close()


async def _states(manager: ModelManager) -> dict[str, str]:
    try:
        return {name: model.state for name, model in (await manager.states()).items()}
    finally:
        await manager.close()


def test_a_model_that_does_not_load(
    serve_with: Serve, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """ModelLoadException carries Triton's reason on one line."""
    folder = stand_ins(tmp_path_factory.mktemp("broken"))
    (folder / "espeak" / "config.pbtxt").write_text('name: "espeak"\nbackend: "no_such_backend"\n')
    shutil.rmtree(folder / "warp")
    server = triton(folder, [])
    api = serve_with(triton_url=server.grpc_url)
    response = api.client.post(TTS, json={"text": "one"})
    assert_error(response, 500, "ModelLoadException", "espeak", "no_such_backend")
    assert "\n" not in response.json()["message"]
    assert api.client.get("/health").json()["status"] == "degraded"
    assert api.files() == []
    server.kill()


@pytest.mark.parametrize(
    ("body", "status", "name", "fragment"),
    [
        ({"prompt": "one", "language": "fr"}, 400, "InvalidInputException", "Unknown language 'fr'"),
        ({"prompt": "one", "portrait": "nobody"}, 400, "InvalidInputException", "No face"),
        ({"prompt": "!!!"}, 400, "InvalidInputException", "nothing that can be spoken"),
        ({"prompt": "one BREAK"}, 500, "GenerationException", "'espeak'"),
    ],
)
def test_failures_on_the_way(
    serve_with: Serve, triton_url: str, body: dict[str, str], status: int, name: str, fragment: str
) -> None:
    """A stage that refuses or fails ends the request with its error, and no file stays."""
    api = serve_with(triton_url=triton_url, max_audio_seconds=4)
    response = api.client.post(FULL, json=body)
    assert_error(response, status, name, fragment)
    assert "secret" not in response.text
    assert api.files() == []
    assert api.services.pipeline.active_clips == 0


def test_a_reply_that_is_too_long_ends_with_its_last_sentence(serve_with: Serve, triton_url: str) -> None:
    """A reply that is too long ends with its last sentence, and a warning says that there was more."""
    api = serve_with(triton_url=triton_url, max_audio_seconds=4)
    body = api.client.post(FULL, json={"prompt": "One two three. " * 20}).json()
    assert body["audio_seconds"] == pytest.approx(3.6)
    assert "ends at the last sentence that fits" in body["warnings"][0]
    assert [caption["text"] for caption in body["captions"]] == ["One two three."] * 6
    for url in (body["video_url"], body["audio_url"], body["captions_url"], body["poster_url"]):
        assert api.client.get(url).status_code == 200


def test_a_failure_does_not_touch_its_neighbours(api: Api) -> None:
    """Requests that are served at once with one that fails are served."""
    prompts = ["one two", "one BREAK", "three four", "five"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda p: api.client.post(FULL, json={"prompt": p}).status_code, prompts))
    assert answers == [200, 500, 200, 200]


def test_an_id_that_is_sent_twice_overwrites_nothing(api: Api) -> None:
    """The log and the answers have the client's id; the files have names of their own."""
    headers = {"X-Request-ID": "my-own.id_0001"}
    answers = [api.client.post(FULL, json={"prompt": text}, headers=headers) for text in ("one", "one two")]
    assert [answer.json()["request_id"] for answer in answers] == ["my-own.id_0001"] * 2
    urls = [answer.json()[name] for answer in answers for name in ("video_url", "audio_url")]
    assert len(set(urls)) == 4
    lengths = [len(api.client.get(answer.json()["audio_url"]).content) for answer in answers]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("path", [TTS, FULL])
def test_a_client_that_leaves(serve_with: Serve, triton_url: str, repository: Path, path: str) -> None:
    """The work stops: Triton's stream is cancelled, temporary files go, and the clip no longer counts."""
    api = serve_with(triton_url=triton_url)
    api.client.post(TTS, json={"text": "one"})
    for url in api.files():
        (api.settings.outputs_path / url).unlink()
    before = events(repository, "cancelled")
    field = "text" if path == TTS else "prompt"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(api.url + path, json={field: f"one two {path} WAIT"}, timeout=1.0)
    wait_until(lambda: events(repository, "cancelled") == before + 1)
    wait_until(lambda: api.services.pipeline.active_clips == 0 and api.files() == [])
    log = api.log()
    assert "The client left; the work stops" in log
    assert f"POST {path} - 499" in log


def test_a_model_that_hangs(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """TRITON_TIMEOUT ends the wait with 504 and cancels the request in Triton."""
    api = serve_with(triton_url=triton_url, triton_timeout=0.5)
    before = events(repository, "cancelled")
    assert_error(api.client.post(TTS, json={"text": "one WAIT"}), 504, "UpstreamTimeoutException", "0.5 s")
    wait_until(lambda: events(repository, "cancelled") == before + 1)
    assert api.files() == []


def test_a_server_that_stops(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A request that outlasts a stopping server's grace period is a 503 like any, without a traceback."""
    app = create_app(api.settings)
    with ThreadPoolExecutor(1) as pool:
        with served(app) as url:
            asked = pool.submit(httpx.post, url + TTS, json={"text": "one WAIT"}, timeout=DEADLINE)
            wait_until(lambda: app.state.services.pipeline.active_clips == 1)
        assert_error(asked.result(), 503, "ServiceUnavailableException", "The server stops")
    assert not [record for record in caplog.records if record.exc_info]


def test_a_server_that_stops_while_it_streams(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """An answer that has begun breaks off; the client sees that its end is missing, the log no traceback."""
    body = {"text": "one " * 30 + "WAIT", "stream": True}
    with ExitStack() as stack:
        with served(create_app(api.settings)) as url:
            response = stack.enter_context(httpx.stream("POST", url + TTS, json=body, timeout=DEADLINE))
            pieces = response.iter_raw()
            next(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            list(pieces)
    assert not [record for record in caplog.records if record.exc_info]
    assert "The server stops; the response breaks off" in caplog.text


def test_too_many_clips(serve_with: Serve, triton_url: str) -> None:
    """Clips over the limit are refused at once; when one ends there is room again."""
    api = serve_with(triton_url=triton_url, max_concurrent_speech=1, triton_timeout=1.0)
    hanging = threading.Thread(target=lambda: httpx.post(api.url + TTS, json={"text": "WAIT"}))
    hanging.start()
    wait_until(lambda: api.services.pipeline.active_clips == 1)
    response = api.client.post(TTS, json={"text": "one"})
    assert_error(response, 503, "ServiceUnavailableException", "try again")
    assert int(response.headers["Retry-After"]) > 0
    hanging.join()
    assert api.client.post(TTS, json={"text": "one"}).status_code == 200


def test_triton_dies_in_the_middle_of_a_clip(
    serve_with: Serve, triton: TritonFactory, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The request ends with 503, leaves no file, and the API goes on to say what is wrong."""
    folder = stand_ins(tmp_path_factory.mktemp("mortal"))
    server = triton(folder, [])
    api = serve_with(triton_url=server.grpc_url)
    assert api.client.post(FULL, json={"prompt": "one two three"}).status_code == 200
    made = api.files()
    response = api.client.post(FULL, json={"prompt": "one two three four five six KILL seven"})
    assert_error(response, 503, "ServiceUnavailableException", "Triton")
    assert api.files() == made
    assert api.client.get("/health").json()["status"] == "degraded"
    server.kill()


def test_a_model_whose_process_dies(serve_with: Serve, triton_url: str, repository: Path) -> None:
    """The request ends soon and says what happened, and the next one is served.

    Triton itself goes on calling the model READY and never starts its process again.
    """
    api = serve_with(triton_url=triton_url, triton_timeout=3 * DEADLINE)
    assert api.client.post(TTS, json={"text": "one"}).status_code == 200
    made, loads = api.files(), events(repository, "loaded")
    response = api.client.post(TTS, json={"text": "one DIE"}, timeout=DEADLINE)
    assert_error(response, 503, "ServiceUnavailableException", "'espeak' has stopped")
    espeak = api.client.get("/health").json()["models"]["espeak"]
    assert (espeak["state"], "died" in espeak["reason"]) == ("UNLOADED", True)
    assert api.files() == made
    assert api.client.post(TTS, json={"text": "one"}).status_code == 200
    assert events(repository, "loaded") == loads + 1
    assert api.client.get("/health").json()["models"]["espeak"]["state"] == "READY"


@pytest.mark.parametrize("face", ["warp", "sadtalker"])
def test_a_face_whose_process_dies(serve_with: Serve, triton_url: str, repository: Path, face: str) -> None:
    """A clip that has begun ends soon, says what happened and leaves no file; the next one is served."""
    timeouts = {"triton_timeout": 3 * DEADLINE, "frames_timeout": 3 * DEADLINE}
    api = serve_with(triton_url=triton_url, model_repository=repository, face=face, **timeouts)

    def filmed(portrait: bytes) -> httpx.Response:
        files, data = {"portrait_file": portrait}, {"idle_seconds": "1"}
        return api.client.post(VIDEO, files=files, data=data, timeout=DEADLINE)

    assert_error(filmed(image_bytes((6, 6, 6))), 503, "ServiceUnavailableException", f"'{face}' has stopped")
    assert (api.files(), api.services.pipeline.active_clips) == ([], 0)
    assert filmed(image_bytes()).status_code == 200


def test_a_caller_cannot_declare_a_model_dead(api: Api) -> None:
    """Words of a caller that come back in a refusal are not taken for Triton's."""
    language = "en-Stub process 'espeak_0_0' is not healthy"
    response = api.client.post(TTS, json={"text": "one", "language": language})
    assert_error(response, 400, "InvalidInputException", "espeak_0_0")
    assert api.client.get("/health").json()["models"]["espeak"]["reason"] == ""


@pytest.mark.parametrize("path", [TTS, VIDEO, FULL])
def test_a_full_disk(serve_with: Serve, triton_url: str, small_disk: Path, path: str) -> None:
    """A disk that fills up is 507, and what was written of the clip is removed."""
    api = serve_with(triton_url=triton_url, outputs_path=small_disk / "outputs")
    words = "one two three four five six seven eight nine ten. " * 4
    request = {
        TTS: {"json": {"text": words}},
        VIDEO: {"files": {"audio": ("a.wav", wav_bytes(8.0)), "portrait_file": ("p.png", image_bytes())}},
        FULL: {"json": {"prompt": words}},
    }[path]
    response = api.client.post(path, **request)
    assert_error(response, 507, "StorageException")
    assert api.files() == []


@pytest.mark.parametrize("path", [TTS, VIDEO, FULL])
def test_a_read_only_disk(serve_with: Serve, triton_url: str, small_disk: Path, path: str) -> None:
    """Outputs that cannot be written are 507, not a bug."""
    api = serve_with(triton_url=triton_url, outputs_path=small_disk / "outputs")
    request = {
        TTS: {"json": {"text": "one"}},
        VIDEO: {"json": {"idle_seconds": 0.2}},
        FULL: {"json": {"prompt": "one"}},
    }[path]
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        assert_error(api.client.post(path, **request), 507, "StorageException")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_client_has_its_share(serve_with: Serve, triton_url: str) -> None:
    """A client that speaks as much as one may gets 429; another speaks meanwhile, and clips do not wait."""
    limits = {"max_concurrent_speech": 2, "client_share": 0.5, "triton_timeout": 3.0}
    api = serve_with(triton_url=triton_url, **limits)
    hanging = threading.Thread(target=lambda: httpx.post(api.url + TTS, json={"text": "WAIT"}))
    hanging.start()
    wait_until(lambda: api.services.pipeline.active_clips == 1)
    refused = api.client.post(TTS, json={"text": "one"})
    assert_error(refused, 429, "BusyException", "share")
    assert int(refused.headers["Retry-After"]) > 0
    assert api.client.post(VIDEO, json={"idle_seconds": 0.2}).status_code == 200
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.2"), timeout=60) as other:
        assert other.post(api.url + TTS, json={"text": "one"}).status_code == 200
    hanging.join()


@pytest.mark.parametrize("path", [TTS, VIDEO, FULL])
def test_outputs_that_are_removed(serve_with: Serve, triton_url: str, path: str) -> None:
    """A folder that somebody removes while the API runs is made again."""
    api = serve_with(triton_url=triton_url)
    shutil.rmtree(api.settings.outputs_path)
    request = {
        TTS: {"json": {"text": "one"}},
        VIDEO: {"files": {"audio": ("a.wav", wav_bytes(0.5))}},
        FULL: {"json": {"prompt": "one"}},
    }[path]
    assert api.client.post(path, **request).status_code == 200


@pytest.mark.parametrize("kind", ["", "audio"])
def test_outputs_that_cannot_be_written(serve_with: Serve, triton_url: str, kind: str) -> None:
    """A file where the folder should be is 507, not a bug."""
    api = serve_with(triton_url=triton_url)
    folder = api.settings.outputs_path / kind
    shutil.rmtree(folder)
    folder.touch()
    response = api.client.post(TTS, json={"text": "one"})
    assert_error(response, 507, "StorageException", "cannot be written", "outputs")
    assert api.services.pipeline.active_clips == 0
