"""Idle clips: made once, gone with their avatar, and not more than so many."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lumen.aio import cancel
from lumen.errors import NotFoundException, ServiceUnavailableException
from lumen.settings import Settings
from orchestrator.faces.animation import CropOptions
from orchestrator.faces.face import PortraitFeatures
from orchestrator.faces.portraits import ImageDecoder, Portraits
from orchestrator.live import idle
from orchestrator.live.idle import PREFIX, SUFFIX, IdleClips
from orchestrator.live.scene import Characters
from orchestrator.marking.marking import Marking
from tests.support.live_parts import SIDE, FakeModels
from tests.support.waiting import wait_until

GRACE, ALAN = "a" * 32, "b" * 32


@dataclass
class Card:
    id: str
    size: int = SIDE


class FakeAvatars:
    """Avatars that are called by their ids; ``away`` as long as their store is."""

    def __init__(self, *ids: str) -> None:
        self.there = set(ids)
        self.away = False
        self.asked = 0

    async def ids(self) -> set[str]:
        self.asked += 1
        if self.away:
            raise ServiceUnavailableException("The bucket is away.")
        return set(self.there)

    async def open(self, name: str) -> tuple[Card, PortraitFeatures]:
        if name not in self.there:
            raise NotFoundException(f"There is no avatar {name!r}.")
        return Card(name), PortraitFeatures(CropOptions(SIDE), {})


class Models(FakeModels):
    def __init__(self) -> None:
        super().__init__()
        self.avatars = FakeAvatars(GRACE, ALAN)

    def get_avatars(self) -> Any:
        return self.avatars


class Clips:
    """Idle clips of fake parts, in a folder."""

    def __init__(self, root: Path) -> None:
        (root / "portraits").mkdir()
        for name in ("ada", "max", "eve"):
            Image.new("RGB", (64, 64), (ord(name[0]), 150, 100)).save(root / "portraits" / f"{name}.png")
        settings = Settings.model_validate({"assets_path": root})
        self.models, self.folder = Models(), root / "idle"
        portraits = Portraits(root / "portraits", ImageDecoder(self.models.decode_gate, 10**6))
        self.characters = Characters(settings, self.models, portraits)
        self.clips = IdleClips(self.characters, self.folder, Marking(settings))

    async def asked(self, name: str) -> str:
        """The key of a clip that a conversation tells of."""
        url = self.clips.url(await self.characters.find(name, None))
        return url.removeprefix(PREFIX).removesuffix(SUFFIX)

    async def made(self, name: str) -> Path:
        return await self.clips.file(await self.asked(name))

    def there(self) -> set[Path]:
        return set(self.folder.iterdir())


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path)


async def test_gone_with_the_avatar(clips: Clips) -> None:
    """A clip of a removed avatar is not found, whoever removed it; others and a bundled portrait's stay."""
    grace, alan, ada = [await clips.made(name) for name in (GRACE, ALAN, "ada")]
    assert clips.there() == {grace, alan, ada}
    clips.models.avatars.there.remove(GRACE)
    with pytest.raises(NotFoundException, match="no such idle clip"):
        await clips.clips.file(grace.stem)
    await clips.clips.sweep()
    assert clips.there() == {alan, ada}
    clips.models.avatars.there.add(GRACE)
    with pytest.raises(NotFoundException):  # nobody has told of it since
        await clips.clips.file(grace.stem)
    assert await clips.made(GRACE) == grace


async def test_removed_while_its_clip_is_made(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip that is finished after the removal of its avatar does not stay."""
    scene = clips.characters.scene

    async def removing(*arguments: Any) -> Any:
        clips.models.avatars.there.remove(GRACE)
        await clips.clips.sweep()
        return await scene(*arguments)

    key = await clips.asked(GRACE)
    monkeypatch.setattr(clips.characters, "scene", removing)
    with pytest.raises(NotFoundException):
        await clips.clips.file(key)
    assert clips.there() == set()


async def test_bounded(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the clip goes that nobody has asked for the longest; it is made again if asked for."""
    monkeypatch.setattr(idle, "KEPT", 2)
    ada, eve = await clips.made("ada"), await clips.made("eve")
    for path, age in ((ada, 2000.0), (eve, 1000.0)):
        changed = path.stat().st_mtime
        os.utime(path, (changed - age, changed))
    before = ada.stat().st_mtime_ns
    await clips.clips.file(ada.stem)
    assert ada.stat().st_mtime_ns == before
    other = await clips.made("max")
    assert clips.there() == {ada, other}
    assert await clips.clips.file(eve.stem) == eve


@pytest.mark.parametrize("name", ["0" * 32, "x", f"{GRACE}-", f"{'c' * 32}-{'0' * 16}", "0" * 16])
async def test_what_nobody_told_of(clips: Clips, name: str) -> None:
    """Other names, other avatars' and an unknown portrait's are 404, and no store is asked for them."""
    with pytest.raises(NotFoundException):
        await clips.clips.file(name)
    assert clips.models.avatars.asked == 0


async def test_the_watch(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of another version go at the start, and those of removed avatars when their store is back."""
    monkeypatch.setattr(idle, "SWEEP_SECONDS", 0.01)
    grace = await clips.made(GRACE)
    old = clips.folder / f"{'0' * 32}{SUFFIX}"
    old.write_bytes(b"x")
    clips.models.avatars.away = True
    watch = asyncio.create_task(clips.clips.watch())
    asked = clips.models.avatars.asked
    await asyncio.to_thread(wait_until, lambda: clips.models.avatars.asked > asked + 1)
    assert clips.there() == {grace, old}
    clips.models.avatars.away = False
    await asyncio.to_thread(wait_until, lambda: clips.there() == {grace})
    clips.models.avatars.there.clear()
    await asyncio.to_thread(wait_until, lambda: clips.there() == set())
    await cancel(watch)
