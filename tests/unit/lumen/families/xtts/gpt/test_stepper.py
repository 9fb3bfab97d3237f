"""The GPT's step: slots, rows and the cache, whoever shares them; int8 products; damaged artifacts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
import pytest
from onnx import TensorProto, helper

from export.artifact import ExportOptions
from export.xtts.checkpoint import LoadedXtts
from export.xtts.gpt import GptArtifact, Sentence
from export.xtts.gpt_graph import ALL, CONTRIB, IR_VERSION, OPSET, DataFile, Graph
from export.xtts.quantize import Int8Products
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_GPT
from lumen.errors import InvalidInputException, ModelLoadException
from lumen.families.xtts.gpt import onnx_engine
from lumen.families.xtts.gpt.engine import Step
from lumen.families.xtts.gpt.kv_cache import HostMemory, PackedRows, Rows
from lumen.families.xtts.gpt.onnx_engine import PREFILL_TOKENS, OnnxEngine
from lumen.families.xtts.gpt.stepper import EMBEDDINGS, Float32, GptStepper
from lumen.runtime.int8 import sums_are_exact
from lumen.runtime.onnx_file import MANIFEST
from tests.support.gpt_sentences import alone, opened, sentence, stacked

SLOTS = 8


@pytest.fixture(scope="module")
def fp32_folder(xtts_repository: Path) -> Path:
    return xtts_repository / XTTS_GPT / "1"


@pytest.fixture(scope="module")
def int8_folder(xtts_repository_int8: Path) -> Path:
    return xtts_repository_int8 / XTTS_GPT / "1"


@pytest.fixture
def stepper(fp32_folder: Path) -> GptStepper:
    return GptStepper.load(fp32_folder, SLOTS, threads=2)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_neighbours_do_not_change_a_bit(request: pytest.FixtureRequest, precision: str, count: int) -> None:
    """Sentences of mixed lengths that come and go at any step get what they get alone, to the bit."""
    stepper = GptStepper.load(request.getfixturevalue(f"{precision}_folder"), count, threads=2)
    random = np.random.default_rng(count)
    waiting = [
        sentence(stepper.dims, seed, text=int(random.integers(1, 90)), codes=int(random.integers(2, 14)))
        for seed in range(2 * count + 1)
    ]
    expected = [alone(stepper, each) for each in waiting]
    got = _together(stepper, waiting, random)
    for ours, theirs in zip(got, expected, strict=True):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.logits, other.logits)
            np.testing.assert_array_equal(one.latents, other.latents)


def _together(stepper: GptStepper, waiting: list[Sentence], random: np.random.Generator) -> list[list[Step]]:
    """All sentences through all slots, one joining at a time, in the middle of the others' steps."""
    got: list[list[Step]] = [[] for _ in waiting]
    queue = list(enumerate(waiting))
    running: dict[int, int] = {}
    while queue or running:
        if queue and len(running) < stepper.slots:
            slot = int(random.choice([s for s in range(stepper.slots) if s not in running]))
            number, of = queue.pop(0)
            running[slot] = number
            stepper.open(slot, of.text_ids, of.gpt_cond_latent)
        for slot in [slot for slot, number in running.items() if not got[number]]:
            first = stepper.prefill(slot)  # one piece, the others go on between
            if first is not None:
                got[running[slot]].append(first)
        ready = [slot for slot, number in running.items() if got[number]]
        random.shuffle(ready)
        if ready:
            codes = [int(waiting[running[s]].codes[len(got[running[s]]) - 1]) for s in ready]
            step = stepper.step(ready, codes)
            for row, slot in enumerate(ready):
                got[running[slot]].append(Step(step.logits[row : row + 1], step.latents[row : row + 1]))
        for slot in [s for s in ready if len(got[running[s]]) > len(waiting[running[s]].codes)]:
            stepper.close(slot)
            del running[slot]
    return got


def test_a_row_in_a_gap_changes_nothing(fp32_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle and half-filled rows, which stay in place as on a GPU, change nothing in the others."""
    packed = GptStepper.load(fp32_folder, 3, threads=2)
    monkeypatch.setattr(onnx_engine, "PackedRows", lambda memory: Rows(memory.shape[1]))
    fixed = GptStepper.load(fp32_folder, 3, threads=2)
    first, other = sentence(packed.dims, 1), sentence(packed.dims, 2, text=70)
    expected, expected_other = alone(packed, first), alone(packed, other)
    opened(fixed, 0, sentence(fixed.dims, 3))
    fixed.open(1, other.text_ids, other.gpt_cond_latent)
    fixed.prefill(1)
    opened(fixed, 2, first)
    fixed.close(0)
    for code, step in zip(first.codes, expected[1:], strict=True):
        np.testing.assert_array_equal(fixed.step([2], [code]).latents, step.latents)
    last = None
    while last is None:
        last = fixed.prefill(1)
    np.testing.assert_array_equal(last.latents, expected_other[0].latents)


def test_the_cache_is_written_in_place(stepper: GptStepper) -> None:
    """A step writes one position of each row and touches no other."""
    given = sentence(stepper.dims, 1)
    opened(stepper, 0, given)
    assert isinstance(stepper.engine, OnnxEngine)
    memory = stepper.engine.memory
    assert isinstance(memory, HostMemory)
    before, length = memory.array.copy(), XTTS_CONDITION_LATENTS + len(given.text_ids) + 3
    assert before[:, 0, :, :length].any(axis=(1, 3)).all()
    stepper.step([0], [5])
    changed = (memory.array != before).any(axis=(0, 2, 4))
    assert np.argwhere(changed).tolist() == [[0, length]]


def test_rows_move_only_into_gaps_and_only_as_far_as_they_are_filled() -> None:
    """Rows of a step come to lie side by side; contents, lengths and bystanders are kept."""
    memory = HostMemory((2, 4, 1, 6, 1), np.dtype(np.float32))
    rows = PackedRows(memory)
    for slot in range(4):
        rows.claim(slot)
        rows.lengths[slot] = slot + 1
        memory.array[:, slot, :, : slot + 1] = 10 + slot
    rows.free(0)
    assert sorted(rows.of([3, 1])) == [0, 1]
    for slot in (1, 2, 3):
        row = rows.row(slot)
        assert rows.lengths[row] == slot + 1
        assert (memory.array[:, row, :, : slot + 1] == 10 + slot).all()
    assert rows.row(2) == 2


def test_a_known_voice_is_not_computed_again(fp32_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second sentence of a voice needs a piece less and gets the same to the bit; others do not."""
    monkeypatch.setattr(onnx_engine, "VOICES", 2)
    stepper = GptStepper.load(fp32_folder, 1, threads=2)
    given = sentence(stepper.dims, 1, text=PREFILL_TOKENS - 3)
    other = Sentence(given.text_ids, np.nextafter(given.gpt_cond_latent, np.float32(9)), given.codes)
    third = Sentence(given.text_ids, given.gpt_cond_latent + 1, given.codes)
    first = _pieces(stepper, given)
    again = _pieces(stepper, given)
    assert (len(first), len(again)) == (2, 1)
    np.testing.assert_array_equal(first[-1], again[-1])
    assert len(_pieces(stepper, other)) == 2
    assert len(_pieces(stepper, third)) == 2
    assert len(_pieces(stepper, given)) == 2, "the third voice took the place of the first"


def _pieces(stepper: GptStepper, given: Sentence) -> list[Float32 | None]:
    stepper.open(0, given.text_ids, given.gpt_cond_latent)
    found: list[Float32 | None] = []
    while not found or found[-1] is None:
        step = stepper.prefill(0)
        found.append(None if step is None else step.logits)
    stepper.close(0)
    return found


def test_the_longest_sentence_fits(stepper: GptStepper) -> None:
    """402 text ids and 605 codes; one code more is refused, and the other slots go on."""
    dims = stepper.dims
    longest = sentence(dims, 1, text=dims.max_text, codes=dims.max_audio)
    opened(stepper, 0, longest)
    opened(stepper, 1, sentence(dims, 2))
    for code in longest.codes:
        assert np.isfinite(stepper.step([0], [code]).logits).all()
    with pytest.raises(ValueError, match="605 codes"):
        stepper.step([0, 1], [1, 1])
    assert np.isfinite(stepper.step([1], [1]).logits).all()


def test_text_and_voice_that_do_not_fit_are_refused_and_leave_the_slot_idle(stepper: GptStepper) -> None:
    """Nothing, too much and unknown ids; wrong shape, type and values of a voice."""
    dims, good = stepper.dims, sentence(stepper.dims, 1)
    voice = good.gpt_cond_latent
    for ids, latent, complaint in (
        (np.zeros(0, np.int32), voice, "expected 1 to 402"),
        (np.zeros(dims.max_text + 1, np.int32), voice, "split the text"),
        (np.array([dims.text_vocabulary], np.int32), voice, "expected 0 to"),
        (np.array([-1], np.int32), voice, "expected 0 to"),
        (good.text_ids, voice[1:], r"expected float32 \[32, 64\]"),
        (good.text_ids, voice.astype(np.float64), "Got a gpt_cond_latent of float64"),
        (good.text_ids, np.full_like(voice, np.nan), "not finite"),
    ):
        with pytest.raises(InvalidInputException, match=complaint):
            stepper.open(0, ids, latent)
    assert np.isfinite(opened(stepper, 0, good).logits).all()


def test_a_slot_is_used_in_its_order(stepper: GptStepper) -> None:
    """Opened twice, stepped before its prompt, prefilled twice, unknown, twice in a step: refused."""
    good = sentence(stepper.dims, 1, text=PREFILL_TOKENS)
    stepper.open(0, good.text_ids, good.gpt_cond_latent)
    for call, complaint in (
        (lambda: stepper.open(0, good.text_ids, good.gpt_cond_latent), "not idle"),
        (lambda: stepper.open(SLOTS, good.text_ids, good.gpt_cond_latent), "not idle"),
        (lambda: stepper.step([0], [1]), "not prefilled"),
    ):
        with pytest.raises(ValueError, match=complaint):
            call()
    while stepper.prefill(0) is None:
        pass
    for call, complaint in (
        (lambda: stepper.prefill(0), "go on with step"),
        (lambda: stepper.step([0, 0], [1, 1]), "distinct"),
        (lambda: stepper.step([], []), "distinct"),
        (lambda: stepper.step([0], [stepper.dims.audio_vocabulary]), "expected 0 to 1025"),
    ):
        with pytest.raises(ValueError, match=complaint):
            call()
    stepper.close(0)
    stepper.close(0)
    assert np.isfinite(opened(stepper, 0, good).logits).all()


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data", EMBEDDINGS])
def test_a_damaged_file_is_not_loaded(fp32_folder: Path, tmp_path: Path, name: str) -> None:
    """A file with one changed byte, or that is not there, is refused in one line that names it."""
    copy = shutil.copytree(fp32_folder, tmp_path / "1")
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ModelLoadException, match=f"{name} has SHA-256"):
        GptStepper.load(copy, 1)
    (copy / name).unlink()
    with pytest.raises(ModelLoadException, match=f"{name}: .*No such file"):
        GptStepper.load(copy, 1)


def test_a_manifest_is_needed(fp32_folder: Path, tmp_path: Path) -> None:
    """None at all, and one of other sizes."""
    copy = shutil.copytree(fp32_folder, tmp_path / "1")
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["dims"]["heads"]
    manifest["dims"]["ears"] = 2
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelLoadException, match="do not fit this version"):
        GptStepper.load(copy, 1)
    (copy / MANIFEST).unlink()
    with pytest.raises(ModelLoadException, match="lumen export xtts"):
        GptStepper.load(copy, 1)


@pytest.mark.parametrize(("device", "precision"), [("gpu", "int8"), ("gpu", "fp32"), ("cpu", "fp16")])
def test_precisions_without_kernels_are_not_exported(
    xtts_loaded: LoadedXtts, tmp_path: Path, device: str, precision: str
) -> None:
    """A precision that the device cannot run is refused by name before anything is written."""
    options = ExportOptions(device, precision)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputException, match=f"not offered in {precision} for the {device}"):
        GptArtifact().write(xtts_loaded, tmp_path, options)
    assert not list(tmp_path.iterdir())


def test_int8_rows_are_exact_and_independent(tmp_path: Path) -> None:
    """The largest sums do not saturate, a loud neighbour changes nothing, a row of zeros stays zero."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal((256, 64), np.float32)
    matrix[:, 0] = 1
    x = random.standard_normal((5, 256), np.float32)
    x[0], x[1], x[2] = 1, 0, -1
    product = _int8_product(matrix, tmp_path)
    together = product(x)
    for row in range(len(x)):
        np.testing.assert_array_equal(product(x[row : row + 1])[0], together[row])
    loud = x.copy()
    loud[3] *= 1e4
    np.testing.assert_array_equal(product(loud)[[0, 1, 2, 4]], together[[0, 1, 2, 4]])
    np.testing.assert_allclose(together[[0, 2], 0], [256, -256], rtol=1e-5)
    assert (together[1] == 0).all()
    exact = x @ matrix
    assert np.linalg.norm(together - exact) / np.linalg.norm(exact) < 0.01


def test_int8_is_the_same_where_signed_matrices_would_not_be_exact(
    int8_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other products, to the bit."""
    given = sentence(GptStepper.load(int8_folder, slots=1).dims, seed=1, text=20, codes=6)
    here = stacked(alone(GptStepper.load(int8_folder, slots=1), given))
    monkeypatch.setattr(onnx_engine, "sums_are_exact", lambda: False)
    elsewhere = stacked(alone(GptStepper.load(int8_folder, slots=1), given))
    for one, other in zip(here, elsewhere, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("flags", "exact"),
    [
        ("sse4_2 avx2 avx512f avx512bw avx512_vnni", True),
        ("sse4_2 avx2 avx_vnni", True),
        ("sse4_2 avx2 avx_vnni avx512f avx512bw", False),  # ONNX Runtime prefers the wide kernel
        ("sse4_2 avx2 avx512f avx512bw", False),
        ("sse4_2 avx2", False),
    ],
)
def test_exact_sums_need_vnni(tmp_path: Path, flags: str, exact: bool) -> None:
    """Sums of the kernel that ONNX Runtime takes are exact only on processors with VNNI."""
    processor = tmp_path / "cpuinfo"
    processor.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t\t:\n")
    assert sums_are_exact(processor) is exact


def _int8_product(matrix: Float32, folder: Path) -> Callable[[Float32], Float32]:
    with DataFile(folder) as data:
        graph, products = Graph(data), Int8Products()
        result = products.product(graph, products.rows(graph, "x", ALL, None), "matrix", matrix)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "product",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["M", len(matrix)])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["M", matrix.shape[1]])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)],
        ir_version=IR_VERSION,
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact on every processor
    session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]
