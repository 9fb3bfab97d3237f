"""The chat page in a real Chromium, before an API with stand-ins for the models."""

import json
import logging
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.support.api_server import Api, Serve
from tests.support.chat_page import SOUND, ChatPage, chatting
from tests.support.chromium import Chromium, browsing
from tests.support.cut_line import line_to

log = logging.getLogger(__name__)

CONTROLS = {"button", "textbox", "combobox", "checkbox", "radio", "link", "dialog", "image", "log"}

LONG = " ".join(["word"] * 40)
"""Eight seconds of speech of the stand-in."""

USUAL_MS, LONGEST_MS = 300, 1000
"""From a key to silence and to the silent picture, on a busy machine; the cross-fade takes 120 of them."""

WATCH = """
new Promise((resolve) => {
  const live = part(".live");
  const found = {};
  addEventListener("keydown", () => {
    const began = performance.now();
    const look = () => {
      const now = performance.now() - began;
      if (loudness() < 0.001) found.silent ??= now;
      if (getComputedStyle(live).opacity < 1) found.fading ??= now;
      if (getComputedStyle(live).opacity === "0") found.gone ??= now;
      if (Object.keys(found).length === 3 || now > 3000) resolve(found);
      else requestAnimationFrame(look);
    };
    look();
  }, {once: true, capture: true});
  window.watching = true;
})
"""
"""Milliseconds from the next key to silence, to the first idle frame, and to the last speaking one."""


FOLLOW_UP = """
document.addEventListener("lumen-event", ({detail}) => {
  if (detail.type !== "response.done" || window.asked) return;
  window.asked = true;
  const content = [{type: "input_text", text: "six seven"}];
  avatar.send({type: "conversation.item.create", item: {type: "message", role: "user", content}});
  avatar.respond();
})
"""
"""Asks a second question as soon as the first answer is made."""


def test_the_page_speaks(chromium: Chromium, api: Api) -> None:
    """A message is answered aloud, in the picture, in the captions and in the conversation."""
    with chatting(chromium, api.url) as page:
        page.ask("one two three. Four five")
        assert page.hear_out() == ["one two three.", "Four five"]
        assert page.messages() == [
            ("user", "one two three. Four five"),
            ("assistant", "one two three. Four five"),
        ]
        assert page.tab.run("part('.live').currentTime") == pytest.approx(1.1, abs=0.15)
        assert page.tab.run("[part('.live').muted, part('.live').videoWidth > 0]") == [False, True]
        assert page.told("error") == []


def test_the_idle_portrait_lives(chromium: Chromium, api: Api) -> None:
    """Between answers a silent clip loops under the picture."""
    with chatting(chromium, api.url) as page:
        page.tab.until("part('.idle').classList.contains('shown') && part('.idle').currentTime > 0.2")
        assert page.tab.run("[part('.idle').loop, part('.idle').muted, part('.idle').paused]") == [
            True,
            True,
            False,
        ]


@pytest.mark.heavy
def test_twenty_interruptions_by_typing(chromium: Chromium, api: Api) -> None:
    """A key that is typed ends sound and picture at once; the twenty-first answer still comes whole."""
    with chatting(chromium, api.url) as page:
        page.tab.run(SOUND)
        taken = [_interrupted_by_a_key(page, number) for number in range(20)]
        page.tab.run("document.getElementById('prompt').value = ''")
        page.ask("the last one")
        assert page.hear_out() == ["the last one"]
        assert page.messages()[-1] == ("assistant", "the last one")
    for name in ("silent", "fading", "gone"):
        times = sorted(round(one[name]) for one in taken)
        log.info("Interruption, %s, ms: %s", name, times)
        assert (times[10] < USUAL_MS, times[-1] < LONGEST_MS) == (True, True), (name, times)


def _interrupted_by_a_key(page: ChatPage, number: int) -> dict[str, float]:
    page.tab.run("document.getElementById('prompt').value = ''")
    page.ask(f"number {number} {LONG}")
    page.tab.until("getComputedStyle(part('.live')).opacity === '1' && loudness() > 0.01")
    page.tab.run(f"window.watched = {WATCH}; 0")
    page.tab.type("x")
    found = page.tab.run("watched")
    assert page.state == "idle"
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("way", ["button", "escape"])
def test_interruption_by_hand(chromium: Chromium, api: Api, way: str) -> None:
    """The stop button and Escape end an answer; the conversation keeps what was heard of it."""
    with chatting(chromium, api.url) as page:
        page.ask(LONG)
        page.reach("speaking")
        page.tab.until("part('.live').currentTime > 0.7")
        if way == "button":
            page.tab.click("#stop")
        else:
            page.tab.press("Escape")
        assert page.state == "idle"
        page.tab.until("document.querySelector('#log .assistant small') !== null")
        heard = page.messages()[-1][1].removesuffix("interrupted").split()
        assert 1 <= len(heard) <= 20
        assert page.tab.run("[part('.live').paused, document.getElementById('stop').hidden]") == [True, True]


def test_a_new_message_interrupts(chromium: Chromium, api: Api) -> None:
    """The second answer plays from its beginning, though the first one was farther than its end."""
    with chatting(chromium, api.url) as page:
        page.tab.run(f"avatar.say({json.dumps(LONG)})")
        page.reach("speaking")
        page.tab.until("part('.live').currentTime > 1")
        assert page.hear_out("window.mark = told.length; avatar.say('short one')") == ["short one"]


def test_an_answer_that_is_cut_before_it_was_created(chromium: Chromium, api: Api) -> None:
    """An interruption that overtakes `response.created` drops that answer too."""
    with chatting(chromium, api.url) as page:
        assert page.hear_out("avatar.say('first'); avatar.interrupt(); avatar.say('second')") == ["second"]


def test_the_server_interrupts(chromium: Chromium, api: Api) -> None:
    """What the server cuts off, as when it hears the user speak, falls silent, and keeps what was heard."""
    with chatting(chromium, api.url) as page:
        page.tab.run(f"avatar.say({json.dumps(LONG)})")
        page.reach("speaking")
        page.tab.until("part('.live').currentTime > 0.7")
        page.tab.run("avatar.send({type: 'output_audio_buffer.clear'})")
        page.reach("idle")
        assert page.tab.run("part('.live').paused")
        page.tab.until("document.querySelector('#log .assistant small') !== null")
        assert page.hear_out("window.mark = told.length; avatar.say('short one')") == ["short one"]


def test_answers_play_one_after_the_other(chromium: Chromium, api: Api) -> None:
    """An answer that comes while the one before it is still played waits for its end."""
    with chatting(chromium, api.url) as page:
        page.tab.run(FOLLOW_UP)
        page.tab.run("avatar.say('one two three four five')")
        page.tab.until("told.filter(([name]) => name === 'caption').length === 2")
        page.reach("idle")
        states = [told["state"] for told in page.told("state")]
        captions = [caption["text"] for caption in page.told("caption")]
        assert captions == ["one two three four five", "six seven"]
        assert states[-4:] == ["speaking", "thinking", "speaking", "idle"]


def test_a_quiet_conversation_goes_on(chromium: Chromium, api: Api, serve_with: Serve) -> None:
    """A conversation that the server ends because nobody speaks says so, and goes on with a message."""
    brief = serve_with(triton_url=api.settings.triton_url, session_idle_seconds=2)
    with chatting(chromium, brief.url) as page:
        page.tab.until("document.getElementById('state').innerText.startsWith('The conversation was quiet')")
        page.ask("one two")
        assert page.hear_out() == ["one two"]


def test_two_tabs_never_mix(chromium: Chromium, api: Api) -> None:
    """Two conversations at once hear their own answers only."""
    with chatting(chromium, api.url) as one, chatting(chromium, api.url) as other:
        one.tab.run("avatar.say('Alpha one. Alpha two')")
        other.tab.run("avatar.say('Beta one. Beta two')")
        for page, words in ((one, ["Alpha one.", "Alpha two"]), (other, ["Beta one.", "Beta two"])):
            page.tab.call("Page.bringToFront")
            heard = page.hear_out()
            assert set(heard) <= set(words)  # a covered tab looks at its captions more rarely
            assert heard[-1] == words[-1]
            assert page.messages()[-1] == ("assistant", " ".join(words))


def test_a_hidden_tab_comes_back_live(chromium: Chromium, api: Api) -> None:
    """A video that the browser paused in a hidden tab goes on where it would be by then."""
    with chatting(chromium, api.url) as page, chromium.tab() as cover:
        page.tab.call("Page.bringToFront")
        page.tab.run(f"avatar.say({json.dumps(LONG)})")
        page.reach("speaking")
        page.tab.until("part('.live').currentTime > 0.5")
        cover.call("Page.bringToFront")
        page.tab.until("document.hidden")
        at = page.tab.run("part('.live').pause(), part('.live').currentTime")
        hidden = time.monotonic()
        cover.run("new Promise((resolve) => setTimeout(resolve, 1500))")
        page.tab.call("Page.bringToFront")
        page.tab.until("!document.hidden && !part('.live').paused")
        back = page.tab.run("part('.live').currentTime")
        assert back - at == pytest.approx(time.monotonic() - hidden, abs=0.5)
        page.hear_out()


def test_a_cut_connection_is_restored(chromium: Chromium, api: Api) -> None:
    """The page says that the connection is lost, comes back by itself, and the conversation goes on."""
    with line_to(api.url) as line, chatting(chromium, line.url) as page:
        page.ask("before the cut")
        assert page.hear_out() == ["before the cut"]
        session = page.tab.run("avatar.session.id")
        line.cut()
        page.tab.until("document.getElementById('state').innerText.includes('lost')")
        page.tab.run("avatar.say('while it was cut')")
        line.mend()
        assert page.hear_out() == ["while it was cut"]
        assert page.tab.run("avatar.session.id") != session


def test_an_error_is_told(chromium: Chromium, api: Api) -> None:
    """A message that the server refuses is told in its own words, and the next one works."""
    with chatting(chromium, api.url) as page:
        page.tab.run("avatar.say('w'.repeat(2000))")
        page.tab.until("!document.getElementById('alert').hidden")
        assert "2000 characters" in page.tab.run("document.getElementById('alert-text').innerText")
        page.ask("fine now")
        assert page.hear_out() == ["fine now"]
        assert page.tab.run("document.getElementById('alert').hidden")


def test_an_iphone(chromium: Chromium, api: Api) -> None:
    """The answer plays through a ManagedMediaSource where there is nothing else, as on iPhones."""
    managed = "window.ManagedMediaSource = window.MediaSource; delete window.MediaSource;"
    with chatting(chromium, api.url, managed) as page:
        assert page.tab.run("typeof MediaSource") == "undefined"
        page.ask("one two")
        assert page.hear_out() == ["one two"]


def test_an_old_browser_is_told(chromium: Chromium, api: Api) -> None:
    """A browser that plays no streamed video is told so, and reads the answer."""
    with chatting(chromium, api.url, "delete window.MediaSource;") as page:
        page.ask("one two")
        page.tab.until("!document.getElementById('alert').hidden")
        assert "plays no streamed video" in page.tab.run("document.getElementById('alert').innerText")


def test_sound_waits_for_a_gesture(api: Api, tmp_path: Path) -> None:
    """The answer plays muted where a page may not make sound by itself, and a button turns the sound on."""
    button = "part('button')"
    with browsing(tmp_path) as browser, chatting(browser, api.url) as page:
        page.tab.run(f"avatar.say({json.dumps(LONG)})")
        page.reach("speaking")
        page.tab.until(f"!{button}.hidden && part('.live').muted")
        page.tab.run(f"{button}.click()", gesture=True)
        page.tab.until(f"{button}.hidden && !part('.live').muted && !part('.live').paused")


def test_a_picture_of_ones_own(chromium: Chromium, api: Api, tmp_path: Path) -> None:
    """A picture that is chosen becomes the portrait; one without a face is refused in the server's words."""
    for name, colour in (("me", (90, 120, 150)), ("nothing", (0, 0, 0))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    with chatting(chromium, api.url) as page:
        page.tab.click("#open-settings")
        assert page.tab.run("document.getElementById('consent-choice').hidden")
        page.tab.choose_file("#upload", tmp_path / "nothing.png")
        page.tab.until("document.getElementById('upload-state').innerText.includes('No face')")
        page.tab.choose_file("#upload", tmp_path / "me.png")
        page.tab.until("document.getElementById('upload-state').innerText.startsWith('Your picture')")
        chosen = page.tab.until(
            "avatar.session.avatar.character !== 'ada' && avatar.session.avatar.character"
        )
        page.tab.press("Escape")
        page.ask("one two")
        assert page.hear_out() == ["one two"]
    assert api.client.delete(f"/api/avatars/{chosen}").status_code == 204


def test_a_picture_with_consent(chromium: Chromium, api: Api, serve_with: Serve, tmp_path: Path) -> None:
    """Where the server wants it, a picture is sent with the statement that was ticked, and not without."""
    Image.new("RGB", (64, 64), (90, 120, 150)).save(tmp_path / "me.png")
    strict = serve_with(triton_url=api.settings.triton_url, require_consent=True)
    with chatting(chromium, strict.url) as page:
        page.tab.click("#open-settings")
        page.tab.until("!document.getElementById('consent-choice').hidden")
        assert page.tab.run("document.getElementById('upload').disabled")
        page.tab.click("#consent")
        page.tab.choose_file("#upload", tmp_path / "me.png")
        page.tab.until("document.getElementById('upload-state').innerText.startsWith('Your picture')")
        assert page.tab.run("document.getElementById('upload').disabled")
    (avatar,) = (one for one in strict.client.get("/api/avatars").json()["avatars"] if one["name"] == "me")
    assert avatar["consent"].startswith("The person in my picture agreed")
    assert strict.client.delete(f"/api/avatars/{avatar['id']}").status_code == 204


def test_everything_has_a_name(chromium: Chromium, api: Api) -> None:
    """A screen reader finds a name on every control, and the keyboard reaches the text field first."""
    with chatting(chromium, api.url) as page:
        page.tab.press("Tab")
        page.tab.press("Enter")
        assert page.tab.run("location.hash") == "#prompt"
        page.tab.run("document.getElementById('settings').showModal()")
        for node in page.tab.call("Accessibility.getFullAXTree")["nodes"]:
            if not node["ignored"] and node["role"]["value"] in CONTROLS:
                assert node["name"]["value"], node


def test_a_full_server_is_told(chromium: Chromium, api: Api, serve_with: Serve) -> None:
    """A server whose places are all taken is told as that, and tried again."""
    full = serve_with(triton_url=api.settings.triton_url, max_live_sessions=1)
    with chatting(chromium, full.url), chromium.tab() as tab:
        tab.open(f"{full.url}/chat")
        tab.until("document.getElementById('state').innerText.startsWith('All places are taken')")
