"""Artifacts: what an export leaves in the model repository, also when it fails."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from click.testing import Result
from google.protobuf import text_format
from safetensors.numpy import load_file
from tritonclient.grpc.model_config_pb2 import ModelConfig
from typer.testing import CliRunner

from commands.xtts import export_xtts as export_command
from commands.xtts import random_xtts as random_command
from export.artifact import Device, Differences, ExportOptions, Precision, difference
from export.install import OWN_REPOSITORY, VERSION, install
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.export import artifacts, export_xtts, options_of
from export.xtts.speech import SpeechArtifact
from lumen.contracts import XTTS, XTTS_CONDITIONING, XTTS_GPT, XTTS_SPEAKER, XTTS_VOCODER
from lumen.errors import InvalidInputException, ModelLoadException, StorageException
from lumen.families.xtts.artifacts import (
    SPEAKERS,
    check_files,
    check_one_checkpoint,
    dims_of,
    read_manifest,
)
from lumen.files import sha256
from lumen.runtime.onnx_file import MANIFEST, find_model
from tests.support.model_configs import check_graph
from tests.support.paths import ROOT

MODELS = (XTTS_CONDITIONING, XTTS_SPEAKER, XTTS_VOCODER, XTTS_GPT, XTTS)
FP32 = ExportOptions("cpu", "fp32")


def contents(folder: Path) -> dict[str, str]:
    """Hashes of all files below a folder, by path."""
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", MODELS)
def test_a_manifest_says_what_the_artifact_is(
    xtts_repository: Path, xtts_loaded: LoadedXtts, model: str
) -> None:
    """Sizes, precision, tolerances that were held, the source's hash, and the hash of every file."""
    version = xtts_repository / model / "1"
    manifest = read_manifest(version)
    assert dims_of(manifest) == xtts_loaded.dims
    assert (manifest["artifact"], manifest["precision"], manifest["device"]) == (model, "fp32", "cpu")
    assert manifest["source_sha256"] == xtts_loaded.source_sha256 == sha256(xtts_loaded.folder / "model.pth")
    assert manifest["defaults"] == xtts_loaded.defaults
    assert manifest["tolerance"].keys() == manifest["measured"].keys() != set()
    for output, tolerance in manifest["tolerance"].items():
        assert manifest["measured"][output]["mean"] <= manifest["measured"][output]["max"] <= tolerance
    check_files(version, manifest)
    assert {path.stat().st_mode & 0o777 for path in version.iterdir() if path.is_file()} == {
        _default_mode(xtts_repository)
    }
    assert manifest["sha256"] in manifest["files"].values()
    if (version / "model.onnx").is_file():
        assert isinstance(manifest["opset"], int)
        assert find_model(version, "") == version / "model.onnx"


def _default_mode(repository: Path) -> int:
    """Mode of a file that was written without asking for one."""
    return (repository / XTTS / "config.pbtxt").stat().st_mode & 0o777


@pytest.mark.parametrize("model", MODELS)
def test_another_repository_is_complete(xtts_repository: Path, model: str) -> None:
    """Configuration and code of each model come along, and nothing is left of the making."""
    own, exported = OWN_REPOSITORY / model, xtts_repository / model
    config = text_format.Parse((exported / "config.pbtxt").read_text(), ModelConfig())
    assert config.name == model
    assert (exported / "config.pbtxt").read_bytes() == (own / "config.pbtxt").read_bytes()
    assert (exported / "1" / "model.py").exists() == (own / "1" / "model.py").exists()
    assert not [path for path in exported.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("model", [XTTS_CONDITIONING, XTTS_SPEAKER])
def test_a_graph_fits_its_configuration(xtts_repository: Path, model: str) -> None:
    """Names, types and dims of an exported graph are those that config.pbtxt promises."""
    check_graph(OWN_REPOSITORY / model / "config.pbtxt", xtts_repository / model / "1")


def test_the_voices_are_the_checkpoints(xtts_repository: Path, xtts_loaded: LoadedXtts) -> None:
    """Names in any script, latents and embeddings to the bit, in the shapes that serving takes."""
    tensors = load_file(xtts_repository / XTTS / "1" / SPEAKERS)
    assert {name.rpartition("/")[0] for name in tensors} == set(xtts_loaded.speakers)
    for name, voice in xtts_loaded.speakers.items():
        latent, embedding = tensors[f"{name}/gpt_cond_latent"], tensors[f"{name}/speaker_embedding"]
        np.testing.assert_array_equal(latent, voice["gpt_cond_latent"][0].numpy())
        np.testing.assert_array_equal(embedding, voice["speaker_embedding"][0, :, 0].numpy())


def test_int8_is_the_gpt_alone(xtts_repository_int8: Path) -> None:
    """Beside an int8 GPT the other models are fp32 on a CPU and fp16 on a GPU."""
    precisions = {name: read_manifest(xtts_repository_int8 / name / "1")["precision"] for name in MODELS}
    assert precisions == {**dict.fromkeys(MODELS, "fp32"), XTTS_GPT: "int8"}
    assert options_of(XTTS_VOCODER, "gpu", "int8") == ExportOptions("gpu", "fp16")
    assert options_of(XTTS_GPT, "gpu", "int8") == ExportOptions("gpu", "int8")


def test_the_vocoder_is_made_for_where_it_runs(tmp_path: Path) -> None:
    """TorchScript on a CPU in fp32, ONNX elsewhere and where it is asked for; no TorchScript for a GPU."""
    assert options_of(XTTS_VOCODER, "cpu", "int8") == ExportOptions("cpu", "fp32", "torchscript")
    assert options_of(XTTS_VOCODER, "cpu", "int8", "onnx") == ExportOptions("cpu", "fp32", "onnx")
    assert options_of(XTTS_VOCODER, "gpu", "fp32") == ExportOptions("gpu", "fp32", "onnx")
    with pytest.raises(InvalidInputException, match="cpu in fp32 alone, got gpu in fp16"):
        export_xtts(tmp_path / "none", tmp_path, "gpu", vocoder_format="torchscript")


class Faulty(SpeechArtifact):
    """Writes other voices than the checkpoint has."""

    def write(self, model: LoadedXtts, folder: Path, options: ExportOptions) -> None:
        super().write(model, folder, options)
        data = bytearray((folder / SPEAKERS).read_bytes())
        data[-100] ^= 0x40
        (folder / SPEAKERS).write_bytes(bytes(data))


class Interrupted(SpeechArtifact):
    """Somebody presses Ctrl-C when half is written."""

    def verify(self, model: LoadedXtts, folder: Path, options: ExportOptions) -> Differences:
        raise KeyboardInterrupt


@pytest.fixture
def repository(xtts_loaded: LoadedXtts, tmp_path: Path) -> Path:
    install(SpeechArtifact(), xtts_loaded, tmp_path, FP32)
    return tmp_path


def test_a_failed_check_leaves_the_old_artifact(repository: Path, xtts_loaded: LoadedXtts) -> None:
    """An artifact that does not do what the checkpoint does is refused by number; nothing changes."""
    before = contents(repository)
    with pytest.raises(ModelLoadException, match=r"differs from the checkpoint's by .* expected at most"):
        install(Faulty(), xtts_loaded, repository, FP32)
    assert contents(repository) == before


def test_an_interrupted_export_leaves_the_old_artifact(repository: Path, xtts_loaded: LoadedXtts) -> None:
    """Ctrl-C in the middle: the old files are whole and the half-made ones are gone."""
    before = contents(repository)
    with pytest.raises(KeyboardInterrupt):
        install(Interrupted(), xtts_loaded, repository, FP32)
    assert contents(repository) == before


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """The kernel refuses to make files larger than ``size`` bytes, as it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_refused_write_is_one_line_and_leaves_the_old_artifact(
    repository: Path, xtts_loaded: LoadedXtts
) -> None:
    """The system refuses a file in the middle: what went wrong, how much is free, what to do."""
    before = contents(repository)
    with files_up_to(20_000), pytest.raises(StorageException, match="GiB are free") as caught:
        install(SpeechArtifact(), xtts_loaded, repository, FP32)
    assert "\n" not in caught.value.message
    assert contents(repository) == before


def test_a_repository_that_cannot_be_is_one_line(xtts_loaded: LoadedXtts, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageException, match="Cannot write into"):
        install(SpeechArtifact(), xtts_loaded, tmp_path / "file", FP32)


def test_leftovers_of_a_killed_export_go(repository: Path, xtts_loaded: LoadedXtts) -> None:
    """A folder of a process that is gone is removed; that of one that runs is not touched."""
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    dead = repository / XTTS / f".export-{int(child.stdout)}"
    alive = repository / XTTS / ".export-1"
    for folder in (dead, alive):
        folder.mkdir()
    install(SpeechArtifact(), xtts_loaded, repository, FP32)
    assert not dead.exists()
    assert alive.exists()


def test_old_files_do_not_stay(repository: Path, xtts_loaded: LoadedXtts) -> None:
    """The new version is what was exported, not a mixture with what lay there."""
    fresh = contents(repository)
    (repository / XTTS / "1" / "weights.of.last.year").write_text("old")
    install(SpeechArtifact(), xtts_loaded, repository, FP32)
    assert contents(repository) == fresh


def test_one_model_is_exported_again(xtts_checkpoint: Path, repository: Path) -> None:
    """`only` touches no other model, tells its steps, and knows its names."""
    shutil.rmtree(repository / XTTS)
    steps: list[tuple[str, int, int]] = []
    (done,) = export_xtts(
        xtts_checkpoint, repository, only=XTTS, on_progress=lambda *step: steps.append(step)
    )
    assert (done.model, done.options.precision, done.worst.tolerance) == (XTTS, "fp32", 0.0)
    assert [path.name for path in repository.iterdir()] == [XTTS]
    assert [(what, at) for what, at, _ in steps[1:]] == [
        (f"{XTTS}: {does}", 1) for does in ("writing", "verifying")
    ] + [("done", 2)]
    with pytest.raises(InvalidInputException, match="no model 'xtts_x'"):
        export_xtts(xtts_checkpoint, repository, only="xtts_x")


@pytest.mark.parametrize(("device", "precision"), [("cpu", "fp16"), ("gpu", "int8")])
def test_a_precision_that_is_not_made_is_refused_at_once(
    tmp_path: Path, device: Device, precision: Precision
) -> None:
    """Before the checkpoint is looked for, so that no model is exchanged and another refused."""
    with pytest.raises(InvalidInputException, match=f"not made in {precision}"):
        export_xtts(tmp_path / "nowhere", tmp_path, device, precision)
    assert list(tmp_path.iterdir()) == []


def invoke(command: Callable[..., None], *given: str) -> Result:
    """Run one of the commands by itself."""
    commands = typer.Typer()
    commands.command()(command)
    return CliRunner().invoke(commands, given)


def test_the_export_command_tells_errors_in_one_line(tmp_path: Path) -> None:
    """Exit status 1 and one line that says what to do."""
    done = invoke(export_command, "--checkpoint", str(tmp_path / "nowhere"))
    assert done.exit_code == 1
    assert "There is no folder" in done.output
    assert "Traceback" not in done.output


def test_the_export_command_ends_with_a_table(xtts_checkpoint: Path, tmp_path: Path) -> None:
    """Model, precision, size, difference and tolerance of what was accepted."""
    given = ("--checkpoint", str(xtts_checkpoint), "--repository", str(tmp_path), "--only", XTTS)
    done = invoke(export_command, *given)
    assert done.exit_code == 0
    (row,) = (line for line in done.output.splitlines() if line.startswith("│"))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[:4] == [XTTS, "onnx fp32", "0.1", "0.0e+00 of 0e+00"]


def test_the_random_command_refuses_in_one_line(tmp_path: Path) -> None:
    """The command for random weights never writes over a checkpoint."""
    (tmp_path / "model.pth").touch()
    refused = invoke(random_command, "--checkpoint", str(tmp_path))
    assert refused.exit_code == 1
    assert "model.pth already" in refused.output


def test_the_five_models_in_order() -> None:
    """The exported models are all that the repository has of XTTS."""
    assert [artifact.name for artifact in artifacts()] == list(MODELS)
    assert {path.name for path in OWN_REPOSITORY.glob("xtts*")} == set(MODELS)


@pytest.mark.parametrize(
    ("got", "expected", "largest"),
    [([1.0, 2.0], [1.0, 4.0], 0.5), ([0.0], [0.0], 0.0), ([np.nan], [1.0], np.nan)],
)
def test_differences_are_relative_to_the_scale(got: Any, expected: Any, largest: float) -> None:
    """Differences are shares of the largest magnitude expected; NaN is over every tolerance."""
    found = difference("out", got, expected, 0.6)
    np.testing.assert_equal(found.largest, largest)
    if np.isnan(largest):
        with pytest.raises(ModelLoadException, match="out differs"):
            Differences((found,))
    else:
        assert Differences((found,)).worst is found


def test_shapes_must_be_equal() -> None:
    """No broadcasting hides a missing frame."""
    with pytest.raises(ModelLoadException, match=r"shape \(1,\)"):
        difference("out", [1.0], [1.0, 1.0], 1.0)


MEASURED = """
import json, resource, sys
from pathlib import Path
from export.xtts.{module} import {function}
{call}
print(json.dumps(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def peak_bytes(module: str, function: str, call: str) -> int:
    """The largest resident memory of a process of its own that makes a call."""
    program = MEASURED.format(module=module, function=function, call=call)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def test_artifacts_of_two_checkpoints_are_not_served_together(tmp_path: Path) -> None:
    """An export that was killed between two models leaves such a repository; others' folders may lack."""
    for model, source in ((XTTS, "a" * 64), (XTTS_VOCODER, "a" * 64), (XTTS_GPT, "b" * 64)):
        folder = tmp_path / model / VERSION
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text(json.dumps({"source_sha256": source}))
    check_one_checkpoint(tmp_path / XTTS / VERSION, (XTTS_VOCODER, XTTS_SPEAKER))
    with pytest.raises(ModelLoadException, match=r"b{12}.*lumen export xtts` again"):
        check_one_checkpoint(tmp_path / XTTS / VERSION, (XTTS_VOCODER, XTTS_GPT))


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_memory_of_the_full_size(tmp_path: Path) -> None:
    """Making, loading and exporting a checkpoint of the released size takes less than 1.5 times its bytes."""
    folder = tmp_path / "full"
    made = peak_bytes("random", "write_random", f"write_random(Path({str(folder)!r}), 'full', 1)")
    loaded = peak_bytes("checkpoint", "load_checkpoint", f"load_checkpoint(Path({str(folder)!r}))")
    target = tmp_path / "repository"
    exported = peak_bytes(
        "export", "export_xtts", f"export_xtts(Path({str(folder)!r}), Path({str(target)!r}))"
    )
    size = (folder / "model.pth").stat().st_size
    peaks = f"made {made / size:.2f}, loaded {loaded / size:.2f}, exported {exported / size:.2f}"
    sys.stdout.write(f"{size / 1e9:.2f} GB; peak memory: {peaks} times that\n")
    assert 1.8e9 < size < 2.0e9
    assert max(made, loaded, exported) < 1.5 * size
    assert load_checkpoint(folder).dims.layers == 30
    shutil.rmtree(tmp_path)
