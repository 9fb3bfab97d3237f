"""Idle clips: the portrait while nobody speaks, made once, kept on disk, looped by the client."""

import asyncio
import re
from collections import OrderedDict
from pathlib import Path
from typing import Final

from lumen.contracts import FACE_FPS
from lumen.errors import NotFoundException
from orchestrator.faces.face import Compositor, Pixels
from orchestrator.live.scene import IDLE_SEED, Character, Characters, silent_frames
from orchestrator.marking.label import Label
from orchestrator.marking.marking import Marking
from orchestrator.media.clip_encoder import ClipEncoder, ClipFormat, encoding
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.store.files import disk_errors

HALF_SECONDS: Final = 4
"""Length of the motion, which is played forwards and then backwards: 8 s without a seam."""

KNOWN: Final = 256
"""Characters whose clip may be asked for before it is made."""

FILE_NAME: Final = re.compile(r"[0-9a-f]{32}")

PREFIX: Final = "/v1/realtime/idle/"


class IdleClips:
    """Makes and finds idle clips.

    Args:
        folder: made with the first clip.
    """

    def __init__(self, characters: Characters, folder: Path, marking: Marking) -> None:
        self._characters = characters
        self._marking = marking
        self._folder = folder
        self._known: OrderedDict[str, Character] = OrderedDict()
        self._making = asyncio.Lock()

    def url(self, character: Character) -> str:
        """The address of a character's clip, which may be asked for from now on."""
        self._known[character.key] = character
        self._known.move_to_end(character.key)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return f"{PREFIX}{character.key}.mp4"

    async def file(self, key: str) -> Path:
        """The clip of this key, made where it is not there; one clip is made at a time.

        Raises:
            NotFoundException: no conversation told of such a clip.
            LumenException: it cannot be made.
        """
        path = self._folder / f"{key}.mp4"
        if not FILE_NAME.fullmatch(key):
            raise _no_clip()
        if await asyncio.to_thread(path.is_file):
            return path
        async with self._making:
            if not await asyncio.to_thread(path.is_file):
                if (character := self._known.get(key)) is None:
                    raise _no_clip()
                await self._make(character, path)
        return path

    async def _make(self, character: Character, path: Path) -> None:
        scene = await self._characters.scene(character, IDLE_SEED)
        with disk_errors(path):
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        forwards = await silent_frames(scene, HALF_SECONDS * FACE_FPS)
        size, rate = scene.compositor, scene.face.sample_rate
        async with EncoderThread() as thread:
            mark = self._marking.mark(path.stem, {"face": scene.face.name}, composite=character.image is None)
            sink = Mp4FileSink(path, sound=False, tags=mark.tags, seal=mark.seal)
            clip = await thread.open(encoding(ClipFormat(size.width, size.height, FACE_FPS, rate), sink))
            label = mark.drawn(size.width, size.height)
            for frame in [*forwards, *forwards[-2:0:-1]]:
                await thread.run(_write, clip, size, label, frame)


def _write(clip: ClipEncoder, size: Compositor, label: Label | None, frame: Pixels) -> None:
    composed = size.finish(frame)
    clip.write_frames((composed if label is None else label.draw(composed))[None])


def _no_clip() -> NotFoundException:
    return NotFoundException("There is no such idle clip; session.created tells its address.")
