"""Who gets in where, over a real port: keys, states, sockets, pages, links, tokens."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from starlette.testclient import TestClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from lumen.client import Clip, LumenClient
from lumen.errors import GenerationException
from lumen.settings import Settings
from orchestrator.main import create_app
from tests.support.api_server import Api, Serve, assert_error
from tests.support.asgi_socket import first_event
from tests.support.keys import TestKey, new_key
from tests.support.live_client import talking

AVATARS, USAGE, SECRETS = "/api/avatars", "/v1/usage", "/v1/realtime/client_secrets"
TEXT, PROMPT, EVIL = "/api/generate/text", {"prompt": "Hi"}, "http://evil.example"


@pytest.fixture(scope="module")
def keys_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys_path: Path) -> TestKey:
    return new_key(keys_path, "shop")


@pytest.fixture(scope="module")
def keyed(serve_with: Serve, key: TestKey, keys_path: Path) -> Api:
    """An API that asks for keys, because one is made."""
    return serve_with(keys_path=keys_path)


@contextmanager
def from_another_machine(tmp_path: Path, **changes: Any) -> Iterator[TestClient]:
    """A client whose address is not this machine's."""
    names = ("keys", "usage", "outputs", "avatars", "voices", "logs", "jobs", "webhooks")
    paths = {f"{name}_path": tmp_path / name for name in names}
    settings = Settings.model_validate({"writer": "echo", "triton_url": "127.0.0.1:1", **paths, **changes})
    with TestClient(create_app(settings), client=("192.0.2.7", 50_000)) as client:
        yield client


def refused_socket(url: str, **options: Any) -> tuple[str, int, str]:
    """Code of the error that comes before a WebSocket's end, and code and reason of the end."""
    with connect(url.replace("http", "ws", 1), **options) as socket:
        event = json.loads(socket.recv(timeout=10))
        assert event["type"] == "error", event
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        return event["error"]["code"], closed.value.rcvd.code, closed.value.rcvd.reason


def test_ways_to_send_a_key(keyed: Api, key: TestKey) -> None:
    """Three headers hold a key; without one it is 401, and a wrong one is 401 wherever it stands."""
    for headers in (
        key.headers,
        {"Authorization": f"bearer {key.token}"},
        {"X-API-Key": key.token},
        {"api-key": key.token},
    ):
        assert keyed.client.get(AVATARS, headers=headers).status_code == 200
    missing = keyed.client.get(AVATARS)
    assert_error(missing, 401, "UnauthorizedException", "Authorization: Bearer")
    assert missing.headers["www-authenticate"] == "Bearer"
    wrong = key.token[:-1] + ("A" if key.token[-1] != "A" else "B")
    for headers in ({"Authorization": f"Bearer {wrong}"}, {"X-API-Key": wrong}, {"api-key": "none"}):
        assert_error(keyed.client.get(AVATARS, headers=headers), 401, "UnauthorizedException", "not valid")
    for text in ("Basic c2hvcA==", "Bearer", key.token):
        assert_error(keyed.client.get(AVATARS, headers={"Authorization": text}), 401, "UnauthorizedException")
    assert keyed.client.get(f"{AVATARS}?token={key.token}").status_code == 401


def test_scopes(keyed: Api, keys_path: Path, key: TestKey) -> None:
    """A key that may generate keeps nothing, one that manages makes nothing, and an admin's may both."""
    generates = new_key(keys_path, "generates", "generate")
    manages = new_key(keys_path, "manages", "manage")
    admin = new_key(keys_path, "root", "admin")
    gone = f"{AVATARS}/{'0' * 32}"
    _until_known(keyed, admin)
    refused = keyed.client.delete(gone, headers=generates.headers)
    assert_error(refused, 403, "ForbiddenException", "manage", "generate")
    assert_error(keyed.client.delete(gone, headers=manages.headers), 404, "NotFoundException")
    assert_error(keyed.client.post(TEXT, json=PROMPT, headers=manages.headers), 403, "ForbiddenException")
    assert keyed.client.post(TEXT, json=PROMPT, headers=generates.headers).status_code == 200
    assert keyed.client.post(TEXT, json=PROMPT, headers=admin.headers).status_code == 200
    assert_error(keyed.client.delete(gone, headers=admin.headers), 404, "NotFoundException")


def _until_known(api: Api, key: TestKey) -> None:
    """Read the keys now instead of within a second."""
    api.services.access.ring.load()
    assert api.client.get("/api/status", headers=key.headers).status_code == 200


def test_what_needs_no_key(keyed: Api) -> None:
    """Pages, probes and the description are for everybody; addresses without a rule are for nobody."""
    for path in ("/", "/livez", "/chat", "/chat/chat.js", "/docs", "/openapi.json", "/api/portraits/ada"):
        assert keyed.client.get(path).status_code == 200, path
    assert keyed.client.get("/readyz").status_code == 503
    assert keyed.client.get("/", headers={"Authorization": "Bearer none"}).status_code == 200
    assert_error(keyed.client.get("/nothing"), 401, "UnauthorizedException")


def test_addresses_without_a_rule(keyed: Api, key: TestKey) -> None:
    """A key finds nothing there."""
    assert_error(keyed.client.get("/nothing", headers=key.headers), 404, "NotFoundException")
    assert_error(keyed.client.put(AVATARS, headers=key.headers), 404, "NotFoundException")


def test_limits_of_a_key(keyed: Api, keys_path: Path, key: TestKey) -> None:
    """A key has a limit of its own, whatever its address has used; the headers tell what is left."""
    slow = new_key(keys_path, "slow", rate="2/minute")
    _until_known(keyed, slow)
    first = keyed.client.get(AVATARS, headers=slow.headers)
    assert first.headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"default";r=1;t=')
    assert keyed.client.get(AVATARS, headers=slow.headers).status_code == 200
    refused = keyed.client.get(AVATARS, headers=slow.headers)
    assert_error(refused, 429, "RateLimitException", "2 per 1 minute")
    assert refused.headers["ratelimit"].startswith('"default";r=0;t=')
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert keyed.client.get(AVATARS, headers=key.headers).status_code == 200


def test_quota_is_refused_before_the_body(keyed: Api, keys_path: Path) -> None:
    """A key without seconds gets 429 for what would cost some, even where the body is none; text is free."""
    poor = new_key(keys_path, "poor", quota={"video_seconds": 0, "speech_seconds": 0})
    _until_known(keyed, poor)
    for path in ("full", "video", "tts"):
        response = keyed.client.post(f"/api/generate/{path}", content=b"{", headers=poor.headers)
        assert_error(response, 429, "QuotaException", "quota is 0 s", "midnight")
        assert 0 < int(response.headers["retry-after"]) <= 86_400
    assert keyed.client.post(TEXT, json=PROMPT, headers=poor.headers).status_code == 200
    with talking(keyed.url, additional_headers=poor.headers) as client:
        client.ask("Hello.")
        done = client.until("response.done")["response"]
        assert done["status"] == "failed"
        assert done["status_details"]["error"]["code"] == "QuotaException"


def test_usage(keyed: Api, keys_path: Path, key: TestKey) -> None:
    """A key sees its own usage and quota, an admin that of all."""
    small = new_key(keys_path, "small", rate="50/minute", quota={"video_seconds": 60, "clips": 2})
    admin = new_key(keys_path, "auditor", "admin")
    _until_known(keyed, admin)
    body = keyed.client.get(USAGE, headers=small.headers).json()
    (own,) = body["data"]
    assert (own["key"], own["name"]) == (small.id, "small")
    assert own["quota"] == {"video_seconds": 60, "clips": 2, "rate": "50/minute"}
    assert [day["videos"] for day in own["days"]] == [0]
    assert 0 < body["resets_in"] <= 86_400
    everybody = keyed.client.get(f"{USAGE}?days=2", headers=admin.headers).json()["data"]
    assert {each["name"] for each in everybody if "name" in each} >= {"small", "shop", "auditor"}
    assert {len(each["days"]) for each in everybody} == {2}
    assert_error(keyed.client.get(f"{USAGE}?days=0", headers=key.headers), 400, "InvalidInputException")


def test_sockets(keyed: Api, key: TestKey) -> None:
    """A key opens a conversation by its header or its subprotocol; without one there is a reason to read."""
    with talking(keyed.url, additional_headers={"api-key": key.token}):
        pass
    protocols = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{key.token}")]
    with talking(keyed.url, subprotocols=protocols, origin=EVIL) as client:
        assert client.socket.subprotocol == "realtime"
    refused = ("invalid_api_key", 1008, "invalid_api_key")
    for path in ("/v1/realtime", "/voice-live/realtime?model=x", f"/v1/realtime?token={key.token}"):
        assert refused_socket(keyed.url + path) == refused
    wrong = {"Authorization": "Bearer none"}
    assert refused_socket(f"{keyed.url}/v1/realtime", additional_headers=wrong) == refused


def test_a_token_opens_one_conversation(keyed: Api, key: TestKey) -> None:
    """The SDK makes it, a browser sends it; it configures the conversation, and works once."""
    client = openai.OpenAI(api_key=key.token, base_url=f"{keyed.url}/v1")
    with client:
        session: Any = {"type": "realtime", "instructions": "Be brief."}
        made = client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60}, session=session
        )
    assert made.value.startswith("ek_")
    assert made.session.type == "realtime"
    assert made.session.instructions == "Be brief."
    with connect(_socket(keyed, made.value), origin=EVIL) as socket:
        assert _kinds(socket, 2) == ["session.created", "session.updated"]
    with connect(_socket(keyed, made.value)) as socket:
        error = json.loads(socket.recv(timeout=10))["error"]
        assert "used before" in error["message"]
        with pytest.raises(ConnectionClosed, match="invalid_api_key"):
            socket.recv(timeout=10)
    log = keyed.log()
    assert "token=..." in log
    assert made.value not in log


def _socket(api: Api, token: str) -> str:
    return f"{api.url.replace('http', 'ws', 1)}/v1/realtime?token={token}"


def _kinds(socket: ClientConnection, count: int) -> list[str]:
    return [json.loads(socket.recv(timeout=10))["type"] for _ in range(count)]


@pytest.mark.parametrize(
    "body",
    [
        {"expires_after": {"anchor": "created_at", "seconds": 9}},
        {"expires_after": {"anchor": "now", "seconds": 60}},
        {"session": {"audio": {"output": {"speed": 99}}}},
        {"session": []},
    ],
)
def test_tokens_that_would_not_work(keyed: Api, key: TestKey, body: dict[str, Any]) -> None:
    """What the conversation would refuse is refused when the token is made."""
    response = keyed.client.post(SECRETS, json=body, headers=key.headers)
    assert_error(response, 400, "InvalidInputException")
    long = {"session": {"unknown": "x" * 100_000}}
    assert_error(keyed.client.post(SECRETS, json=long, headers=key.headers), 413, "TooLargeException")


def test_tokens_open_nothing_else(keyed: Api, key: TestKey, keys_path: Path) -> None:
    """A token is no key for requests, ends with its key, and there are only so many of them."""
    busy = new_key(keys_path, "busy", "generate")
    _until_known(keyed, busy)
    token = keyed.client.post(SECRETS, json={}, headers=busy.headers).json()["value"]
    assert_error(keyed.client.get(USAGE, headers={"X-API-Key": token}), 401, "UnauthorizedException")
    answers = [keyed.client.post(SECRETS, json={}, headers=busy.headers) for _ in range(100)]
    assert [answer.status_code for answer in answers] == [200] * 99 + [429]
    assert keyed.client.post(SECRETS, json={}, headers=key.headers).status_code == 200
    keyed.services.access.ring._file.disable("busy", disabled=True)
    keyed.services.access.ring.load()
    assert refused_socket(f"{keyed.url}/v1/realtime?token={token}")[0] == "invalid_api_key"


def test_clips_and_conversations_at_once(keyed: Api, keys_path: Path, key: TestKey) -> None:
    """A key has as many conversations as it may, and others have theirs."""
    one = new_key(keys_path, "one", quota={"clips": 1})
    _until_known(keyed, one)
    with talking(keyed.url, additional_headers=one.headers):
        second = refused_socket(f"{keyed.url}/v1/realtime", additional_headers=one.headers)
        assert second == ("too_many_sessions", 1013, "too_many_sessions")
        with talking(keyed.url, additional_headers=key.headers):
            pass


def test_files_by_signed_addresses(keyed: Api, key: TestKey, keys_path: Path) -> None:
    """A signed address serves its file without a header, for its time, its path and its key alone."""
    other = new_key(keys_path, "other")
    _until_known(keyed, other)
    for name in ("signed", "unsigned"):
        (keyed.settings.outputs_path / "audio" / f"{name}.wav").write_bytes(b"0123456789")
    with key.asking():
        url = keyed.services.outputs.url(keyed.services.outputs.audio("signed"))
    path, _, token = url.partition("?")
    assert keyed.client.get(url).content == b"0123456789"
    assert keyed.client.get(url, headers={"Range": "bytes=2-4"}).content == b"234"
    assert keyed.client.head(url).status_code == 200
    for wrong in (
        path,
        f"{path}?{token[:-1]}",
        f"{path}?{token.replace(key.id, other.id)}",
        f"/outputs/audio/unsigned.wav?{token}",
        f"{path}?token=",
        f"{path}?token=..",
        f"{path}?token={key.id}.99999999999.{'A' * 32}",
    ):
        assert_error(keyed.client.get(wrong), 401, "UnauthorizedException")
    assert_error(keyed.client.get(path, headers=other.headers), 404, "NotFoundException")
    assert_error(keyed.client.get(f"{AVATARS}?{token}"), 401, "UnauthorizedException")


def test_a_signed_address_ends(serve_with: Serve, keys_path: Path, key: TestKey) -> None:
    """After its time, and when its key is refused, it serves nothing."""
    api = serve_with(keys_path=keys_path, link_seconds=0.001)
    (api.settings.outputs_path / "audio" / "late.wav").write_bytes(b"0")
    with key.asking():
        url = api.services.outputs.url(api.services.outputs.audio("late"))
    assert_error(api.client.get(url), 401, "UnauthorizedException", "time is over")


def test_pages_of_others(lonely: Api, keyed: Api, key: TestKey) -> None:
    """A page of another site changes nothing without a key, by whatever form it posts; a key is enough."""
    forms: list[dict[str, Any]] = [
        {"data": {"name": "x"}, "files": {"portrait_file": ("a.png", b"x")}},
        {"content": b'{"prompt": "Hi"}', "headers": {"Content-Type": "text/plain"}},
        {"json": PROMPT},
    ]
    for form in forms:
        for path in (AVATARS, TEXT, "/api/voices", SECRETS):
            own = form.get("headers", {})
            for page in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
                response = lonely.client.post(path, **{**form, "headers": {**own, **page}})
                assert_error(response, 403, "ForbiddenException", "CORS_ORIGINS")
    assert lonely.client.post(TEXT, json=PROMPT, headers={"Origin": lonely.url}).status_code != 403
    bogus = {"Origin": EVIL, "Authorization": "Bearer none"}
    assert lonely.client.post(TEXT, json=PROMPT, headers=bogus).status_code == 403
    protocols = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.none")]
    assert refused_socket(f"{lonely.url}/v1/realtime", subprotocols=protocols, origin=EVIL)[0] == "forbidden"
    proven = {"Origin": EVIL, **key.headers}
    assert keyed.client.post(TEXT, json=PROMPT, headers=proven).status_code == 200


def test_before_it_is_decided(tmp_path: Path) -> None:
    """Without keys other machines generate and read, but neither keep nor remove anything."""
    with from_another_machine(tmp_path) as client:
        assert client.post(TEXT, json=PROMPT).status_code == 200
        assert client.get(AVATARS).status_code == 200
        assert client.post("/api/generate/full", json=PROMPT).status_code == 503
        (tmp_path / "outputs" / "audio" / "before.wav").write_bytes(b"no sound")
        body = {"audio_url": "/outputs/audio/before.wav"}
        assert client.post("/api/generate/video", json=body).status_code in (400, 415)
        for method, path in (
            ("POST", AVATARS),
            ("DELETE", f"{AVATARS}/x"),
            ("POST", "/api/voices"),
            ("DELETE", "/api/voices/x"),
            ("POST", "/nothing"),
        ):
            refused = client.request(method, path)
            assert refused.status_code == 403, (method, path)
            assert "lumen keys add" in refused.json()["message"]
        event = first_event(create_app(client.app.state.services.settings), "/v1/realtime", "192.0.2.7", {})
        assert event["type"] == "session.created"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"require_keys": "off"}, 404),
        ({"require_keys": "on"}, 401),
        ({"api_host": "127.0.0.1"}, 403),
        ({}, 403),
    ],
)
def test_states(tmp_path: Path, changes: dict[str, str], status: int) -> None:
    """Without keys, off asks for none, on asks at once, and auto waits, for whom a proxy brings too."""
    with from_another_machine(tmp_path, **changes) as client:
        assert client.delete(f"{AVATARS}/x").status_code == status


def test_a_key_decides(tmp_path: Path) -> None:
    """With the first key everybody is asked for one, this machine too."""
    new_key(tmp_path / "keys", "first")
    with from_another_machine(tmp_path) as client:
        assert client.get(AVATARS).status_code == 401
    with from_another_machine(tmp_path, require_keys="off") as client:
        assert client.get(AVATARS).status_code == 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "neither keep nor remove anything"),
        ({"require_keys": "on"}, "every request is refused"),
        ({"require_keys": "off"}, None),
        ({"api_host": "127.0.0.1"}, None),
    ],
)
def test_the_start_says_what_holds(
    tmp_path: Path, changes: dict[str, str], said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """One line at the start says what is not plain."""
    with from_another_machine(tmp_path, **changes):
        lines = [record.getMessage() for record in caplog.records if "key" in record.getMessage()]
    assert len(lines) == (said is not None)
    assert said is None or said in lines[0]


async def test_the_command_line_has_a_key(keyed: Api, key: TestKey) -> None:
    """`lumen say` finds an API that asks for a key, and tells what it answers without one."""
    async with LumenClient(keyed.url) as client:
        assert await client.is_lumen()
        with pytest.raises(GenerationException, match="asks for a key"):
            await client.make(Clip("Hi"))
    settings = Settings.model_validate({"lumen_api_key": key.token})
    async with LumenClient(keyed.url, key=settings.lumen_api_key) as client:
        assert await client.is_lumen()
        with pytest.raises(GenerationException, match="ServiceUnavailableException"):
            await client.make(Clip("Hi"))


def test_wrong_keys_are_counted(serve_with: Serve, keys_path: Path, key: TestKey) -> None:
    """An address that tries keys is refused after as many as it may ask otherwise; a right key is not."""
    api = serve_with(keys_path=keys_path, rate_limit="3/minute")
    tries = [httpx.get(f"{api.url}/health", headers={"X-API-Key": "none"}) for _ in range(4)]
    assert [response.status_code for response in tries] == [401, 401, 401, 429]
    assert api.client.get(AVATARS, headers=key.headers).status_code == 200
