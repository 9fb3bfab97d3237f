"""Errors of a command, as a person sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, NoReturn

from rich.console import Console

from lumen.errors import LumenException

console = Console(stderr=True)

OWN_PACKAGES: Final = ("lumen", "export", "orchestrator", "commands", "bench")

EXTRAS: Final = {
    "torch": ("PyTorch", " --models"),
    "torchaudio": ("torchaudio", " --models"),
    "TTS": ("coqui-tts", " --models"),
    "onnxscript": ("onnxscript", " --models"),
}
"""Names of packages by their modules, and the option of scripts/setup that installs them."""


@contextmanager
def reported() -> Iterator[None]:
    """Errors that a person can act on become one line each and exit status 1."""
    try:
        yield
    except (LumenException, OSError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        _fail(_missing(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def require(*modules: str) -> None:
    """Refuse a command before it works in vain.

    Raises:
        ModuleNotFoundError: one is not installed.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ModuleNotFoundError(name=module)


def _missing(error: ModuleNotFoundError) -> str:
    """Line about a package that is not installed.

    Raises:
        ModuleNotFoundError: the module is the project's own: a bug.
    """
    package = (error.name or "").partition(".")[0]
    if package in ("", *OWN_PACKAGES):
        raise error
    name, option = EXTRAS.get(package, (package, ""))
    return f"This needs {name}, which is not installed; run scripts/setup{option}."


def _fail(line: str) -> NoReturn:
    console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(1)
