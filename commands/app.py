"""The command line: ``lumen --help``."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commands import gfpgan, hibari, keys, objects, sadtalker, whisper, xtts
from commands.exporting import PLAIN_HELP, Repository
from commands.options import face_options, voice_options, with_options
from commands.sign import sign
from commands.webhook import webhook
from lumen import __version__
from lumen.reported import console, reported
from lumen.runtime.cores import bound_threads
from lumen.settings import load_settings

DEMO_TEXT = (
    "Hello! I am a portrait that learned to talk. You gave me a sentence, an open source voice spoke it, "
    "and every frame of my face was rendered on this machine. What shall we talk about?"
)

app = typer.Typer(
    help="A prompt becomes a video of a portrait speaking the answer.",
    epilog="Settings come from environment variables, .env and configs/; the README lists them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=PLAIN_HELP,
)
export = typer.Typer(
    help="Build the artifacts in model_repository/.", no_args_is_help=True, rich_markup_mode=PLAIN_HELP
)
app.add_typer(export, name="export")
app.add_typer(keys.keys, name="keys")
app.add_typer(objects.objects, name="objects")
app.add_typer(webhook, name="webhook")
app.add_typer(sign, name="sign")
export.command("xtts")(xtts.export_xtts)
export.command("sadtalker")(sadtalker.export_sadtalker)
export.command("gfpgan")(gfpgan.export_gfpgan)
export.command("whisper")(whisper.export_whisper)
export.add_typer(xtts.random, name="random")
export.add_typer(xtts.download, name="download")
xtts.download.command("hibari", help=hibari.HELP)(hibari.download_hibari)
xtts.download.command("whisper")(whisper.download_whisper)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"lumen {__version__}\n")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    bound_threads(os.environ)  # before a command imports PyTorch


Profile = Annotated[str | None, typer.Option(help="A profile of configs/, or a path to one.")]


@app.command()
def serve(profile: Profile = None) -> None:
    """Run Triton and the API together until Ctrl-C.

    Example: lumen serve --profile cpu
    """
    from commands import serving as serve

    with reported():
        asyncio.run(serve.serve(load_settings(profile), console))


@app.command()
def triton(profile: Profile = None) -> None:
    """Run Triton alone, with the models of the profile, until Ctrl-C.

    Example: TRITON_HOST=0.0.0.0 lumen triton --profile gpu
    """
    from lumen.triton.serve import run

    with reported():
        raise typer.Exit(run(load_settings(profile)))


@app.command()
def api(profile: Profile = None) -> None:
    """Run the API alone; TRITON_URL says where Triton is.

    Example: TRITON_URL=gpu-host:8001 lumen api
    """
    from orchestrator import run

    with reported():
        run.serve(load_settings(profile))


def _check_output(path: Path) -> Path:
    if path.suffix.lower() != ".mp4":
        raise typer.BadParameter(f"{path} is no MP4; give a name that ends in .mp4")
    path = path.expanduser()
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder of {path} is not there; make it first")
    return path


@app.command()
@with_options
def say(
    text: Annotated[
        str | None, typer.Argument(help="What to answer; without a Gemini key, what to say.")
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Speech of yours in place of a text.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(help="Seconds of a clip without speech, in place of a text.")
    ] = None,
    portrait: Annotated[str | None, typer.Option(help="A bundled portrait, or an image file.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the speech, e.g. en, de, cmn.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice, as GET /api/status lists them.")] = None,
    speed: Annotated[float | None, typer.Option(help="1 is normal, 0.5 to 2.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the video in pixels: 256 or 512.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same motion.")] = None,
    avatar: Annotated[str | None, typer.Option(help="Id or name of an avatar of the API.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", callback=_check_output, help="The MP4 to write.")
    ] = Path("lumen.mp4"),
    profile: Profile = None,
    **options: Any,
) -> None:
    """Make one video. Uses the API that runs on this machine, or starts everything for this clip.

    Example: lumen say "Good morning." -o morning.mp4 --portrait alan
    """
    from commands import serving as serve
    from lumen.client import Clip

    if sum(given is not None for given in (text, audio, idle)) != 1:
        raise typer.BadParameter("give one of a text, --audio and --idle")
    clip = Clip(
        prompt=text,
        audio=audio,
        idle_seconds=idle,
        language=language,
        voice=voice,
        speed=speed,
        portrait=portrait,
        size=size,
        seed=seed,
        avatar=avatar,
        controls=face_options(options),
        sampling=voice_options(options),
    )
    with reported():
        asyncio.run(serve.say(load_settings(profile), console, clip, output))
        sys.stdout.write(f"{output}\n")


@app.command()
def chat(
    text: Annotated[str | None, typer.Argument(help="One message; its answer ends the conversation.")] = None,
    microphone: Annotated[
        Path | None,
        typer.Option(
            "-m",
            "--microphone",
            help="A sound file that plays as the microphone, or - for PCM16, mono, 24 kHz, on stdin.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            callback=lambda path: path and _check_output(path),
            help="The MP4 of the first answer; the next ones get numbers.",
        ),
    ] = None,
    show: Annotated[
        bool | None,
        typer.Option("--show/--no-show", help="Show the picture; by default where ffplay or mpv is."),
    ] = None,
    portrait: Annotated[str | None, typer.Option(help="A bundled portrait, or an avatar's id.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice, as GET /api/status lists them.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of the conversation, e.g. en, de.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the picture in pixels: 256 or 512.")] = None,
    url: Annotated[str | None, typer.Option(help="The API; that of this machine without it.")] = None,
    profile: Profile = None,
) -> None:
    """Talk with the portrait of a LUMEN that runs (start it with `lumen serve`).

    Lines that you write are answered aloud: the text in the terminal, the picture in a player's window or in
    MP4 files. Writing interrupts, and so does an empty line. With a microphone you interrupt by speaking,
    where the server recognises speech (scripts/setup --listen). docs/live.md has what goes over the socket.

    Examples:

    lumen chat

    lumen chat "Who are you?" -o answer.mp4

    lumen chat --microphone question.wav --no-show -o answer.mp4

    arecord -q -t raw -f S16_LE -r 24000 -c 1 | lumen chat --microphone -
    """
    from commands import chat as chatting

    if text is not None and microphone is not None:
        raise typer.BadParameter("give a text or --microphone, not both")
    with reported():
        address = url or chatting.address(load_settings(profile))
        wishes = chatting.session_fields(portrait, voice, language, size)
        options = chatting.ChatOptions(address, text, microphone, wishes)
        asyncio.run(chatting.converse(options, chatting.pictures_to(output, show), console))


@app.command()
def quickstart(
    text: Annotated[str, typer.Argument(help="What the portrait says.")] = DEMO_TEXT,
    once: Annotated[bool, typer.Option("--once", help="Stop everything after the clip.")] = False,
    profile: Profile = None,
) -> None:
    """Start Triton and the API, make a clip, and keep serving.

    Example: lumen quickstart --once "Just a word."
    """
    from commands import serving as serve
    from lumen.client import Clip

    with reported():
        asyncio.run(serve.quickstart(load_settings(profile), console, Clip(text), once))


@app.command()
def doctor(profile: Profile = None) -> None:
    """Say what is installed, found and missing, and what to do about it.

    Example: lumen doctor --profile gpu
    """
    from commands.doctor import examine

    with reported():
        raise typer.Exit(examine(load_settings(profile)))


@app.command()
def bench(
    model: Annotated[list[str] | None, typer.Option(help="A Triton model; repeat it for more.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Clients of the closed loops.")] = 8,
    rate: Annotated[
        float | None,
        typer.Option(help="Requests a second of the models' open loops; half the closed loop's without it."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of each measurement.")] = 3.0,
    clips: Annotated[int, typer.Option(min=0, help="Whole clips for each load; 0 for none.")] = 6,
    profile: Profile = None,
) -> None:
    """Measure the models and whole clips of a LUMEN that runs (start it with `lumen serve`).

    Example: lumen bench --model warp_renderer --seconds 5
    """
    from bench.run import run

    with reported():
        settings = load_settings(profile)
        raise typer.Exit(
            run(settings, models=model, concurrency=concurrency, rate=rate, seconds=seconds, clips=clips)
        )


@app.command()
def plan(
    sessions: Annotated[int, typer.Option(min=1, help="Sessions that speak at once.")],
    pixels: Annotated[int, typer.Option(help="Side of the face: 256 or 512.")] = 512,
    face: Annotated[str, typer.Option(help="The part that animates.")] = "warp",
    voice: Annotated[str, typer.Option(help="The part that speaks.")] = "hibari",
    p95_first_frame: Annotated[
        float, typer.Option(help="Seconds until the first frame that one in twenty answers may exceed.")
    ] = 1.0,
    kept_hours: Annotated[float, typer.Option(min=0, help="Hours of speech that are kept as clips.")] = 0.0,
    figures: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Output of `lumen bench` or `scripts/bench_gpu`."),
    ] = None,
) -> None:
    """Compute the machines that a number of sessions takes, from measured figures (docs/capacity.md).

    Example: lumen plan --sessions 100 --pixels 256 --face sadtalker --voice xtts
    """
    from bench.plan import Wish, run

    with reported():
        wish = Wish(sessions, pixels, face, voice, p95_first_frame, kept_hours)
        raise typer.Exit(run(wish, figures, console))


@export.command()
def warp(
    repository: Repository = None,
) -> None:
    """Build the frame renderer of the warp face and check it against an independent one.

    Example: lumen export warp --repository /srv/models
    """
    with reported(), console.status("building and checking warp_renderer …"):
        from export.warp.export import export_renderer

        path = export_renderer(repository or load_settings().model_repository)
    sys.stdout.write(f"{path}\n")


@export.command()
def portraits(
    folder: Annotated[Path | None, typer.Option(help="Where the PNGs go.")] = None,
) -> None:
    """Draw the bundled portraits.

    Example: lumen export portraits --folder drawn
    """
    with reported(), console.status("drawing the portraits …"):
        from export.warp.portraits import write_portraits

        for path in write_portraits(folder or load_settings().assets_path / "portraits"):
            sys.stdout.write(f"{path}\n")
