"""Loads a checkpoint of XTTS v2 into the reference network, strictly, without changing its files."""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from export.xtts.layout import (
    CONFIG,
    DEFAULTS,
    GET_ONE,
    SPEAKERS,
    WEIGHTS,
    check_layout,
    dims_of_checkpoint,
    read_config,
)
from export.xtts.network import build, without_advice
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SPEAKER_WIDTH
from lumen.errors import ModelLoadException
from lumen.families.xtts.artifacts import VOCABULARY
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import XttsDims
from lumen.files import sha256

TRAINER_PARTS: Final = ("torch_mel_spectrogram_style_encoder", "torch_mel_spectrogram_dvae", "dvae")
"""Modules that the reference's trainer saves beside the model."""

ALIASES: Final = ("gpt.gpt_inference.", "gpt.gpt.wte.")
"""Second names of weights, which older files have."""

V1_KEYS: Final = ("gpt.prompt_embedding.weight", "gpt.prompt_pos_embedding.emb.weight")


@dataclass(frozen=True)
class LoadedXtts:
    """A checkpoint in memory.

    Attributes:
        folder: where it came from.
        model: the reference's ``Xtts`` on the CPU, fp32, in evaluation mode, ready for inference.
        dims: its sizes.
        config: ``config.json`` as it is.
        speakers: by name, ``gpt_cond_latent`` [1, 32, width] and ``speaker_embedding`` [1, 512, 1],
            fp32 torch tensors.
        source_sha256: of ``model.pth``.
    """

    folder: Path
    model: Any
    dims: XttsDims
    config: dict[str, Any]
    speakers: Mapping[str, Mapping[str, Any]]
    source_sha256: str

    @property
    def defaults(self) -> dict[str, int | float]:
        """Sampling and conditioning numbers of ``config.json``."""
        return {key: self.config[key] for key in DEFAULTS}

    def about(self) -> dict[str, Any]:
        """See ``export.artifact.Source``."""
        return {
            "dims": self.dims.to_json(),
            "source_sha256": self.source_sha256,
            "defaults": self.defaults,
        }

    def packages(self) -> tuple[str, ...]:
        """See ``export.artifact.Source``."""
        return ("coqui-tts", "torch", "onnx", "onnxruntime")


def load_checkpoint(folder: Path) -> LoadedXtts:
    """Load ``config.json``, ``model.pth``, ``vocab.json`` and ``speakers_xtts.pth`` of ``folder``.

    The weights stay in the file and are mapped into memory, so the peak is little over their size.

    Raises:
        ModelLoadException: a file is missing, damaged, of another version or of another model.
    """
    check_layout(folder)
    dims = dims_of_checkpoint(folder)
    config = read_config(folder)
    parsed, tokenizer = _parsed(folder / CONFIG, config), _tokenizer(folder / VOCABULARY)
    speakers = _speakers(folder / SPEAKERS, dims)
    _check_archive(folder / WEIGHTS)
    weights = _read_weights(folder / WEIGHTS)
    model = build(parsed, dims)
    _assign(model, weights, folder / WEIGHTS)
    model.tokenizer, model.speaker_manager = tokenizer, speakers
    with without_advice():
        model.eval()  # the reference's own, which also makes gpt.gpt_inference
    model.requires_grad_(False)
    return LoadedXtts(folder, model, dims, config, speakers.speakers, sha256(folder / WEIGHTS))


def _parsed(path: Path, config: dict[str, Any]) -> Any:
    configs = coqui("TTS.tts.configs.xtts_config")
    parsed = configs.XttsConfig()
    unknown = set(config["model_args"]) - set(configs.XttsArgs().to_dict())
    if unknown:
        raise ModelLoadException(f"{path} has unknown model_args: {', '.join(sorted(unknown))}; {GET_ONE}.")
    try:
        parsed.from_dict(config)
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelLoadException(f"{path} does not fit coqui-tts: {error}; {GET_ONE}.") from error
    return parsed


def _tokenizer(path: Path) -> Any:
    try:
        return coqui("TTS.tts.layers.xtts.tokenizer").VoiceBpeTokenizer(vocab_file=path)
    except ModelLoadException:
        raise
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise ModelLoadException(f"{path} is not a vocabulary ({str(error)[:80]}); {GET_ONE}.") from error


def _check_archive(path: Path) -> None:
    """Every byte of the weights against the checksums that PyTorch wrote into the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise ModelLoadException(
            f"{path} is truncated or not a PyTorch file ({path.stat().st_size:,} bytes); {GET_ONE}."
        ) from error
    if damaged is not None:
        raise ModelLoadException(f"{path} is damaged: the checksum of {damaged} is wrong; {GET_ONE}.")


def _read_weights(path: Path) -> dict[str, Any]:
    data = _unpickled(path)
    weights = data.get("model") if isinstance(data, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise ModelLoadException(f"{path} has no weights under 'model': not an XTTS checkpoint; {GET_ONE}.")
    if any(key in weights for key in V1_KEYS):
        raise ModelLoadException(f"{path} is of XTTS v1 (it has {V1_KEYS[0]}), expected v2; {GET_ONE}.")
    names = {name: name.removeprefix("xtts.") for name in weights}  # the trainer's prefix
    kept = {short: weights[name] for name, short in names.items() if not short.startswith(ALIASES)}
    return {name: tensor for name, tensor in kept.items() if name.partition(".")[0] not in TRAINER_PARTS}


def _unpickled(path: Path) -> Any:
    """Load a pickle that holds tensors and the reference's configuration alone.

    Raises:
        ModelLoadException: it holds other objects than tensors and the reference's configuration.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_configurations()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise ModelLoadException(
            f"{path} holds objects that are no weights ({_first_global(error)}): not opened; {GET_ONE}."
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise ModelLoadException(f"{path} is not a PyTorch file ({str(error)[:80]}); {GET_ONE}.") from error


def _configurations() -> list[Any]:
    """The classes in official files: two of them under the module where they lived at that time."""
    configs = coqui("TTS.tts.configs.xtts_config")
    dataset = coqui("TTS.config.shared_configs").BaseDatasetConfig
    parts = [configs.XttsArgs, configs.XttsAudioConfig]
    moved = [(part, f"TTS.tts.models.xtts.{part.__name__}") for part in parts]
    return [configs.XttsConfig, dataset, *parts, *moved]


def _first_global(error: Exception) -> str:
    """Name of the object that torch refuses in its long message, such as ``GLOBAL posix.system``."""
    words = str(error).split()
    follow = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("GLOBAL", "Global", "global")]
    return follow[0].strip("`'\"") if follow else "unreadable pickle"


def _assign(model: Any, weights: dict[str, Any], path: Path) -> None:
    expected = model.state_dict()
    _renew_weight_norms(weights, expected)
    complaints = [
        _named("lacks", [name for name in expected if name not in weights]),
        _named("has unknown", [name for name in weights if name not in expected]),
        _named("has of another shape or type", _misfits(weights, expected)),
    ]
    found = "; ".join(complaint for complaint in complaints if complaint)
    if found:
        raise ModelLoadException(f"{path} does not fit its config.json and vocab.json: {found}; {GET_ONE}.")
    model.load_state_dict(weights, strict=True, assign=True)


def _renew_weight_norms(weights: dict[str, Any], expected: dict[str, Any]) -> None:
    """Give weight norms the names that PyTorch has for them since 2.0."""
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        for name in [name for name in weights if name.endswith(f".{old}")]:
            renewed = f"{name.removesuffix(old)}parametrizations.weight.{new}"
            if renewed in expected:
                weights[renewed] = weights.pop(name)


def _misfits(weights: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    import torch

    found = []
    for name in expected.keys() & weights.keys():
        got, wanted = weights[name], expected[name]
        if not isinstance(got, torch.Tensor):
            found.append(f"{name} ({type(got).__name__})")
        elif got.shape != wanted.shape or got.dtype != wanted.dtype:
            found.append(f"{name} ({_form(got)}, expected {_form(wanted)})")
    return sorted(found)


def _form(tensor: Any) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _named(verb: str, names: list[str]) -> str:
    """ "lacks 3 tensors, such as a.b"; empty when there are none."""
    return f"{verb} {len(names)} tensors, such as {names[0]}" if names else ""


def _speakers(path: Path, dims: XttsDims) -> Any:
    shapes = {
        "gpt_cond_latent": (1, XTTS_CONDITION_LATENTS, dims.width),
        "speaker_embedding": (1, XTTS_SPEAKER_WIDTH, 1),
    }
    try:
        manager = coqui("TTS.tts.layers.xtts.xtts_manager").SpeakerManager(path)
        for name, voice in manager.speakers.items():
            if {key: tuple(voice[key].shape) for key in shapes} != shapes:
                raise ModelLoadException(
                    f"{path}: the speaker {name!r} has not the shapes {shapes}; {GET_ONE}."
                )
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, KeyError, TypeError) as error:
        raise ModelLoadException(f"{path} is not a file of speakers ({error!r:.80}); {GET_ONE}.") from error
    return manager
