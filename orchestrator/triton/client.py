"""Triton over gRPC: answers, streams and model control, with LUMEN's errors."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc  # type: ignore[import-untyped]  # has no stubs
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferInput  # type: ignore[import-untyped]  # has no stubs
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # has no stubs
from tritonclient.utils import InferenceServerException, np_to_triton_dtype  # type: ignore[import-untyped]

from lumen.addresses import grpc_target
from lumen.aio import race, with_timeout
from lumen.errors import (
    LumenException,
    ServiceUnavailableException,
    UpstreamTimeoutException,
    from_wire,
)
from orchestrator.observability.tracing import span
from orchestrator.triton.attempts import Attempts, TritonEvents
from orchestrator.triton.errors import (
    DEAD_PROCESS,
    LATE,
    detail_of,
    first_line,
    stopped,
    translate,
    translate_load,
)
from orchestrator.triton.model_stream import LEAVE_SECONDS, ModelStream

log = logging.getLogger("lumen")

T = TypeVar("T")

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

Load: TypeAlias = Callable[[Iterable[str]], Awaitable[None]]
"""Loads those of the named models that are not loaded."""

Reload: TypeAlias = Callable[[str], "Future[None]"]
"""Begins to load a model anew whose process has died."""

PROBE_TIMEOUT: Final = 3.0
"""Seconds that Triton may take to say how it is."""

SILENCE_SECONDS: Final = 2.0
"""After so long without an answer a stream's model is asked whether it lives."""

CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", 2**31 - 1),
    ("grpc.max_receive_message_length", 2**31 - 1),
    # Triton is on one's own machine or network, which no proxy leads to.
    ("grpc.enable_http_proxy", 0),
    # A Triton that comes back is found again within two seconds.
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each request goes to the next of those that answer; a name is looked up again when one goes away.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
)


class TritonClient:
    """Client of Triton over two gRPC channels, one for streams, opened in the event loop of their first use.

    Behind the address may be several servers, which share the requests. `infer` asks another one where one
    goes away; whoever reads a stream does so by `attempts`, as only the reader knows what is repeated.

    Triton calls a Python model READY for good, also when its process has died and every request
    fails. Such models are known here by their errors: they count as not loaded, and are loaded anew.

    Args:
        url: address as `lumen.addresses` takes it.
        timeout: seconds that one answer, or the next piece of a stream, may take.
        reload: loads dead models anew; without it they are unloaded and loaded here.
        retries: times that a request is asked again when a server goes away.
        loads_models: whether models are loaded from here; else dead ones are mended by who runs Triton.
        events: is told of failures and retries.
    """

    def __init__(
        self,
        url: str,
        timeout: float,
        reload: Reload | None = None,
        *,
        retries: int = 2,
        loads_models: bool = True,
        events: TritonEvents | None = None,
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._reload = reload
        self._retries = retries
        self._loads_models = loads_models
        self._events = events
        self._client: Any = None
        self._streams: Any = None
        self._leaving: set[asyncio.Task[Any]] = set()
        self._dead: set[str] = set()
        self._deaths: Counter[str] = Counter()

    async def infer(
        self, model: str, inputs: Tensors, timeout: float | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Ask ``model`` and return its output tensors by name.

        Args:
            timeout: seconds that it may take; the client's own without one.

        Raises:
            LumenException: as `translate` says.
        """
        attempts = self.attempts(model)
        while True:
            try:
                return await self._infer(model, inputs, timeout)
            except ServiceUnavailableException as error:
                await attempts.failed(error)

    def attempts(self, model: str) -> Attempts:
        """Attempts at one request to ``model``."""
        mending = self._reload is not None and self._loads_models
        return Attempts(model, self._retries, self._events, lambda: mending and bool(self._dead))

    async def _infer(self, model: str, inputs: Tensors, timeout: float | None) -> dict[str, npt.NDArray[Any]]:
        timeout = timeout or self._timeout
        with span("infer", model=model) as traced:
            try:
                asked = self._channel().infer(
                    model,
                    _wire(inputs),
                    client_timeout=timeout,
                    headers=traced.headers,
                    parameters=traced.headers,
                )
                # A cancelled caller leaves it to itself: `model_stream` says what cancelling does to Triton.
                result = await asyncio.shield(self._in_background(asked))
            except InferenceServerException as error:
                raise self._failure(model, error) from error
        return _unwire(result)

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
        span_name: str = "stream",
    ) -> AsyncGenerator[dict[str, npt.NDArray[Any]], None]:
        """Ask a decoupled ``model`` once and yield its answers' tensors; leaving early lets it stop.

        Args:
            first_timeout: seconds that the first answer may take, where it may wait for its turn.
            next_timeout: seconds that each later one may take. Both are the client's own without one.
            probe: inputs that the model answers at once, be it with a refusal. A silent model is asked
                so: Triton ends no stream of a process that has died, and says of it only what it says
                to a new request.
            span_name: of the request in a trace.

        Raises:
            LumenException: as `translate` says.
        """
        timeout, deaths = first_timeout or self._timeout, self._deaths[model]
        with span(span_name, model=model) as traced:
            stream = ModelStream(self._stream_channel(), model, inputs, traced.headers)
            try:
                while (tensors := await self._next(stream, model, timeout, deaths, probe)) is not None:
                    yield tensors
                    timeout = next_timeout or self._timeout
            finally:
                dead = self._deaths[model] != deaths
                self._in_background(stream.cancel() if dead else stream.end())

    async def _next(
        self, stream: ModelStream, model: str, timeout: float, deaths: int, probe: Tensors | None
    ) -> dict[str, npt.NDArray[Any]] | None:
        """Tensors of the next response of the stream, or None at its end.

        Args:
            deaths: of the model before the stream began.
        """
        try:
            response = await with_timeout(timeout, race(self._death(model, deaths, probe), stream.next()))
        except TimeoutError as late:
            raise UpstreamTimeoutException(
                f"The model {model!r} sent nothing for {timeout:g} s; try again."
            ) from late
        except grpc.RpcError as error:
            raise self._failure(model, error) from error
        if response is None:
            return None
        tensors, refusal = response
        if refusal is not None:
            raise self._failure(model, refusal)
        return tensors

    def _failure(self, model: str, error: Any) -> LumenException:
        """The exception for what Triton or ``model`` said, which is counted."""
        found = self._died(error) or from_wire(detail_of(error)) or translate(model, error)
        if self._events is not None:
            self._events.failed(model, found)
        return found

    async def _death(self, model: str, deaths: int, probe: Tensors | None) -> NoReturn:
        """Waits for the model's process to die, and raises when it has."""
        while self._deaths[model] == deaths:
            await asyncio.sleep(SILENCE_SECONDS)
            if probe is not None and self._deaths[model] == deaths:
                with contextlib.suppress(LumenException):  # it lives, or has died, which is counted
                    async with aclosing(self.stream(model, probe, PROBE_TIMEOUT)) as answers:
                        await anext(answers, None)
        raise stopped(model)

    async def is_live(self) -> bool:
        return await self._probe("is_server_live")

    async def is_ready(self) -> bool:
        return await self._probe("is_server_ready")

    async def is_model_ready(self, model: str) -> bool:
        """Whether ``model`` answers requests.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        return bool(await self._ask("is_model_ready", model)) and model not in self._dead

    async def version(self) -> str | None:
        """Triton's version; None when it is not there."""
        try:
            return str((await self._ask("get_server_metadata")).version)
        except LumenException:
            return None

    async def models(self) -> dict[str, tuple[str, str]]:
        """State and reason of every model of the repository, by name.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        index = await self._ask("get_model_repository_index")
        return {model.name: _DIED if model.name in self._dead else _state(model) for model in index.models}

    async def statistics(self) -> list[Any]:
        """Triton's ``ModelStatistics`` of every loaded model.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        return list((await self._ask("get_inference_statistics")).model_stats)

    async def load(self, model: str, timeout: float) -> None:
        """Load ``model`` within ``timeout`` seconds.

        Raises:
            ModelLoadException: Triton refused; the message carries its reason.
            ServiceUnavailableException: Triton is not there.
            UpstreamTimeoutException: it took too long.
        """
        try:
            if model in self._dead:
                if self._reload is not None:
                    await with_timeout(timeout, asyncio.shield(asyncio.wrap_future(self._reload(model))))
                else:  # loading a model that Triton takes for loaded does nothing
                    await self._channel().unload_model(model, client_timeout=timeout)
            await self._channel().load_model(model, client_timeout=timeout)
        except InferenceServerException as error:
            raise translate_load(model, error) from error
        except TimeoutError as error:
            raise UpstreamTimeoutException(LATE.format(model)) from error
        self._dead.discard(model)

    async def unload(self, model: str) -> None:
        """Let Triton end the requests of ``model`` and free it; `held_models` tells when it has.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        await self._ask("unload_model", model)

    async def held_models(self) -> set[str]:
        """Models that are loaded or not yet gone.

        Raises:
            ServiceUnavailableException: Triton is not there.
        """
        index = await self._ask("get_model_repository_index")
        return {model.name for model in index.models if model.state in ("READY", "UNLOADING")}

    async def close(self) -> None:
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=LEAVE_SECONDS)
        channels = [channel for channel in (self._client, self._streams) if channel is not None]
        self._client = self._streams = None
        for channel in channels:
            await channel.close()

    def mend_with(self, reload: Reload | None) -> None:
        """Let dead models be loaded anew by somebody else; None: here."""
        self._reload = reload

    def died(self, model: str) -> None:
        """Hear that a model's process has ended: it counts as not loaded, and its streams end; any thread."""
        if self._loads_models:
            self._dead.add(model)
        self._deaths[model] += 1

    def reloaded(self, model: str | None = None) -> None:
        """Hear that a model that had died is loaded again, or with None all of Triton; any thread."""
        self._dead -= self._dead.copy() if model is None else {model}

    def _died(self, error: Any) -> ServiceUnavailableException | None:
        """The exception for an error that says that a model's process has died; None for another."""
        found = DEAD_PROCESS.fullmatch(detail_of(error))
        if found is None:
            return None
        if self._reload is None:
            log.error("The process of model %s has died; the next request loads it anew", found[1])
            self.died(found[1])
        else:
            self._reload(found[1])  # says that it died, unless this comes late and it is loaded again
        return stopped(found[1])

    async def _probe(self, method: str) -> bool:
        try:
            return bool(await self._ask(method))
        except LumenException:
            return False

    async def _ask(self, method: str, *args: str) -> Any:
        try:
            return await getattr(self._channel(), method)(*args, client_timeout=PROBE_TIMEOUT)
        except InferenceServerException as error:
            raise translate(args[0] if args else "", error) from error

    def _channel(self) -> Any:
        if self._client is None:
            self._client = InferenceServerClient(grpc_target(self.url), channel_args=CHANNEL_OPTIONS)
        return self._client

    def _stream_channel(self) -> Any:
        """The channel for streams, whose end and leaving Triton's own client does not know."""
        if self._streams is None:
            self._streams = grpc.aio.insecure_channel(grpc_target(self.url), options=CHANNEL_OPTIONS)
        return self._streams

    def _in_background(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Let ``work`` go on though nobody may wait for it."""
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # told to who waits, if anybody does


def text_tensor(text: str) -> npt.NDArray[np.object_]:
    """Encode a string as Triton's BYTES [1]."""
    return np.array([text.encode()], dtype=np.object_)


_DIED: Final = ("UNLOADED", "its process has died; the next request loads it anew")


def _state(model: Any) -> tuple[str, str]:
    """State and reason; Triton calls a model that was never loaded "", and an unloaded one UNAVAILABLE."""
    unloaded = not model.state or model.reason == "unloaded"
    return ("UNLOADED", "") if unloaded else (model.state, first_line(model.reason))


def _wire(inputs: Tensors) -> list[Any]:
    return [_input(name, np.ascontiguousarray(array)) for name, array in inputs.items()]


def _input(name: str, array: npt.NDArray[Any]) -> Any:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def _unwire(result: Any) -> dict[str, npt.NDArray[Any]]:
    names = [output.name for output in result.get_response().outputs]
    return {name: result.as_numpy(name) for name in names}
