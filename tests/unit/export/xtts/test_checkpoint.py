"""Checkpoints: the random ones made here, and what is told of those that cannot be loaded."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.layout import FILES, dims_of_checkpoint
from export.xtts.random import SIZES, write_random
from export.xtts.texts import TEXTS
from export.xtts.vocabulary import write_vocabulary
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import XttsDims


@pytest.fixture
def copied(xtts_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny checkpoint to be spoiled: links, so that only what a test writes is its own."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for name in FILES:
        (folder / name).symlink_to(xtts_checkpoint / name)
    return folder


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def weights_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "model.pth", weights_only=True, mmap=True)
    return content


def save(folder: Path, content: Any) -> None:
    (folder / "model.pth").unlink()
    torch.save(content, folder / "model.pth")


def refusal(folder: Path) -> str:
    """The one line that is told of a checkpoint."""
    with pytest.raises(ModelLoadException) as caught:
        load_checkpoint(folder)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500
    return caught.value.message


def test_the_reference_speaks_with_a_random_checkpoint(xtts_loaded: LoadedXtts) -> None:
    """The reference network runs on it: finite, audible sound of the length that the codes say."""
    model, voice = xtts_loaded.model, xtts_loaded.speakers["Ada Random"]
    spoken: dict[str, Any] = model.inference(
        "good morning", "en", voice["gpt_cond_latent"], voice["speaker_embedding"], max_new_tokens=10
    )
    assert spoken["wav"].size > 1024
    assert 1e-3 < spoken["wav"].std() < 0.5


def test_the_references_own_loader_takes_it(xtts_checkpoint: Path, xtts_loaded: LoadedXtts) -> None:
    """coqui-tts loads the folder strictly, to the same weights as the loader here."""
    config = coqui("TTS.tts.configs.xtts_config").XttsConfig()
    config.load_json(xtts_checkpoint / "config.json")
    theirs = coqui("TTS.tts.models.xtts").Xtts(config)
    theirs.load_checkpoint(config, checkpoint_dir=xtts_checkpoint, eval=True, strict=True)
    ours = xtts_loaded.model.state_dict()
    assert theirs.state_dict().keys() == ours.keys()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in theirs.state_dict().items())
    assert list(theirs.speaker_manager.speakers) == list(xtts_loaded.speakers)
    assert theirs.args.gpt_start_text_token == xtts_loaded.dims.start_text


def test_sampling_has_a_choice(xtts_loaded: LoadedXtts) -> None:
    """Logits of random weights are spread as a trained model's: no code is certain, most are unlikely."""
    gpt = xtts_loaded.model.gpt
    hidden = torch.randn(50, xtts_loaded.dims.width, generator=torch.Generator().manual_seed(1))
    odds = gpt.mel_head(gpt.final_norm(hidden)).softmax(-1)
    assert 0.02 < float(odds.max(-1).values.mean()) < 0.6
    assert float(odds.median()) < 0.2 / xtts_loaded.dims.audio_vocabulary


def test_different_sounds_have_different_speakers(xtts_loaded: LoadedXtts) -> None:
    """Embeddings of a hiss and of a tone are no neighbours, as with trained weights."""
    time = torch.arange(22_050) / 22_050
    hiss = 0.1 * torch.randn(1, 22_050, generator=torch.Generator().manual_seed(2))
    tone = 0.3 * torch.sin(2 * np.pi * 200 * time)[None]
    one, other = (xtts_loaded.model.get_speaker_embedding(sound, 22_050).flatten() for sound in (hiss, tone))
    assert float(one.norm()) == pytest.approx(1, abs=1e-5)
    assert float(one @ other) < 0.9


def test_the_seed_alone_decides_the_weights(xtts_checkpoint: Path, tmp_path: Path) -> None:
    """The same seed gives the same tensors, another seed gives others."""
    here = torch.random.get_rng_state()
    again, other = (weights_of(write_random(tmp_path / str(seed), "tiny", seed)) for seed in (1, 2))
    first = weights_of(xtts_checkpoint)
    assert torch.equal(torch.random.get_rng_state(), here)
    assert all(torch.equal(tensor, again["model"][name]) for name, tensor in first["model"].items())
    for name in ("gpt.mel_head.weight", "hifigan_decoder.waveform_decoder.conv_pre.weight"):
        assert not torch.equal(first["model"][name], other["model"][name])


def test_a_random_checkpoint_is_never_written_over_another(xtts_checkpoint: Path) -> None:
    """A folder with a model.pth is refused, and an unknown size too."""
    with pytest.raises(InvalidInputException, match=r"has a model\.pth already"):
        write_random(xtts_checkpoint, "tiny", 1)
    with pytest.raises(InvalidInputException, match="'huge'"):
        write_random(xtts_checkpoint / "new", "huge", 1)


@pytest.mark.parametrize("size", [SIZES["tiny"].text_vocabulary, XttsDims().text_vocabulary])
def test_every_language_has_ids(tmp_path: Path, size: int) -> None:
    """The vocabulary has exactly the size asked for, the official places of the special tokens, and no
    unknown id for what the reference's tokenizer makes of its 17 languages."""
    path = tmp_path / "vocab.json"
    write_vocabulary(path, size)
    tokenizer = coqui("TTS.tts.layers.xtts.tokenizer").VoiceBpeTokenizer(vocab_file=path)
    find = tokenizer.tokenizer.token_to_id
    assert (tokenizer.get_number_tokens(), len(tokenizer)) == (size, size)
    assert (find("[STOP]"), find("[UNK]"), find("[SPACE]"), find("[START]")) == (0, 1, 2, 261)
    texts = {
        **TEXTS,
        "zh-cn": "早上好!",
        "ja": "おはようございます。",
        "ko": "안녕하세요, 반갑습니다.",
    }
    for language, text in texts.items():
        ids = tokenizer.encode(text, lang=language)
        assert find("[UNK]") not in ids, language
        assert ids[0] == find(f"[{language}]")
        assert len(ids) < len(tokenizer.preprocess_text(text, language.split("-")[0])) + 2


def test_dims_need_no_weights(xtts_checkpoint: Path) -> None:
    """Two small files tell the sizes; the limits of length are the released ones at every size."""
    dims = dims_of_checkpoint(xtts_checkpoint)
    assert dims == SIZES["tiny"]
    assert (dims.max_text, dims.max_audio) == (XttsDims().max_text, XttsDims().max_audio)


def test_loading_changes_no_file(xtts_checkpoint: Path, xtts_loaded: LoadedXtts) -> None:
    """The files are as they were: names, sizes and times; the hash is of model.pth."""
    before = {path.name: path.stat().st_mtime_ns for path in xtts_checkpoint.iterdir()}
    again = load_checkpoint(xtts_checkpoint)
    assert {path.name: path.stat().st_mtime_ns for path in xtts_checkpoint.iterdir()} == before
    assert again.source_sha256 == xtts_loaded.source_sha256
    assert again.defaults["repetition_penalty"] == 5.0


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_empty_file_is_named(copied: Path, name: str) -> None:
    """Each of the four files is asked for by name."""
    (copied / name).unlink()
    assert name in refusal(copied)
    (copied / name).touch()
    assert f"{name} is empty" in refusal(copied)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_truncated_weights_are_told(copied: Path, xtts_checkpoint: Path, kept: float) -> None:
    """A download that broke off."""
    data = (xtts_checkpoint / "model.pth").read_bytes()
    replace(copied / "model.pth", data[: int(len(data) * kept)])
    assert "truncated" in refusal(copied)


def test_a_flipped_bit_is_told(copied: Path, xtts_checkpoint: Path) -> None:
    """Damage within the weights is found before anything is made of them."""
    data = bytearray((xtts_checkpoint / "model.pth").read_bytes())
    data[len(data) // 2] ^= 1
    replace(copied / "model.pth", bytes(data))
    assert "damaged" in refusal(copied)


def test_code_in_a_pickle_is_not_run(copied: Path, tmp_path: Path) -> None:
    """Weights and speakers with a call in them are refused, and the call is not made."""
    mark = tmp_path / "mark"
    attack = type("Call", (), {"__reduce__": lambda self: (open, (str(mark), "w"))})()
    save(copied, {"model": attack})
    assert "no weights" in refusal(copied)
    (copied / "speakers_xtts.pth").unlink()
    torch.save({"eve": attack}, copied / "speakers_xtts.pth")
    with pytest.raises(ModelLoadException):
        load_checkpoint(copied)
    assert not mark.exists()


def test_the_official_pickle_with_its_configuration_loads(copied: Path) -> None:
    """The released model.pth holds configuration objects under the module names of their time."""
    configs = coqui("TTS.tts.configs.xtts_config")
    parts = [configs.XttsArgs, configs.XttsAudioConfig]
    config = configs.XttsConfig()
    config.load_json(copied / "config.json")
    content = {**weights_of(copied), "config": config}
    for part in parts:
        part.__module__ = "TTS.tts.models.xtts"
    try:
        save(copied, content)
    finally:
        for part in parts:
            part.__module__ = configs.__name__
    assert b"TTS.tts.models.xtts" in (copied / "model.pth").read_bytes()
    assert load_checkpoint(copied).dims == SIZES["tiny"]


def test_keys_of_the_trainer_and_of_older_files_are_understood(copied: Path) -> None:
    """The trainer's prefix and extra modules, second names of weights, and weight norms as they were."""
    content = weights_of(copied)
    renamed = {}
    for name, tensor in content["model"].items():
        name = name.replace("parametrizations.weight.original0", "weight_g")
        renamed[f"xtts.{name.replace('parametrizations.weight.original1', 'weight_v')}"] = tensor
    renamed["dvae.encoder.weight"] = torch.zeros(3)
    renamed["xtts.gpt.gpt.wte.weight"] = content["model"]["gpt.mel_embedding.weight"]
    save(copied, {"model": renamed})
    loaded = load_checkpoint(copied).model.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in content["model"].items())


def lacking(weights: dict[str, Any]) -> None:
    del weights["gpt.mel_head.bias"]


def unknown(weights: dict[str, Any]) -> None:
    weights["gpt.extra.weight"] = torch.zeros(1)


def reshaped(weights: dict[str, Any]) -> None:
    weights["mel_stats"] = torch.ones(40)


def halved(weights: dict[str, Any]) -> None:
    weights["mel_stats"] = weights["mel_stats"].half()


def of_v1(weights: dict[str, Any]) -> None:
    weights["gpt.prompt_embedding.weight"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lacking, "lacks 1 tensors, such as gpt.mel_head.bias"),
        (unknown, "unknown 1 tensors, such as gpt.extra.weight"),
        (reshaped, "mel_stats (float32 [40], expected float32 [80])"),
        (halved, "mel_stats (float16 [80], expected float32 [80])"),
        (of_v1, "XTTS v1"),
    ],
)
def test_wrong_weights_are_told(copied: Path, spoil: Callable[[dict[str, Any]], None], named: str) -> None:
    """Weights that are missing, too many, or of another shape or type are named."""
    content = weights_of(copied)
    spoil(content["model"])
    save(copied, content)
    assert named in refusal(copied)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (pickle.dumps({"model": {}}), "truncated or not a PyTorch file"),
        (b"<html>not found</html>", "truncated or not a PyTorch file"),
    ],
)
def test_what_is_no_pytorch_file_is_told(copied: Path, content: bytes, named: str) -> None:
    """A plain pickle is not opened; neither is a page that says why there is no file."""
    replace(copied / "model.pth", content)
    assert named in refusal(copied)


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {}}, {"model": {}}])
def test_weights_of_something_else_are_told(copied: Path, content: Any) -> None:
    """A PyTorch file without weights under 'model'."""
    save(copied, content)
    assert "no weights under 'model'" in refusal(copied)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "vits"}, "the model 'vits'"),
        ({"model_args": None}, "lacks model_args"),
        ({"languages": []}, "lacks model_args or languages"),
        ({"temperature": "hot"}, "temperature"),
        ({"languages": ["en", "tlh"]}, "[tlh]"),
    ],
)
def test_a_config_of_something_else_is_told(copied: Path, change: dict[str, Any], named: str) -> None:
    """A config.json of another model is refused before the weights are read."""
    config = json.loads((copied / "config.json").read_text())
    replace(copied / "config.json", json.dumps({**config, **change}).encode())
    assert named in refusal(copied)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"gpt_use_perceiver_resampler": False}, "XTTS v1"),
        ({"gpt_layers": "30"}, "gpt_layers"),
        ({"gpt_n_heads": 3}, "does not divide"),
        ({"gpt_code_stride_len": 512}, "gpt_code_stride_len"),
        ({"gpt_layers": 3}, "lacks 12 tensors"),
        ({"flux_capacitor": 1}, "unknown model_args: flux_capacitor"),
    ],
)
def test_another_network_is_told(copied: Path, change: dict[str, Any], named: str) -> None:
    """v1, numbers that are none, and sizes that the weights do not have."""
    config = json.loads((copied / "config.json").read_text())
    config["model_args"] |= change
    replace(copied / "config.json", json.dumps(config).encode())
    assert named in refusal(copied)


def test_a_vocabulary_that_does_not_fit_is_told(copied: Path, tmp_path: Path) -> None:
    """Another size than the text embedding has; text that is no vocabulary."""
    write_vocabulary(tmp_path / "larger.json", 720)
    replace(copied / "vocab.json", (tmp_path / "larger.json").read_bytes())
    assert "gpt.text_embedding.weight (float32 [700, 64], expected float32 [720, 64])" in refusal(copied)
    for spoiled in (b"{}", b"[]", b"not JSON", b"\xff\xfe"):
        replace(copied / "vocab.json", spoiled)
        assert "vocab.json" in refusal(copied)


def test_speakers_of_another_width_are_told(copied: Path) -> None:
    """A speakers file of a model with wider latents, and one that holds no voices."""
    voice = {"gpt_cond_latent": torch.zeros(1, 32, 1024), "speaker_embedding": torch.zeros(1, 512, 1)}
    for content in ({"Ada": voice}, {"Ada": {}}, ["Ada"]):
        (copied / "speakers_xtts.pth").unlink()
        torch.save(content, copied / "speakers_xtts.pth")
        assert "speakers_xtts.pth" in refusal(copied)
