"""Writes a checkpoint in the official layout with random weights: it makes noise, at the speed of speech."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from export.xtts.network import build
from export.xtts.released import config_of
from export.xtts.vocabulary import write_vocabulary
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_SPEAKER_RATE, XTTS_SPEAKER_WIDTH
from lumen.errors import InvalidInputException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import XttsDims

SIZES: Final = {"tiny": XttsDims(layers=2, width=64, heads=2, text_vocabulary=700), "full": XttsDims()}

SPEAKERS: Final = ("Ada Random", "Alan Random", "Zoë Zufall")

MATRIX_GAIN: Final = 0.64
"""Standard deviation of a matrix product over that of its input: 0.02 at width 1024, as GPT-2 starts."""

EMBEDDING: Final = 0.4
POSITION: Final = 0.2
"""Standard deviations of tables: large enough for the transformer's blocks not to drown them."""

LOGITS: Final = 3.0
"""Standard deviation of the logits: some codes are likely, none is certain."""

PCM_LEVEL: Final = 0.1
"""Root mean square of what the vocoder makes of random latents."""

OnProgress = Callable[[int, int], None]
"""``on_progress(done, total)``: called with the tensors made and the tensors in all."""


def write_random(folder: Path, size: str, seed: int, on_progress: OnProgress | None = None) -> Path:
    """Write ``config.json``, ``model.pth``, ``vocab.json`` and ``speakers_xtts.pth``.

    The same size and seed give the same weights. "tiny" scales the GPT; the vocoder and the speaker
    encoder have one size in the reference.

    Returns:
        The folder.

    Raises:
        InvalidInputException: an unknown size, or a folder with a checkpoint in it.
    """
    dims = _dims(size)
    if (folder / "model.pth").exists():
        raise InvalidInputException(f"{folder} has a model.pth already; name another folder or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(folder / "vocab.json", dims.text_vocabulary)
    config = config_of(dims)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    _write_speakers(folder / "speakers_xtts.pth", dims, seed)
    _write_weights(folder / "model.pth", config, dims, seed, on_progress)
    return folder


def _dims(size: str) -> XttsDims:
    if size not in SIZES:
        raise InvalidInputException(f"Got the size {size!r}, expected one of {', '.join(SIZES)}.")
    return SIZES[size]


def _write_speakers(path: Path, dims: XttsDims, seed: int) -> None:
    """Voices of the scale that the networks give: latents around 1, embeddings of length 1."""
    import torch

    source = torch.Generator().manual_seed(seed + 1)
    speakers = {}
    for name in SPEAKERS:
        latent = torch.randn(1, XTTS_CONDITION_LATENTS, dims.width, generator=source)
        embedding = torch.randn(1, XTTS_SPEAKER_WIDTH, 1, generator=source)
        speakers[name] = {"gpt_cond_latent": latent, "speaker_embedding": embedding / embedding.norm()}
    torch.save(speakers, path)


def _write_weights(
    path: Path, config: dict[str, Any], dims: XttsDims, seed: int, on_progress: OnProgress | None
) -> None:
    import torch

    parsed = coqui("TTS.tts.configs.xtts_config").XttsConfig()
    parsed.from_dict(config)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = build(parsed, dims)
        _settle_decoder(model.hifigan_decoder, dims)
    source = torch.Generator().manual_seed(seed)
    weights = {}
    state = model.state_dict()
    for done, (name, tensor) in enumerate(state.items(), 1):
        weights[name] = _random_gpt(name, tensor, dims, source) if tensor.is_meta else tensor
        if on_progress is not None:
            on_progress(done, len(state))
    weights["mel_stats"] = 2 + 2 * torch.rand(80, generator=source)
    torch.save({"model": weights, "config": config}, path)


def _random_gpt(name: str, meta: Any, dims: XttsDims, source: Any) -> Any:
    import torch

    shape = meta.shape
    value = torch.randn(shape, generator=source)
    if len(shape) == 1:
        return value.mul_(0.05).add_(0.0 if name.endswith("bias") else 1.0)
    return value.mul_(_scale(name, shape, dims))


def _scale(name: str, shape: Any, dims: XttsDims) -> float:
    """Standard deviation of a matrix or table, by its name in the reference's GPT."""
    part = name.removeprefix("gpt.")
    if part.startswith(("text_embedding", "mel_embedding", "conditioning_perceiver.latents")):
        return EMBEDDING
    if "pos_embedding" in part:
        return POSITION
    if part.startswith(("text_head", "mel_head")):
        return LOGITS / math.sqrt(dims.width)
    transposed = part.startswith("gpt.h.")  # GPT-2's matrices are [in, out]
    fan_in = shape[0] if transposed else math.prod(shape[1:])
    return MATRIX_GAIN / math.sqrt(fan_in)


def _settle_decoder(decoder: Any, dims: XttsDims) -> None:
    """Give batch norms statistics of their own, and the vocoder the level of speech."""
    import torch

    for module in decoder.speaker_encoder.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.get_buffer("running_mean").normal_(0, 0.1)
            module.get_buffer("running_var").uniform_(0.5, 1.5)
    decoder.eval()
    _tell_speakers_apart(decoder.speaker_encoder)
    latents = torch.randn(1, 2, dims.width)
    speaker = torch.nn.functional.normalize(torch.randn(1, XTTS_SPEAKER_WIDTH, 1), dim=1)
    level = decoder(latents, g=speaker).atanh().square().mean().sqrt()  # before the last tanh
    decoder.waveform_decoder.conv_post.weight.mul_(PCM_LEVEL / level)


def _tell_speakers_apart(encoder: Any) -> None:
    """Take away what the embeddings of all sounds have in common, which is nearly everything at random."""
    import torch

    noise = torch.randn(4, XTTS_SPEAKER_RATE // 4)
    noise[2:] = noise[2:].cumsum(1).sin()
    encoder.fc.bias.sub_(encoder(0.1 * noise).mean(0))
