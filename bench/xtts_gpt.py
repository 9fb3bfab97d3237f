"""The GPT of XTTS v2: codes per second, prefill, memory and load time, beside the reference's own loop.

    python -m bench.xtts_gpt --checkpoint DIR [--threads 2] [--blocks 24]

One process, the engines alternating in blocks of a few codes, so that whatever else the machine does
meets all of them. The reference is the generator inside ``Xtts.inference_stream``, sampling included;
ours are steps with greedily chosen codes. Medians; ends in one JSON line. The weights are those of the
checkpoint: speed does not depend on them.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bench.processes import memory_bytes
from bench.runner import Report, run_benchmark, table_of
from bench.timing import call_seconds
from lumen.contracts import XTTS_CONDITION_LATENTS, XTTS_REFERENCE_RATE
from lumen.families.xtts.coqui import coqui
from lumen.families.xtts.dims import CODE_SAMPLES, XttsDims
from lumen.families.xtts.gpt.engine import Step
from lumen.families.xtts.gpt.stepper import GptStepper

REFERENCE: Final = "reference"
PRECISIONS: Final = ("fp32", "int8")
BLOCK: Final = 10
"""Codes that an engine makes before the next engine goes on."""

BATCHES: Final = (1, 2, 4, 8)
TEXT_IDS: Final = 60
"""Text ids of a typical sentence."""

PREFILLS: Final = 5
BINS: Final = 3
REAL_TIME: Final = XTTS_REFERENCE_RATE / CODE_SAMPLES
"""Codes that one second of speech takes."""


class Engine(Protocol):
    """Source of codes that is timed."""

    def start(self, batch: int) -> float:
        """Begin new sentences; returns the seconds of one's prefill."""

    def step(self) -> None:
        """Make the next code of each sentence."""


class ReferenceEngine:
    """The loop of ``Xtts.inference_stream``, without its vocoder."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._gpt = load_reference(checkpoint).gpt
        self._prompt = _prompt(
            XttsDims(width=self._gpt.model_dim, text_vocabulary=self._gpt.number_text_tokens)
        )
        self._codes: Iterator[Any] = iter(())

    def start(self, batch: int) -> float:
        import torch

        ids, voice = self._prompt
        with torch.inference_mode():
            started = time.perf_counter()
            fakes = self._gpt.compute_embeddings(torch.tensor(voice)[None], torch.tensor(ids)[None])
            self._codes = self._gpt.get_generator(
                fake_inputs=fakes,
                top_k=50,
                top_p=0.85,
                temperature=0.75,
                do_sample=True,
                num_beams=1,
                num_return_sequences=1,
                length_penalty=1.0,
                repetition_penalty=5.0,
                output_attentions=False,
                output_hidden_states=True,
                return_dict_in_generate=True,
                min_new_tokens=self._gpt.max_gen_mel_tokens,
            )
            next(self._codes)
            return time.perf_counter() - started

    def step(self) -> None:
        import torch

        with torch.inference_mode():
            next(self._codes)


class StepperEngine:
    """Sentences of one length in a stepper, each with a voice of its own."""

    def __init__(self, folder: Path, dims: XttsDims, threads: int) -> None:
        self._stepper = GptStepper(folder, dims, max(BATCHES), threads)
        self._ids, self._voice = _prompt(dims)
        self._started = 0
        self._slots: list[int] = []

    def start(self, batch: int, known_voice: bool = False) -> float:
        for slot in self._slots:
            self._stepper.close(slot)
        self._slots = list(range(batch))
        times, steps = [], []
        for slot in self._slots:
            self._started += not known_voice
            started = time.perf_counter()
            self._stepper.open(slot, self._ids, self._voice + np.float32(self._started * 1e-3))
            steps.append(_prefilled(self._stepper, slot))
            times.append(time.perf_counter() - started)
        self._codes = self._greedy(np.concatenate([step.logits for step in steps]))
        return statistics.median(times)

    def step(self) -> None:
        self._codes = self._greedy(self._stepper.step(self._slots, self._codes).logits)

    def _greedy(self, logits: NDArray[np.float32]) -> NDArray[np.int32]:
        """Any code but stop, which every checkpoint has at its end."""
        codes: NDArray[np.int32] = logits[:, : self._stepper.dims.stop_audio].argmax(1).astype(np.int32)
        return codes


@dataclass
class Measured:
    """Seconds of an engine's steps: by batch and by the number of codes before them.

    Attributes:
        prefill: of new voices at TEXT_IDS ids; known_prefill: of voices that were there before.
    """

    prefill: list[float] = field(default_factory=list)
    known_prefill: list[float] = field(default_factory=list)
    steps: dict[int, list[float]] = field(default_factory=dict)

    def codes_per_second(self, batch: int) -> float:
        return batch / statistics.median(self.steps[batch])


@dataclass(frozen=True)
class Footprint:
    """Memory and load time of a process that opens an engine and makes a block of codes with it.

    Attributes:
        load: seconds until it is open.
        peak: largest resident memory, MiB; what the process needs before it opens the engine included.
        resident: afterwards, MiB.
    """

    load: float
    peak: int
    resident: int


def measure(options: argparse.Namespace) -> Report:
    """Export both precisions, then measure them beside the reference."""
    with tempfile.TemporaryDirectory() as folder:
        dims = _export(options.checkpoint, Path(folder))
        makers = _makers(options.checkpoint, Path(folder), dims, options.threads)
        footprints = {name: _in_own_process(_footprint, maker) for name, maker in makers.items()}
        measured = time_engines({name: maker() for name, maker in makers.items()}, options.blocks)
    return Report(_result(measured, footprints, options.threads), [_table(measured, footprints)])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--checkpoint", type=Path, required=True, help="official layout")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=24, help=f"of {BLOCK} codes each")


def time_engines(engines: dict[str, Engine], blocks: int) -> dict[str, Measured]:
    """Time all engines, block by block; the reference makes one sentence at a time whatever the batch."""
    results = {name: Measured() for name in engines}
    for _ in range(PREFILLS):
        for name, engine in engines.items():
            results[name].prefill.append(engine.start(1))
            if isinstance(engine, StepperEngine):
                results[name].known_prefill.append(engine.start(1, known_voice=True))
    for batch in BATCHES:
        for engine in engines.values():
            engine.start(batch)
        for _ in range(blocks if batch == 1 else max(1, blocks // 4)):
            for name, engine in engines.items():
                if batch == 1 or name != REFERENCE:
                    results[name].steps.setdefault(batch, []).extend(_timed(engine.step, BLOCK))
    return results


def load_reference(checkpoint: Path) -> Any:
    """``Xtts`` as its own loader makes it."""
    from export.xtts.network import without_advice

    config = coqui("TTS.tts.configs.xtts_config").XttsConfig()
    config.load_json(str(checkpoint / "config.json"))
    with without_advice():
        model = coqui("TTS.tts.models.xtts").Xtts(config)
        model.load_checkpoint(config, checkpoint_dir=str(checkpoint), eval=True)
    return model


def _export(checkpoint: Path, folder: Path) -> XttsDims:
    """Both precisions, made in a process of their own."""
    dims: XttsDims = _in_own_process(_write_artifacts, checkpoint, folder)
    return dims


def _write_artifacts(checkpoint: Path, folder: Path) -> XttsDims:
    from export.artifact import ExportOptions
    from export.xtts.checkpoint import load_checkpoint
    from export.xtts.gpt import GptArtifact

    loaded = load_checkpoint(checkpoint)
    for precision in PRECISIONS:
        (folder / precision).mkdir()
        GptArtifact().write(loaded, folder / precision, ExportOptions("cpu", precision))
    return loaded.dims


@dataclass(frozen=True)
class _Maker:
    """Opens an engine, here or in another process."""

    open: Callable[..., Engine]
    arguments: tuple[Any, ...]

    def __call__(self) -> Engine:
        return self.open(*self.arguments)


def _makers(checkpoint: Path, folder: Path, dims: XttsDims, threads: int) -> dict[str, _Maker]:
    return {
        REFERENCE: _Maker(ReferenceEngine, (checkpoint, threads)),
        **{name: _Maker(StepperEngine, (folder / name, dims, threads)) for name in PRECISIONS},
    }


def _in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _footprint(maker: _Maker) -> Footprint:
    if maker.open is ReferenceEngine:
        coqui("TTS.tts.models.xtts")  # imports are not counted
    started = time.perf_counter()
    engine = maker()
    load = time.perf_counter() - started
    engine.start(1)
    _timed(engine.step, BLOCK)
    return Footprint(round(load, 2), _mebibytes("VmHWM"), _mebibytes("VmRSS"))


def _mebibytes(field_name: str) -> int:
    """Memory of this process by a field of /proc/self/status, in MiB."""
    return memory_bytes(os.getpid(), field_name) // 2**20


def _timed(call: Callable[[], None], count: int) -> list[float]:
    return [call_seconds(call) for _ in range(count)]


def _prompt(dims: XttsDims) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    random = np.random.default_rng(0)
    ids = random.integers(0, dims.text_vocabulary, TEXT_IDS, np.int32)
    return ids, random.standard_normal((XTTS_CONDITION_LATENTS, dims.width), np.float32)


def _prefilled(stepper: GptStepper, slot: int) -> Step:
    while True:
        step = stepper.prefill(slot)
        if step is not None:
            return step


def _by_context(times: Sequence[float]) -> dict[str, float]:
    """Codes per second of one sentence, by the codes before."""
    size = max(1, len(times) // BINS)
    parts = {start: times[start : start + size] for start in range(0, size * BINS, size)}
    return {
        f"{start}-{start + len(part)}": round(1 / statistics.median(part), 1)
        for start, part in parts.items()
        if part
    }


def _table(measured: dict[str, Measured], footprints: dict[str, Footprint]) -> Table:
    engines = list(measured.values())
    rows: list[tuple[str, ...]] = []
    for batch in BATCHES:
        rates = [f"{f.codes_per_second(batch):.1f}" if batch in f.steps else "" for f in engines]
        rows.append((f"codes/s, {batch} at a time", *rates))
    by_context = [_by_context(found.steps[1]) for found in engines]
    rows += [
        (f"codes/s, codes {codes}", *(str(rates[codes]) for rates in by_context)) for codes in by_context[0]
    ]
    rows.append((f"prefill of {TEXT_IDS} ids, s", *(_median(found.prefill) for found in engines)))
    rows.append(("the same, a known voice, s", *(_median(found.known_prefill) for found in engines)))
    for name, unit in (("load", "s"), ("peak", "MiB"), ("resident", "MiB")):
        rows.append((f"{name}, {unit}", *(str(getattr(footprints[each], name)) for each in measured)))
    caption = f"real time is {REAL_TIME:.2f} codes/s"
    return table_of("XTTS GPT, medians", [""], list(measured), rows, caption)


def _median(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.3f}" if times else ""


def _result(
    measured: dict[str, Measured], footprints: dict[str, Footprint], threads: int
) -> dict[str, object]:
    return {
        "engines": {
            name: {
                "codes_per_second": {b: round(found.codes_per_second(b), 1) for b in found.steps},
                "best_codes_per_second": {b: round(b / min(times), 1) for b, times in found.steps.items()},
                "by_codes_before": _by_context(found.steps[1]),
                "prefill_s": _median(found.prefill),
                "known_voice_prefill_s": _median(found.known_prefill),
                **asdict(footprints[name]),
            }
            for name, found in measured.items()
        },
        "text_ids": TEXT_IDS,
        "threads": threads,
    }


if __name__ == "__main__":
    sys.exit(run_benchmark(__doc__, add_arguments, measure))
