"""Whole clips through the REST API, and what the orchestrator itself costs of them."""

import asyncio
import json
import statistics
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from bench.chain import LANGUAGE, SEED, TEXT, Chain
from bench.load import Sample
from lumen.errors import GenerationException

HTTP_SECONDS: Final = 300.0
FULL: Final = "/api/generate/full"


@dataclass(frozen=True)
class Api:
    """The REST API of a running LUMEN, asked for the clip that ``Chain`` makes."""

    url: str
    portrait: str
    size: int

    async def clip(self) -> Sample:
        """Make one clip of ``TEXT``; first audio and frame are the times in the response.

        Raises:
            GenerationException: the API refused; the message has its error.
        """
        start = time.perf_counter()
        body = await asyncio.to_thread(self._post)
        total = time.perf_counter() - start
        marks = body["timings"]
        return Sample(total, marks.get("first_audio"), marks.get("first_frame"), body["audio_seconds"])

    def is_there(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/", timeout=5):
                return True
        except OSError:
            return False

    def _post(self) -> dict[str, Any]:
        fields = {"prompt": TEXT, "language": LANGUAGE, "portrait": self.portrait}
        data = json.dumps({**fields, "size": self.size, "seed": SEED}).encode()
        request = urllib.request.Request(f"{self.url}{FULL}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            answered = error.read().decode(errors="replace")[:300]
            raise GenerationException(f"POST {FULL} answered {error.code}: {answered}") from error
        return answer


async def own_share(api: Api, parts: Chain, clips: int) -> float:
    """Share of the orchestrator itself in a request's wall time, at most 1.

    The same clip is made alternately through the API and by the parts alone (voice, face and
    encoding, without HTTP, validation, model management and threads of its own); the share is what
    the API takes more, from the medians. Below 0 it takes less: it encodes beside the rendering,
    the parts alone do so in between. Meaningful with the echo writer, which takes no time.
    """
    pairs = [((await api.clip()).total, (await parts.clip()).total) for _ in range(clips)]
    with_api = statistics.median(through_api for through_api, _ in pairs)
    alone = statistics.median(by_parts for _, by_parts in pairs)
    return 1 - alone / with_api
