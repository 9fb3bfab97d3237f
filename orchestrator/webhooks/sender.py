"""Sending: one try of a delivery."""

import time
from types import TracebackType
from typing import Final

import httpx

from lumen import __version__
from lumen.aio import with_timeout
from lumen.errors import InvalidInputException
from orchestrator.webhooks.addresses import AddressPolicy
from orchestrator.webhooks.delivery import Attempt, Delivery
from orchestrator.webhooks.retries import read_retry_after
from orchestrator.webhooks.signing import Signer
from orchestrator.webhooks.transport import PinnedTransport

GONE: Final = 410
"""Status with which an endpoint says that it wants no more events."""


class Sender:
    """Posts deliveries, signed. Redirects are not followed, proxies of the environment are not asked.

    Args:
        signer: signs them.
        policy: says which addresses are allowed.
        timeout: seconds for a whole try.
        transport: connects; the one of ``policy`` by default.
    """

    def __init__(
        self,
        signer: Signer,
        policy: AddressPolicy,
        timeout: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._signer = signer
        self._timeout = timeout
        self._client = httpx.AsyncClient(
            transport=transport or PinnedTransport(policy),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": f"lumen/{__version__}", "Content-Type": "application/json"},
        )

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, delivery: Delivery) -> Attempt:
        """Try once; what the endpoint or the network does is in the result.

        Raises:
            InvalidInputException: the address is refused.
        """
        now, start = time.time(), time.perf_counter()
        status: int | None = None
        retry_after: str | None = None
        problem: str | None = None
        try:
            response = await with_timeout(self._timeout, self._post(delivery, now))
            status, retry_after = response.status_code, response.headers.get("retry-after")
            problem = None if response.is_success else _problem(response)
        except (TimeoutError, httpx.TimeoutException):
            problem = f"no answer within {self._timeout:g} s"
        except (httpx.TransportError, httpx.InvalidURL) as error:
            problem = str(error) or type(error).__name__
        return Attempt(
            at=now,
            seconds=round(time.perf_counter() - start, 3),
            status=status,
            error=problem,
            retry_after=None if problem is None else read_retry_after(retry_after),
        )

    async def _post(self, delivery: Delivery, now: float) -> httpx.Response:
        """The head of the answer; its body, which says nothing here, is not read."""
        headers = self._signer.headers(delivery.id, delivery.body, now)
        content = delivery.body.encode()
        async with self._client.stream("POST", delivery.url, content=content, headers=headers) as response:
            return response


def _problem(response: httpx.Response) -> str:
    if response.is_redirect:
        return f"answered {response.status_code}; redirects are not followed"
    return f"answered {response.status_code}"


def check_url(url: str, policy: AddressPolicy) -> None:
    """Refuse a URL that can be refused as it stands.

    Raises:
        InvalidInputException: it is malformed, or leads where no webhook may go.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInputException(f"A webhook's address is malformed: {error}") from None
    policy.check_url(parsed)
