"""Idle clips: the portrait while nobody speaks, made once, kept on disk, looped by the client.

An avatar's clip is not served once the avatar is removed, by whatever process; its file goes at once here,
and with the next look at the folder elsewhere.
"""

import asyncio
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lumen.contracts import FACE_FPS
from lumen.errors import LumenException, NotFoundException
from orchestrator.faces.face import Compositor, Pixels
from orchestrator.live.scene import IDLE_SEED, Character, Characters, silent_frames
from orchestrator.marking.label import Label
from orchestrator.marking.marking import Marking
from orchestrator.media.clip_encoder import ClipEncoder, ClipFormat, encoding
from orchestrator.media.encoder_thread import EncoderThread
from orchestrator.media.sinks import Mp4FileSink
from orchestrator.store.files import disk_errors, remove

log = logging.getLogger("lumen")

HALF_SECONDS: Final = 4
"""Length of the motion, which is played forwards and then backwards: 8 s without a seam."""

KNOWN: Final = 256
"""Characters whose clip may be asked for before it is made."""

KEPT: Final = 256
"""Clips that are kept, about 0.3 MB each; those that nobody has asked for the longest are removed."""

SWEEP_SECONDS: Final = 600.0
"""Seconds between two looks for clips whose avatar was removed by another process."""

FILE_NAME: Final = re.compile(r"(?:([0-9a-f]{32})-)?[0-9a-f]{16}")
"""Form of a character's key, with the id of its avatar."""

SUFFIX: Final = ".mp4"

PREFIX: Final = "/v1/realtime/idle/"


class IdleClips:
    """Makes and finds idle clips.

    Args:
        folder: made with the first clip. sign: makes an address work for whoever gets it.
    """

    def __init__(
        self, characters: Characters, folder: Path, marking: Marking, sign: Callable[[str], str] = str
    ) -> None:
        self._sign = sign
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
        return self._sign(f"{PREFIX}{character.key}{SUFFIX}")

    async def file(self, key: str) -> Path:
        """The clip of this key, made where it is not there; one clip is made at a time.

        Raises:
            NotFoundException: no conversation told of such a clip, or its avatar was removed.
            LumenException: it cannot be made.
        """
        path = self._folder / f"{key}{SUFFIX}"
        there = FILE_NAME.fullmatch(key) is not None and await asyncio.to_thread(_used, path)
        if not (there or key in self._known) or not await self._may_be(key):
            raise _no_clip()
        if there:
            return path
        async with self._making:
            if not await asyncio.to_thread(path.is_file):
                if (character := self._known.get(key)) is None:
                    raise _no_clip()
                await self._make(character, path)
                await self.sweep()
        if not await self._may_be(key):  # the avatar was removed meanwhile
            await asyncio.to_thread(remove, path)
            raise _no_clip()
        return path

    async def sweep(self) -> None:
        """Remove the clips of avatars that are gone, of other versions, and of those that nobody asks for.

        Raises:
            ServiceUnavailableException: the store of the avatars is away.
        """
        paths = await asyncio.to_thread(lambda: list(self._folder.glob("[!.]*")))
        known = list(self._known)
        # Asked for last: what belongs to an avatar that is made meanwhile is in neither list.
        avatars = await self._characters.avatars() if paths or known else ()
        for key in known:
            if not _is_clip(key, avatars):
                self._known.pop(key, None)
        await asyncio.to_thread(_remove_all_but, [p for p in paths if _is_clip(p.stem, avatars)], paths)

    async def watch(self) -> None:
        """Sweep at once and now and then, until cancelled."""
        while True:
            try:
                await self.sweep()
            except (OSError, LumenException) as error:
                log.warning("The idle clips cannot be looked through: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _may_be(self, key: str) -> bool:
        """Whether a clip may have this key; the avatars are looked at where it is one's."""
        return _is_clip(key, ()) or _is_clip(key, await self._characters.avatars())

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


def _used(path: Path) -> bool:
    """Whether the clip is there; notes that it was asked for."""
    try:
        os.utime(path, (time.time(), path.stat().st_mtime))
    except PermissionError:  # a disk that is only read
        return path.is_file()
    except OSError:
        return False
    return True


def _is_clip(key: str, avatars: Collection[str]) -> bool:
    """Whether this is the key of a portrait, or of one of these avatars."""
    match = FILE_NAME.fullmatch(key)
    return match is not None and (match[1] is None or match[1] in avatars)


def _remove_all_but(clips: Iterable[Path], paths: Iterable[Path]) -> None:
    """Remove all of ``paths`` but the `KEPT` ones of ``clips`` that were asked for last."""
    asked: dict[Path, float] = {}
    for path in clips:
        with suppress(FileNotFoundError):  # another process looks through them too
            asked[path] = path.stat().st_atime
    kept = sorted(asked, key=asked.__getitem__)[-KEPT:]
    for path in {*paths}.difference(kept):
        remove(path)


def _no_clip() -> NotFoundException:
    return NotFoundException("There is no such idle clip; session.created tells its address.")
