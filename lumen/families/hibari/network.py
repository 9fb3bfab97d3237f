"""Network of one voice, with the durations that are inside its graph."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]
from hibari import dsp  # type: ignore[import-untyped]

from lumen.errors import ModelLoadException
from lumen.families.hibari.catalog import VoiceFile
from lumen.files import sha256

DURATIONS: Final = "/Cast_32_output_0"
"""The tensor with the length of each symbol: int64 [1, n]."""


class Network:
    """Turns symbols into sound, one thread a call; calls may come from several threads.

    Args:
        path: the voice's file, which has to be the one that the catalogue names.

    Raises:
        ModelLoadException: it is another file, or ONNX Runtime does not take it.
    """

    def __init__(self, path: Path, file: VoiceFile) -> None:
        if not path.is_file() or sha256(path) != file.sha256:
            raise ModelLoadException(
                f"{path} is not hibari's {file.name} ({file.sha256[:12]}); reinstall hibari-tts, or remove "
                "the file and run `lumen export download hibari`."
            )
        model = onnx.load(path)
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def synthesize(
        self, ids: list[int], speed: float, noise: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Speak symbols, with the 0 for silence at both ends.

        Args:
            speed: divides the durations.
            noise: draws the noise in the voice; the same one gives the same samples.

        Returns:
            float32 [n_samples] of `HIBARI_SAMPLE_RATE`; and the length of each symbol, int64 [n_ids] in
            600 samples.
        """
        feeds = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
        *spectrum, durations = self._session.run(None, feeds)
        pcm = dsp.synth(*(part[0] for part in spectrum), noise)
        return pcm, durations.reshape(-1)
