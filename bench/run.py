"""``lumen bench``: the served models under load, then whole clips, against a LUMEN that runs."""

import asyncio
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import tritonclient.grpc as grpc  # type: ignore[import-untyped]  # has no stubs
from rich.console import Console

from bench import report
from bench.chain import Chain, RecordedParts, Scene, make_scene
from bench.end_to_end import Api, own_share
from bench.inputs import Requests, model_inputs
from bench.load import Job, Outcome, closed_loop, open_loop
from bench.perf_analyzer import ModelBench, PerfRow
from bench.perf_install import find_perf_analyzer
from lumen.addresses import has_replicas
from lumen.errors import (
    GenerationException,
    InvalidInputException,
    LumenException,
    ServiceUnavailableException,
)
from lumen.settings import PROJECT_ROOT, Settings
from lumen.triton.serve import models_of
from orchestrator.request_context import share_of

PERF_FOLDER: Final = PROJECT_ROOT / ".venvs" / "perf_analyzer"

OPEN_LOOP_SHARE: Final = 0.5
"""Rate of the open loops, without one of their own, over what the closed loop got through."""

LOADS_PER_MODEL: Final = 2
"""A closed and an open loop."""


@dataclass(frozen=True)
class Plan:
    """Models, loads and clips that are measured.

    Attributes:
        models: names in Triton, each under a closed and an open loop; may be empty.
        concurrency: clients of the closed loops.
        rate: requests a second of the models' open loops; None chooses by ``OPEN_LOOP_SHARE``.
        seconds: that each of ``perf_analyzer``'s measurements lasts.
        clips: whole clips for each load; 0 makes none.
    """

    models: tuple[str, ...]
    concurrency: int
    rate: float | None
    seconds: float
    clips: int


Clips = list[tuple[str, Outcome]]


def run(
    settings: Settings,
    *,
    models: Sequence[str] | None = None,
    concurrency: int = 8,
    rate: float | None = None,
    seconds: float = 3.0,
    clips: int = 6,
    console: Console | None = None,
) -> int:
    """Measure and print; returns the exit code, 1 when something could not be measured.

    Args:
        settings: say where Triton and the API run, and which chain they serve.
        models: names in Triton; None means all of the chain that one clip asks, an empty list none.
        concurrency: clients of the closed loops.
        rate: requests a second of the models' open loops; None means half of the closed loop's.
        seconds: of each of ``perf_analyzer``'s measurements.
        clips: whole clips for each load; 0 makes none.
        console: where the tables go; the standard output without one.
    """
    out = console or Console()
    plan = Plan(tuple(models or ()), concurrency, rate, seconds, clips)
    try:
        return asyncio.run(_bench(settings, plan, out, whole_chain=models is None))
    except LumenException as error:
        out.print(error.message, style="red", highlight=False, soft_wrap=True)
        return 1


async def _bench(settings: Settings, plan: Plan, out: Console, *, whole_chain: bool) -> int:
    url = one_triton(settings)
    _check_running(url, settings)
    parts = RecordedParts(settings)
    try:
        scene = await make_scene(settings, parts)
        requests = await model_inputs(parts, scene) if plan.models or whole_chain else {}
        if whole_chain:
            plan = replace(plan, models=tuple(name for name in models_of(settings) if name in requests))
        rows = await asyncio.to_thread(_models, url, plan, requests, out)
        clips, share = await _clips(settings, plan, parts, scene, out)
    finally:
        await parts.close()
    size = scene.features.crop_options.size
    setting = {"size": size, "voice": parts.get_voice().name, "face": parts.get_face().name}
    out.print(report.json_line(setting, rows, clips, share), soft_wrap=True, highlight=False, markup=False)
    complete = len(rows) == LOADS_PER_MODEL * len(plan.models)
    return 0 if complete and not any(outcome.errors for _, outcome in clips) else 1


def one_triton(settings: Settings) -> str:
    """Address of the settings' Triton, as executed batches and what `perf_analyzer` asks are those of one.

    Raises:
        InvalidInputException: there are several.
    """
    pools = (settings.triton_voice_url, settings.triton_face_url)
    urls = sorted({pool or settings.triton_url for pool in pools})
    if len(urls) > 1 or has_replicas(urls[0]):
        raise InvalidInputException(
            f"`lumen bench` measures one Triton, and the settings name {' and '.join(urls)}, which may be "
            "several; set TRITON_URL=host:port of one that serves the whole chain, and neither "
            "TRITON_VOICE_URL nor TRITON_FACE_URL."
        )
    return urls[0]


def _check_running(url: str, settings: Settings) -> None:
    with grpc.InferenceServerClient(url) as client:
        try:
            missing = [name for name in models_of(settings) if not client.is_model_ready(name)]
        except grpc.InferenceServerException as error:
            raise ServiceUnavailableException(
                f"No Triton answers at {url}; start `lumen serve` in another terminal."
            ) from error
    if missing:
        raise ServiceUnavailableException(
            f"Triton at {url} has not loaded {', '.join(missing)}; make one clip first."
        )


def _models(url: str, plan: Plan, requests: Requests, out: Console) -> list[PerfRow]:
    unknown = [name for name in plan.models if name not in requests]
    if unknown:
        raise InvalidInputException(f"No input for {', '.join(unknown)}; expected {', '.join(requests)}.")
    if not plan.models:
        return []
    with out.status("perf_analyzer: getting the binary"):
        analyzer = find_perf_analyzer(PERF_FOLDER)
    rows: list[PerfRow] = []
    with tempfile.TemporaryDirectory(prefix="lumen-bench-") as folder:
        for name in plan.models:
            with out.status(f"perf_analyzer: {name}"):
                bench = ModelBench(analyzer, url, name, requests[name], Path(folder), plan.seconds)
                rows += _model(bench, plan, out)
    out.print(report.perf_table(rows))
    return rows


def _model(bench: ModelBench, plan: Plan, out: Console) -> list[PerfRow]:
    """Closed loop, then open loop; what could not be measured is said and left out."""
    rows: list[PerfRow] = []
    try:
        rows.append(bench.closed_loop(plan.concurrency))
        rows.append(bench.poisson(plan.rate or max(0.5, rows[0].throughput * OPEN_LOOP_SHARE)))
    except GenerationException as error:
        out.print(error.message, style="red", highlight=False, soft_wrap=True)
    finally:
        bench.close()
    return rows


async def _clips(
    settings: Settings, plan: Plan, parts: RecordedParts, scene: Scene, out: Console
) -> tuple[Clips, float | None]:
    if not plan.clips:
        return [], None
    api = Api(f"http://127.0.0.1:{settings.api_port}", settings.portrait, scene.features.crop_options.size)
    direct = Chain(parts, settings, scene.features, None)
    clients = clients_of(settings, plan)
    with out.status("clips: the chain on Triton"):
        clips = await loads("Triton, no file", direct.clip, plan.clips, clients)
    share = None
    if await asyncio.to_thread(api.is_there):
        with out.status("clips: through the API"):
            clips += await loads("REST API, to the MP4", api.clip, plan.clips, clients)
        with out.status("clips: the API and its parts alternately"), tempfile.TemporaryDirectory() as folder:
            share = await own_share(api, Chain(parts, settings, scene.features, Path(folder)), plan.clips)
    else:
        out.print(f"No API answers at {api.url}: clips through it were not measured.", style="yellow")
    out.print(report.clip_table(clips))
    report.print_errors(out, clips)
    if share is not None:
        out.print(f"The orchestrator's own share of a request: {share:.1%}")
    return clips, share


def clients_of(settings: Settings, plan: Plan) -> int:
    """Clients of the clips' closed loop: as many as the API serves of one address at once."""
    served = share_of(settings.max_concurrent_clips, settings.client_share)
    return min(plan.concurrency, plan.clips, served)


async def loads(path: str, job: Job, clips: int, clients: int) -> Clips:
    """Measure one client, several, and arrivals at half the rate that one client gets through.

    Several clients make whole rounds, so that none idles while the last clips are made.
    """
    await job()
    alone = await closed_loop(job, 1, clips)
    together = await closed_loop(job, clients, math.ceil(clips / clients) * clients)
    times = alone.percentiles(lambda sample: sample.total)
    rate = OPEN_LOOP_SHARE / times["p50"] if times else OPEN_LOOP_SHARE
    return [(path, outcome) for outcome in (alone, together, await open_loop(job, rate, clips))]
