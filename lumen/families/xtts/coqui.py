"""The one door to ``coqui-tts``: the reference network, tokenizer and checkpoint loader.

``torchaudio`` loads a CUDA library when it is imported, which fails beside a CPU build of torch,
although XTTS uses its pure-Python transforms alone. Where the library does not load, torchaudio is
imported without it; nothing that is installed is changed.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

from lumen.errors import ModelLoadException

_EXTENSION: Final = "torchaudio._extension"


def coqui(module: str) -> Any:
    """A module of ``TTS``, such as ``TTS.tts.models.xtts``.

    Raises:
        ModelLoadException: coqui-tts or torch is not installed.
    """
    try:
        _import_torchaudio()
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelLoadException(
            f"XTTS needs coqui-tts and PyTorch, but {error}; run `scripts/setup --models`."
        ) from error


def _import_torchaudio() -> None:
    if "torchaudio" in sys.modules:
        return
    try:
        importlib.import_module("torchaudio")
    except OSError:
        _forget_torchaudio()
        sys.modules[_EXTENSION] = _no_extension()
        importlib.import_module("torchaudio")


def _forget_torchaudio() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]


def _no_extension() -> ModuleType:
    """Stand-in for the extension, as torchaudio itself has it when it is built without the library."""
    module = ModuleType(_EXTENSION)
    module.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _check_cuda_version=lambda: None,
        fail_if_no_align=lambda function: function,
    )
    return module
