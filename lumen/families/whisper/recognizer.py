"""Whisper by ``faster-whisper``: speech to text, in one language that the caller knows.

A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, Final

from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.speech_input import Pcm, spoken_part
from lumen.families.whisper.family import FAMILY
from lumen.text.scripts import primary

PRECISIONS: Final = {"cpu": "int8", "cuda": "float16"}
"""Precision of the products, by device."""

ALIASES: Final = {"nb": "no", "jv": "jw", "fil": "tl"}
"""Codes that Whisper knows by another name."""


class Whisper:
    """Recognises one utterance at a time.

    Args:
        folder: a model in CTranslate2's format.
        device: ``cpu`` or ``cuda``.
        threads: of a CPU.

    Raises:
        ModelLoadException: the package is not installed, or the folder holds no model.
    """

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        if FAMILY.missing():
            raise ModelLoadException(f"faster-whisper is not installed; run `{FAMILY.setup}`.")
        if missing := [file for file in FAMILY.files if not (folder / file).is_file()]:
            raise ModelLoadException(f"There is no {missing[0]} in {folder}; run `{FAMILY.fetch}`.")
        package: Any = import_module("faster_whisper")
        try:
            self._model: Any = package.WhisperModel(
                str(folder),
                device=device,
                compute_type=PRECISIONS[device],
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelLoadException(f"{folder} is no Whisper model of CTranslate2's: {error}") from error

    def transcribe(self, pcm: Pcm, language: str) -> str:
        """Recognise an utterance; "" where nothing is said.

        Args:
            pcm: float32 [n_samples] in -1..1 at ``LISTENER_SAMPLE_RATE``.
            language: such as ``de`` or ``de-AT``.

        Raises:
            InvalidInputException: it is too long, or the network does not know the language.
        """
        code = ALIASES.get(primary(language), primary(language))
        if code not in self._model.supported_languages:
            known = "English alone" if not self._model.model.is_multilingual else "others"
            raise InvalidInputException(f"Got speech in {language[:20]!r}; this Whisper recognises {known}.")
        said = spoken_part(pcm)
        if said is None:
            return ""
        # Each utterance is one of its own, and no loop of the network goes on into the next half minute.
        segments, _ = self._model.transcribe(
            said, language=code, beam_size=1, condition_on_previous_text=False, without_timestamps=True
        )
        return "".join(segment.text for segment in segments).strip()
