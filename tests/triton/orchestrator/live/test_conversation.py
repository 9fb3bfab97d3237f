"""Conversations over the socket, with stand-ins for the models behind a real Triton."""

import io
import threading

import av
import pytest
from grpc import ChannelConnectivity
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from orchestrator.live.client_events import PCM_RATE
from orchestrator.triton import client as triton_client
from tests.support.api_server import Api, Serve
from tests.support.live_client import LiveClient, decoded, response_of, talking
from tests.support.waiting import wait_until

FPS = 25

ORDER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "session.avatar.switch_to_speaking",
    "output_audio_buffer.started",
    "response.video.delta",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.metrics",
    "response.done",
    "output_audio_buffer.stopped",
    "session.avatar.switch_to_idle",
]


def test_an_answer_is_a_film(api: Api) -> None:
    """Text goes in; text, captions with times and a fragmented MP4 come out, in this order."""
    with talking(api.url) as client:
        response = client.ask("one two three. Four five")
        done = client.until("response.done")["response"]
        client.until("session.avatar.switch_to_idle")
        assert done["status"] == "completed"
        assert done["output"][0]["content"] == [
            {"type": "output_audio", "transcript": "one two three. Four five"}
        ]
        kinds = [kind for kind in client.kinds() if kind in ORDER]
        firsts = sorted(set(kinds), key=kinds.index)
        own = [kind for kind in firsts if kind not in ("conversation.item.added", "conversation.item.done")]
        assert own == [kind for kind in ORDER if not kind.startswith("conversation")]
        frames, samples = decoded(client.media(response))
        assert frames == pytest.approx(1.0 * FPS + 3, abs=1)
        assert samples / 22_050 == pytest.approx(frames / FPS, abs=0.1)
        captions = [e for e in client.events if e["type"] == "response.audio_timestamp.delta"]
        assert [(c["audio_offset_ms"], c["audio_duration_ms"], c["text"]) for c in captions] == [
            (0, 600, "one two three."),
            (600, 400, "Four five"),
        ]


def test_fragments_play_from_their_beginning(api: Api) -> None:
    """The first delta has the initialisation segment and names its codecs; all are whole boxes in order."""
    with talking(api.url) as client:
        response = client.ask("one two three four five six")
        client.until("response.done")
        deltas = [e for e in client.events if e["type"] == "response.video.delta"]
        assert deltas[0]["mime_type"].startswith('video/mp4; codecs="avc1.')
        assert all("mime_type" not in delta for delta in deltas[1:])
        ends = [delta["video_end_ms"] for delta in deltas]
        assert ends == sorted(ends)
        assert len(deltas) >= 3
        with av.open(io.BytesIO(client.media(response))) as container:
            context = container.streams.video[0].codec_context
            size = {"width": context.width, "height": context.height}
        assert client.events[0]["session"]["avatar"]["video"]["resolution"] == size


def test_binary_frames(api: Api) -> None:
    """With the subprotocol the same media comes as bytes."""
    with talking(api.url, subprotocols=["lumen.binary.v1"]) as client:
        assert client.socket.subprotocol == "lumen.binary.v1"
        response = client.ask("one two")
        client.until("response.done")
        deltas = [e["delta"] for e in client.events if e["type"] == "response.video.delta"]
        assert {type(delta) for delta in deltas} == {bytes}
        assert decoded(client.media(response))[0] >= 10


def test_sound_alone(api: Api) -> None:
    """A client that asks for audio gets PCM of 24 kHz and no picture."""
    with talking(api.url) as client:
        client.send("session.update", session={"type": "realtime", "output_modalities": ["audio"]})
        assert client.until("session.updated")["session"]["avatar"] is None
        response = client.ask("one two three")
        client.until("response.done")
        assert "response.video.delta" not in client.kinds()
        pcm = client.media(response, "response.output_audio.delta")
        assert len(pcm) / 2 / PCM_RATE == pytest.approx(0.6, abs=0.01)


def test_text_alone(api: Api) -> None:
    """A client that asks for text gets no sound and no picture."""
    with talking(api.url) as client:
        client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        client.ask("one two three")
        client.until("response.done")
        told = [e["delta"] for e in client.events if e["type"] == "response.output_text.delta"]
        assert "".join(told) == "one two three"
        assert not {"response.video.delta", "response.output_audio.delta"} & set(client.kinds())


def test_finished_speech_for_the_face(api: Api) -> None:
    """Speech that a client sends faster than it is heard is drawn; nothing of it enters the conversation."""
    silence = bytes(2 * PCM_RATE)
    import base64

    with talking(api.url) as client:
        for _ in range(3):
            client.send("agent.speak", audio=base64.b64encode(silence).decode())
        client.send("agent.speak_end")
        response = client.until("response.created")["response"]["id"]
        assert client.until("response.done")["response"]["status"] == "completed"
        assert decoded(client.media(response))[0] == pytest.approx(3 * FPS + 3, abs=1)
        assert "conversation.item.added" not in client.kinds()


def interrupted(client: LiveClient, text: str) -> str:
    """Ask, wait for the picture, cancel; returns the response's id."""
    response = client.ask(text)
    client.until("response.video.delta")
    client.send("response.cancel")
    assert client.until("response.done")["response"]["status_details"] == {
        "type": "cancelled",
        "reason": "client_cancelled",
    }
    return response


def test_twenty_interruptions_in_a_row(api: Api) -> None:
    """No fragment comes after the cancellation is told, nothing goes on, and the twenty-first answers."""
    with talking(api.url) as client:
        cut = [interrupted(client, "one two three four five. Six seven WAIT") for _ in range(20)]
        last = client.ask("one two")
        client.until("response.done")
        client.until("session.avatar.switch_to_idle")
        for response in cut:
            kinds = client.kinds(response)
            cleared = kinds.index("output_audio_buffer.cleared")
            assert "response.video.delta" not in kinds[cleared:]
        assert decoded(client.media(last))[0] >= 10


def test_an_interruption_is_quick(api: Api) -> None:
    """An answer whose voice hangs ends at once, and says how long that took."""
    with talking(api.url) as client:
        interrupted(client, "one two three four five. Six WAIT")
        metrics = [e for e in client.events if e["type"] == "response.metrics"][-1]
        assert 0 <= metrics["interrupted_ms"] < 1000
        assert metrics["tts_first_pcm_ms"] <= metrics["first_frame_ms"] <= metrics["first_fragment_ms"]


def test_history_holds_what_was_heard(api: Api) -> None:
    """After an interruption the item has the words that were played, as the client corrects it."""
    with talking(api.url) as client:
        client.ask("one two three four five six seven eight nine ten")
        item = client.until("response.output_item.done")["item"]["id"]
        client.until("response.done")
        client.send("output_audio_buffer.clear")
        client.until("output_audio_buffer.cleared")
        client.send("conversation.item.truncate", item_id=item, content_index=0, audio_end_ms=1000)
        client.until("conversation.item.truncated")
        client.send("conversation.item.retrieve", item_id=item)
        told = client.until("conversation.item.retrieved")["item"]
        assert told["content"][0]["transcript"] == "one two three four five"
        assert told["status"] == "incomplete"


def test_one_answer_at_a_time(api: Api) -> None:
    """A second response is refused while one is made, or takes its place where the client says so."""
    with talking(api.url) as client:
        first = client.ask("one two three. WAIT")
        client.send("response.create")
        assert client.failure()["code"] == "conversation_already_has_active_response"
        client.say("one")
        client.send("response.create", response={"cancel_previous": True})
        assert client.until("response.done")["response"]["id"] == first
        assert client.until("response.done")["response"]["status"] == "completed"


def test_a_failure_is_told_and_the_conversation_goes_on(api: Api) -> None:
    """A voice that breaks makes a failed response; the next one is made."""
    with talking(api.url) as client:
        client.ask("one BREAK")
        done = client.until("response.done")["response"]
        assert done["status"] == "failed"
        assert done["status_details"]["error"]["code"] == "GenerationException"
        client.ask("one")
        assert client.until("response.done")["response"]["status"] == "completed"


def test_two_conversations_do_not_mix(api: Api) -> None:
    """Answers made at once go each to their own socket, in full."""
    lengths: dict[int, int] = {}

    def talk(words: int) -> None:
        with talking(api.url) as client:
            for _ in range(3):
                response = client.ask(" ".join(["word"] * words))
                client.until("response.done")
            assert {response_of(e) for e in client.events if e["type"] == "response.video.delta"} <= {
                e["response"]["id"] for e in client.events if e["type"] == "response.created"
            }
            lengths[words] = decoded(client.media(response))[0]

    threads = [threading.Thread(target=talk, args=(words,)) for words in (2, 5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {words: frames - 3 for words, frames in lengths.items()} == {2: 10, 5: 25, 9: 45}


def test_a_cut_socket_frees_everything(api: Api) -> None:
    """The place, the voice and the encoder are free when the client has gone."""
    before = api.services.live.count
    with talking(api.url) as client:
        client.ask("one two three. WAIT")
        client.until("response.video.delta")
        client.socket.socket.close()
    wait_until(lambda: api.services.live.count == before)
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("encoder")])


def first_frame(client: LiveClient) -> float:
    """Milliseconds to the first frame of an answer."""
    client.ask("one two three")
    client.until("session.avatar.switch_to_idle")
    told = [event["first_frame_ms"] for event in client.events if event["type"] == "response.metrics"]
    return float(told[-1])


def test_the_first_frame_after_a_long_silence(
    serve_with: Serve, triton_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes as fast as before, though gRPC closes idle connections, here after a second."""
    options = (*triton_client.CHANNEL_OPTIONS, ("grpc.client_idle_timeout_ms", 1_000))
    monkeypatch.setattr(triton_client, "CHANNEL_OPTIONS", options)
    quiet = serve_with(triton_url=triton_url, max_live_sessions=3)
    triton = quiet.services.models.face_triton
    with talking(quiet.url) as client:
        first_frame(client)  # the portrait is encoded
        before = [first_frame(client) for _ in range(3)]
        channels = triton._streams, triton._channel()._channel
        wait_until(lambda: all(each.get_state() is ChannelConnectivity.IDLE for each in channels))
        assert first_frame(client) <= 2 * max(before) + 100


def test_sockets_beyond_the_limit(serve_with: Serve, triton_url: str) -> None:
    """A hundred more are refused with a reason, and a place that is given back is taken again."""
    small = serve_with(triton_url=triton_url, max_live_sessions=1)
    with talking(small.url):
        for _ in range(100):
            with connect(small.url.replace("http", "ws") + "/v1/realtime") as socket:
                assert "too_many_sessions" in str(socket.recv())
                with pytest.raises(ConnectionClosed) as closed:
                    socket.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1013, "too_many_sessions")
    wait_until(lambda: small.services.live.count == 0)
    with talking(small.url) as client:
        client.ask("one")
        client.until("response.done")


def test_the_idle_clip_loops(api: Api) -> None:
    """The idle clip is made once, has no sound, ends where it begins, and keeps its address."""
    with talking(api.url) as client:
        url = client.events[0]["session"]["avatar"]["idle_url"]
    first, second = api.client.get(url), api.client.get(url)
    assert first.status_code == 200
    assert "immutable" in first.headers["cache-control"]
    assert first.content == second.content
    with av.open(io.BytesIO(first.content)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        rows = [frame.to_ndarray(format="gray")[0].mean() for frame in container.decode(video=0)]
    assert len(rows) == 2 * 100 - 2
    assert abs(rows[0] - rows[-1]) <= 3
    assert api.client.get("/v1/realtime/idle/" + "0" * 32 + ".mp4").status_code == 404


@pytest.mark.parametrize(
    ("origin", "welcome"),
    [("http://localhost:3000", True), ("https://evil.example", False), (None, True), ("own", True)],
)
def test_pages_of_others_are_refused(api: Api, origin: str | None, welcome: bool) -> None:
    """A browser's page may connect from the server's own origin and from CORS_ORIGINS."""
    headers = {} if origin is None else {"Origin": api.url if origin == "own" else origin}
    with connect(api.url.replace("http", "ws") + "/v1/realtime", additional_headers=headers) as socket:
        if welcome:
            assert "session.created" in str(socket.recv())
        else:
            assert '"forbidden"' in str(socket.recv())
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008


def test_a_conversation_without_triton(lonely: Api) -> None:
    """Models that are not there make failed responses with a reason, not a closed socket."""
    with talking(lonely.url) as client:
        for _ in range(2):
            client.ask("one")
            done = client.until("response.done")["response"]
            assert done["status_details"]["error"]["code"] == "ServiceUnavailableException"
