"""Cost of a clip: time until its first frame is with the client, all of it, and processor time.

    python -m bench.clip_cost --sizes 256 512 --clips 20

Starts a service of its own in the starter profile. Each clip is asked for with ``"stream": true``.
*First frame*: from the request until the client has the first fragment of the MP4, which holds three frames.
*Processor*: seconds of one core for a second of speech, of all processes together; it hardly depends on
what else the machine does. Ends in one line of JSON.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import av
import httpx

from bench.load import Outcome, Sample
from bench.processes import processor_seconds
from bench.runner import Report, joined_percentiles, run_benchmark, table_of
from bench.service import Served, serving

TEXT: Final = (
    "Hello! I am glad that you are here. Ask me anything you like, and I will answer as well as I can, with "
    "a calm voice and a clear mouth. I can read numbers, names and dates, and I keep quiet when you speak."
)
"""An answer of 12 s."""

FRAGMENT: Final = b"mdat"
"""Box whose arrival means that a first frame is there: the header has none."""

TIMEOUT: Final = 300.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark(__doc__, add_arguments, measure, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512], help="of the picture")
    parser.add_argument("--clips", type=int, default=20, help="of each size")
    parser.add_argument("--portrait", default="ada", help="name of a bundled portrait")


def measure(options: argparse.Namespace) -> Report:
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), {"RATE_LIMIT": "10000/minute"}) as served,
    ):
        costs = {size: _cost(served, size, options) for size in options.sizes}
    rows = [
        (
            f"{size} px",
            joined_percentiles(cost["first_frame_s"]),
            joined_percentiles(cost["real_time_factor"]),
            f"{cost['processor']:.3f}",
            ", ".join(f"{name} {seconds:.3f}" for name, seconds in cost["processor_by"].items()),
        )
        for size, cost in costs.items()
    ]
    numbers = ["first frame, s", "real-time factor", "processor", "of it"]
    table = table_of(
        f"{options.clips} clips one after the other, p50 / p95 / p99", ["picture"], numbers, rows
    )
    return Report(
        {"clips": options.clips, "sizes": {str(size): cost for size, cost in costs.items()}}, [table]
    )


def _cost(served: Served, size: int, options: argparse.Namespace) -> dict[str, Any]:
    fields = {"size": size, "portrait": options.portrait, "stream": True, "seed": 3}
    with httpx.Client(base_url=served.url, timeout=TIMEOUT) as client:
        clip(client, {**fields, "prompt": TEXT})
        before = processor_seconds(served.process.pid)
        samples = [clip(client, {**fields, "prompt": f"{TEXT} {number}"}) for number in range(options.clips)]
        after = processor_seconds(served.process.pid)
    outcome, speech = Outcome("one", tuple(samples), (), 0.0), sum(sample.audio for sample in samples)
    spent = {name: (seconds - before.get(name, 0.0)) / speech for name, seconds in after.items()}
    return {
        "first_frame_s": outcome.percentiles(lambda sample: sample.first_frame),
        "real_time_factor": outcome.percentiles(lambda sample: sample.real_time_factor),
        "processor": round(sum(spent.values()), 4),
        "processor_by": {name: round(share, 4) for name, share in spent.items() if share > 0.001},
    }


def clip(client: httpx.Client, fields: dict[str, Any]) -> Sample:
    """Receive one clip while it is made."""
    start, received, first = time.perf_counter(), bytearray(), None
    with client.stream("POST", "/api/generate/full", json=fields) as answer:
        answer.raise_for_status()
        for data in answer.iter_raw():
            received += data
            if first is None and FRAGMENT in received:
                first = time.perf_counter() - start
    return Sample(time.perf_counter() - start, None, first, seconds_of(bytes(received)))


def seconds_of(mp4: bytes) -> float:
    """Length of an MP4's sound."""
    with av.open(io.BytesIO(mp4), "r") as container:
        rate = container.streams.audio[0].rate
        return sum(frame.samples for frame in container.decode(audio=0)) / rate


if __name__ == "__main__":
    sys.exit(main())
