"""``xtts_gpt`` against the reference's network, loops and latents."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export.artifact import Precision
from export.install import install
from export.xtts.checkpoint import LoadedXtts, load_checkpoint
from export.xtts.export import options_of
from export.xtts.gpt import GptArtifact, Sentence, cosines, reference
from export.xtts.random import write_random
from lumen.contracts import XTTS_GPT
from lumen.families.xtts.artifacts import read_manifest
from lumen.families.xtts.gpt.stepper import GptStepper
from tests.support.gpt_sentences import alone, greedy, sentence, stacked

TOLERANCE = 1e-3
STEPS = 200
PENALTY = 5.0
STOP_AFTER = 15
TEXT = "Nobody knows what it says."
SIZES = ["tiny", pytest.param("full", marks=[pytest.mark.heavy, pytest.mark.timeout(1800)])]


@pytest.fixture(scope="module")
def loaded(
    request: pytest.FixtureRequest, xtts_loaded: LoadedXtts, tmp_path_factory: pytest.TempPathFactory
) -> LoadedXtts:
    if request.param == "tiny":
        return xtts_loaded
    return load_checkpoint(write_random(tmp_path_factory.mktemp("full") / "checkpoint", "full", 1))


@pytest.fixture(scope="module")
def repositories(
    request: pytest.FixtureRequest, loaded: LoadedXtts, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """With the GPT of ``loaded``, by precision."""
    if loaded is request.getfixturevalue("xtts_loaded"):
        return {
            "fp32": request.getfixturevalue("xtts_repository"),
            "int8": request.getfixturevalue("xtts_repository_int8"),
        }
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    made = {precision: tmp_path_factory.mktemp(precision) for precision in precisions}
    for precision in precisions:
        install(GptArtifact(), loaded, made[precision], options_of(XTTS_GPT, "cpu", precision))
    return dict(made)


@pytest.fixture(scope="module")
def fp32(repositories: dict[str, Path]) -> GptStepper:
    return GptStepper.load(repositories["fp32"] / XTTS_GPT / "1", slots=1, threads=2)


@pytest.fixture(scope="module")
def int8_folder(repositories: dict[str, Path]) -> Path:
    return repositories["int8"] / XTTS_GPT / "1"


class StopAfter:
    """A logits processor of transformers: no stop before ``count`` codes, nothing else after them."""

    def __init__(self, prompt: int, count: int, stop: int) -> None:
        self.end, self.stop = prompt + count, stop

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.stop] = 0
        if ids.shape[1] < self.end:
            forced = scores.clone()
            forced[:, self.stop] = -torch.inf
        return forced


def stop_after(model: Any, text: int, count: int) -> list[StopAfter]:
    """Given to the reference, it makes ``count`` codes of ``text`` ids and then stops."""
    prompt = 32 + text + 2 + 1
    return [StopAfter(prompt, count, model.gpt.stop_audio_token)]


def report(what: str, ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    error = np.abs(ours - theirs)
    scale = float(np.abs(theirs).max())
    print(f"{what}: max {error.max() / scale:.2g}, mean {error.mean() / scale:.2g} of {scale:.3g}")  # noqa: T201
    return float(error.max()) / scale


@pytest.mark.parametrize("loaded", SIZES, indirect=True)
def test_every_step_and_the_greedy_codes_are_the_reference_s(loaded: LoadedXtts, fp32: GptStepper) -> None:
    """Logits of prefill and of 200 decode steps within 1e-3, and the same 200 greedy codes."""
    gpt, given = loaded.model.gpt, sentence(loaded.dims, 1, text=60)
    with torch.inference_mode():
        codes, generated = gpt.generate(
            torch.tensor(given.gpt_cond_latent)[None],
            torch.tensor(given.text_ids)[None],
            do_sample=False,
            num_beams=1,
            repetition_penalty=PENALTY,
            min_new_tokens=gpt.max_gen_mel_tokens,
            stopping_criteria=[lambda ids, _: torch.tensor([ids.shape[1] >= 32 + 62 + 1 + STEPS])],
            return_dict_in_generate=True,
            output_logits=True,
            output_hidden_states=True,
        )
        hidden = torch.cat([step[-1][:, -1] for step in generated.hidden_states])
        expected = torch.cat(generated.logits).numpy(), gpt.final_norm(hidden).numpy()
    ours, steps = greedy(fp32, given, STEPS, PENALTY)
    logits, latents = stacked(steps)
    assert ours == codes[0].tolist()
    assert len(set(ours)) > STEPS // 2
    assert report("logits", logits, expected[0]) < TOLERANCE
    assert report("latents", latents, expected[1]) < TOLERANCE


@pytest.mark.parametrize("loaded", SIZES, indirect=True)
def test_streaming_gives_the_vocoder_a_latent_per_code_and_one_for_stop(
    loaded: LoadedXtts, fp32: GptStepper
) -> None:
    """n codes and a stop are n + 1 latents in `inference_stream`, and ours are the same."""
    gpt, given = loaded.model.gpt, sentence(loaded.dims, 2)
    with torch.inference_mode():
        fakes = gpt.compute_embeddings(
            torch.tensor(given.gpt_cond_latent)[None], torch.tensor(given.text_ids)[None]
        )
        pairs = list(
            gpt.get_generator(
                fake_inputs=fakes,
                do_sample=True,
                output_hidden_states=True,
                return_dict_in_generate=True,
                logits_processor=stop_after(loaded.model, len(given.text_ids), STOP_AFTER),
            )
        )
    codes = [int(code) for code, _ in pairs]
    theirs = torch.cat([latent for _, latent in pairs]).numpy()
    ours = alone(fp32, Sentence(given.text_ids, given.gpt_cond_latent, np.array(codes[:-1], np.int32)))
    assert codes[-1] == loaded.dims.stop_audio
    assert len(ours) == len(theirs) == STOP_AFTER + 1
    assert report("latents", stacked(ours)[1], theirs) < TOLERANCE


@pytest.mark.parametrize("loaded", SIZES, indirect=True)
def test_inference_gives_the_vocoder_the_same_latents(loaded: LoadedXtts, fp32: GptStepper) -> None:
    """`Xtts.inference` passes over its codes once more; its n + 1 latents are those of our steps."""
    model, given = loaded.model, sentence(loaded.dims, 3)
    ids = np.array(model.tokenizer.encode(TEXT.lower(), lang="en"), np.int32)
    codes: list[int] = []
    processor = stop_after(model, len(ids), STOP_AFTER)
    original = model.gpt.generate

    def generate(**arguments: Any) -> torch.Tensor:
        found: torch.Tensor = original(**arguments)
        codes.extend(found[0].tolist())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.gpt, "generate", generate)
        result = model.inference(
            TEXT,
            "en",
            torch.tensor(given.gpt_cond_latent)[None],
            torch.nn.functional.normalize(torch.ones(1, 512, 1), dim=1),
            do_sample=False,
            repetition_penalty=1.0,
            logits_processor=processor,
        )
    theirs = result["gpt_latents"][0]
    ours = alone(fp32, Sentence(ids, given.gpt_cond_latent, np.array(codes[:-1], np.int32)))
    assert codes[-1] == loaded.dims.stop_audio
    assert len(ours) == len(theirs) == STOP_AFTER + 1
    assert report("latents", stacked(ours)[1], theirs) < TOLERANCE


EXPORT = """
import sys
import subprocess
import sys
from pathlib import Path
from export.artifact import ExportOptions
from export.artifact import Precision
from export.xtts.checkpoint import load_checkpoint
from export.xtts.gpt import GptArtifact
loaded, folder = load_checkpoint(Path(sys.argv[1])), Path(sys.argv[2])
options = ExportOptions("cpu", sys.argv[3])
GptArtifact().write(loaded, folder, options)
GptArtifact().verify(loaded, folder, options)
status = Path("/proc/self/status").read_text()
sys.stdout.write(status.split("VmHWM:")[1].split()[0])  # ru_maxrss counts what the parent had
"""


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("loaded", ["full"], indirect=True)
def test_memory_of_the_export(loaded: LoadedXtts, tmp_path: Path, precision: str) -> None:
    """Loading a checkpoint, writing the GPT and verifying it takes less than 1.5 times its bytes."""
    (tmp_path / "artifact").mkdir()
    own = shutil.copytree(loaded.folder, tmp_path / "own")  # a file that is mapped here too would stay there
    arguments = [str(own), str(tmp_path / "artifact"), precision]
    done = subprocess.run([sys.executable, "-c", EXPORT, *arguments], capture_output=True, check=True)
    share = 1024 * int(done.stdout) / (loaded.folder / "model.pth").stat().st_size
    shutil.rmtree(own)
    print(f"{precision}: peak memory {share:.2f} times the checkpoint")  # noqa: T201
    assert share < 1.5


@pytest.mark.parametrize("loaded", SIZES, indirect=True)
def test_int8_keeps_its_stated_tolerance(loaded: LoadedXtts, int8_folder: Path) -> None:
    """Over 200 given codes the manifest's agreement of likeliest codes and cosine of latents hold."""
    stated = read_manifest(int8_folder)["tolerance"]
    given = sentence(loaded.dims, 4, text=60, codes=STEPS)
    logits, latents = stacked(alone(GptStepper.load(int8_folder, slots=1, threads=2), given))
    expected = reference(loaded.model.gpt, given)
    differ = np.mean(logits.argmax(1) != expected.logits.argmax(1))
    lacking = 1 - cosines(latents, expected.latents).min()
    print(f"top-1 agreement {1 - differ:.3f}, least latent cosine {1 - lacking:.5f}")  # noqa: T201
    assert differ <= stated["1 - top-1 agreement"] <= 0.15
    assert lacking <= stated["1 - latent cosine"] <= 0.01
