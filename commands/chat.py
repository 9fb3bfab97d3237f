"""``lumen chat``: a conversation from a terminal, and an example of a client of the live socket."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from commands.microphone import SILENT_END, SoundSource, paced
from commands.pictures import PLAYERS, Picture, Pictures, find_player
from lumen.aio import cancel
from lumen.errors import InvalidInputException, ServiceUnavailableException
from lumen.live_client import Event, LiveClient
from lumen.settings import Settings
from lumen.triton.ports import reachable

QUIT: Final = ("/quit", "/exit")


@dataclass(frozen=True)
class ChatOptions:
    """Options of a conversation.

    Attributes:
        text: asked first; the conversation ends with its answer. None: lines are read from the terminal.
        microphone: a file that plays as the microphone, or "-" for raw PCM16 of 24 kHz on stdin.
        session: fields of ``session.update``; what is left out is the server's choice.
    """

    url: str
    text: str | None
    microphone: Path | None
    session: dict[str, Any]


def address(settings: Settings) -> str:
    """Address of the API that runs on this machine."""
    return f"http://{reachable(settings.api_host)}:{settings.api_port}"


def session_fields(
    portrait: str | None, voice: str | None, language: str | None, size: int | None
) -> dict[str, Any]:
    """Fields of ``session.update`` for what the user asks for."""
    avatar: dict[str, Any] = {} if portrait is None else {"character": portrait}
    if size is not None:
        avatar["video"] = {"resolution": {"width": size, "height": size}}
    fields: dict[str, Any] = {} if language is None else {"language": language}
    if avatar:
        fields["avatar"] = avatar
    if voice is not None:
        fields["audio"] = {"output": {"voice": voice}}
    return fields


def pictures_to(output: Path | None, show: bool | None) -> Pictures:
    """Sink of the pictures.

    Args:
        show: None shows them where a player is installed.

    Raises:
        InvalidInputException: they are to be shown, and no player is installed.
    """
    player = None if show is False else find_player()
    if show and player is None:
        names = " or ".join(each[0] for each in PLAYERS)
        raise InvalidInputException(f"There is no player; install {names}, or use --output.")
    return Pictures(output, player)


async def converse(options: ChatOptions, pictures: Pictures, console: Console) -> None:
    """Talk until the input ends and the last answer is spoken, or until the server ends it.

    Raises:
        LumenException: nothing answers, or what was asked for is refused.
    """
    async with LiveClient(options.url) as client:
        chat = Chat(client, pictures, console)
        following = asyncio.create_task(chat.follow())
        speaking = asyncio.create_task(chat.speak(options))
        try:
            await asyncio.wait([following, speaking], return_when=asyncio.FIRST_COMPLETED)
            for task in (following, speaking):
                if task.done():
                    task.result()
        finally:
            await cancel(following, speaking)
            await pictures.close()


class Chat:
    """Both directions of one conversation."""

    def __init__(self, client: LiveClient, pictures: Pictures, console: Console) -> None:
        self._client = client
        self._pictures = pictures
        self._console = console
        self._open: dict[str, Picture] = {}
        self._asked = 0
        self._parts: dict[str, str] = {}
        self._quiet = asyncio.Event()
        self._begun = asyncio.Event()

    # From the server.

    async def follow(self) -> None:
        """Show what the server sends.

        Raises:
            ServiceUnavailableException: it ended the conversation.
        """
        handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            "session.created": self._greet,
            "response.created": self._begin,
            "response.video.delta": self._show,
            "response.caption.delta": self._caption,
            "response.done": self._done,
            "output_audio_buffer.stopped": self._finish,
            "output_audio_buffer.cleared": self._cut,
            "input_audio_buffer.speech_started": self._listen,
            "conversation.item.input_audio_transcription.completed": self._heard,
            "conversation.item.input_audio_transcription.failed": self._fail,
            "error": self._fail,
        }
        async for event in self._client.events():
            if (handle := handlers.get(event["type"])) is not None:
                await handle(event)
        reason = self._client.end or "no reason given"
        raise ServiceUnavailableException(f"The server ended the conversation: {reason}")

    async def _greet(self, event: Event) -> None:
        session = event["session"]
        self._parts = session["parts"]
        parts = ", ".join(f"{name} {part}" for name, part in self._parts.items())
        self._say(f"Connected ({parts}).", "dim")
        if session.get("note"):
            self._say(session["note"], "yellow")
        self._begun.set()

    async def _begin(self, event: Event) -> None:
        self._asked = max(0, self._asked - 1)
        self._open[event["response"]["id"]] = self._pictures.open()

    async def _show(self, event: Event) -> None:
        await self._open[event["response_id"]].write(event["delta"])

    async def _caption(self, event: Event) -> None:
        self._say(event["text"], "bold")

    async def _done(self, event: Event) -> None:
        """Note that an answer is made; one without a picture, or that failed, is over with that."""
        response = event["response"]
        if response["status"] == "failed":
            self._say(response["status_details"]["error"]["message"], "red")
        picture = self._open.get(response["id"])
        if picture is not None and not picture.begun:
            await self._end(response["id"])

    async def _finish(self, event: Event) -> None:
        await self._end(event["response_id"])

    async def _cut(self, event: Event) -> None:
        if (picture := self._open.get(event["response_id"])) is not None:
            picture.stop()
        self._say("(interrupted)", "dim")
        await self._end(event["response_id"])

    async def _listen(self, event: Event) -> None:
        self._asked += 1
        self._say("(you speak)", "dim")

    async def _heard(self, event: Event) -> None:
        if not event["transcript"]:
            self._asked = max(0, self._asked - 1)
        self._say(f"you: {event['transcript']}", "cyan")

    async def _fail(self, event: Event) -> None:
        self._asked = 0
        self._quiet.set()
        self._say(event["error"]["message"], "red")

    async def _end(self, response_id: str) -> None:
        if (picture := self._open.pop(response_id, None)) is not None and (path := await picture.close()):
            self._say(f"saved: {path}", "dim")
        if not self._open and not self._asked:
            self._quiet.set()

    # To the server.

    async def speak(self, options: ChatOptions) -> None:
        """Send what the user says, and wait for the last answer."""
        await self._begun.wait()
        if options.session:
            await self._client.send("session.update", session={"type": "realtime", **options.session})
        if options.text is not None:
            await self._ask(options.text)
        elif options.microphone is not None:
            await self._send_sound(options.microphone)
        else:
            await self._read_lines()
        await self._spoken()

    async def _ask(self, text: str) -> None:
        self._asked += 1
        await self._client.say(text)

    async def _read_lines(self) -> None:
        self._say("Write a line and press Enter; an empty one interrupts; Ctrl-D ends.", "dim")
        async with aclosing(lines()) as typed:
            async for line in typed:
                if line in QUIT:
                    return
                if line:
                    await self._ask(line)
                else:
                    await self._client.send("output_audio_buffer.clear")

    async def _send_sound(self, path: Path) -> None:
        with SoundSource(path) as source:
            if "listener" not in self._parts:
                raise InvalidInputException(
                    "The server recognises no speech, so a microphone is not heard; on its machine, install "
                    "what does (scripts/setup --listen, English) or set GEMINI_API_KEY."
                )
            async with aclosing(paced(source.pieces())) as pieces:
                async for piece in pieces:
                    await self._client.hear(piece)
        async with aclosing(paced(SILENT_END)) as pieces:
            async for piece in pieces:
                await self._client.hear(piece)

    async def _spoken(self) -> None:
        """Wait until nothing is asked or spoken any more."""
        while self._asked or self._open:
            self._quiet.clear()
            await self._quiet.wait()

    def _say(self, text: str, style: str) -> None:
        self._console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


async def lines() -> AsyncGenerator[str, None]:
    """Yield the lines of stdin, without their ends, as they are typed."""
    loop, found = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def read() -> None:
        # A thread that is not waited for: a terminal's line cannot be given up.
        with suppress(RuntimeError):  # the loop has ended
            for line in sys.stdin:
                loop.call_soon_threadsafe(found.put_nowait, line.strip())
            loop.call_soon_threadsafe(found.put_nowait, None)

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await found.get()) is not None:
        yield line
