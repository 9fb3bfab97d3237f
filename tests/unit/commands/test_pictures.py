"""Pictures of `lumen chat`: files and a player's process."""

import sys
from pathlib import Path

from commands.pictures import Picture, Pictures

PLAYER = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"


async def test_a_player_gets_all_of_it(tmp_path: Path) -> None:
    """The player is started with the first piece and sees the end; the file has the same."""
    shown, saved = tmp_path / "shown", tmp_path / "saved.mp4"
    picture = Picture(saved, (sys.executable, "-c", PLAYER, str(shown)))
    assert not picture.begun
    for piece in (b"one", b"two"):
        await picture.write(piece)
    assert await picture.close() == saved
    assert (shown.read_bytes(), saved.read_bytes()) == (b"onetwo", b"onetwo")


async def test_a_player_that_is_stopped(tmp_path: Path) -> None:
    """It ends at once, and what comes later breaks nothing."""
    picture = Picture(None, (sys.executable, "-c", "import time; time.sleep(60)"))
    await picture.write(b"one")
    picture.stop()
    await picture.write(b"x" * 2**20)
    assert await picture.close() is None


async def test_names(tmp_path: Path) -> None:
    """The first answer has the name that was given, the others numbers."""
    pictures = Pictures(tmp_path / "a.mp4", None)
    made = [pictures.open() for _ in range(3)]
    for picture in made:
        await picture.write(b"x")
    paths = [await picture.close() for picture in made]
    assert [path.name for path in paths if path] == ["a.mp4", "a-2.mp4", "a-3.mp4"]
