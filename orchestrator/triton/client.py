"""Triton over gRPC: answers, streams and model control, with LUMEN's errors."""

import asyncio
import contextlib
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias

import grpc  # type: ignore[import-untyped]  # has no stubs
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import InferInput  # type: ignore[import-untyped]  # has no stubs
from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # has no stubs
from tritonclient.utils import InferenceServerException, np_to_triton_dtype  # type: ignore[import-untyped]

from lumen.aio import race, with_timeout
from lumen.errors import (
    GenerationException,
    InvalidInputException,
    LumenException,
    ModelLoadException,
    NotFoundException,
    ServiceUnavailableException,
    UnsupportedMediaException,
    UpstreamTimeoutException,
    from_wire,
)

log = logging.getLogger("lumen")

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
)


class TritonClient:
    """Client of Triton over one gRPC channel, opened in the event loop that first uses it.

    Triton calls a Python model READY for good, also when its process has died and every request
    fails. Such models are known here by their errors: they count as not loaded, and are loaded anew.

    Args:
        url: host:port of Triton's gRPC.
        timeout: seconds that one answer, or the next piece of a stream, may take.
        reload: loads dead models anew; without it they are unloaded and loaded here.
    """

    def __init__(self, url: str, timeout: float, reload: Reload | None = None) -> None:
        self.url = url
        self._timeout = timeout
        self._reload = reload
        self._client: Any = None
        self._dead: set[str] = set()
        self._deaths: Counter[str] = Counter()

    async def infer(
        self, model: str, inputs: Tensors, timeout: float | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Ask ``model`` once and return its output tensors by name.

        Args:
            timeout: seconds that it may take; the client's own without one.

        Raises:
            LumenException: as `translate` says.
        """
        try:
            result = await self._channel().infer(
                model, _wire(inputs), client_timeout=timeout or self._timeout
            )
        except InferenceServerException as error:
            raise self._died(error) or translate(model, error) from error
        return _unwire(result)

    async def stream(
        self,
        model: str,
        inputs: Tensors,
        first_timeout: float | None = None,
        next_timeout: float | None = None,
        probe: Tensors | None = None,
    ) -> AsyncGenerator[dict[str, npt.NDArray[Any]], None]:
        """Ask a decoupled ``model`` once and yield its answers' tensors; leaving early cancels it.

        Args:
            first_timeout: seconds that the first answer may take, where it may wait for its turn.
            next_timeout: seconds that each later one may take. Both are the client's own without one.
            probe: inputs that the model answers at once, be it with a refusal. A silent model is asked
                so: Triton ends no stream of a process that has died, and says of it only what it says
                to a new request.

        Raises:
            LumenException: as `translate` says.
        """
        request = {"model_name": model, "inputs": _wire(inputs)}
        call = self._channel().stream_infer(_once(request))
        timeout, deaths = first_timeout or self._timeout, self._deaths[model]
        try:
            while (result := await self._next(call, model, timeout, deaths, probe)) is not None:
                yield _unwire(result)
                timeout = next_timeout or self._timeout
        finally:
            call.cancel()

    async def _next(self, call: Any, model: str, timeout: float, deaths: int, probe: Tensors | None) -> Any:
        """The next result of the stream, or None at its end.

        Args:
            deaths: of the model before the stream began.
        """
        try:
            awaited = race(self._death(model, deaths, probe), call.__anext__())
            result, refusal = await with_timeout(timeout, awaited)
        except StopAsyncIteration:
            return None
        except TimeoutError as late:
            raise UpstreamTimeoutException(
                f"The model {model!r} sent nothing for {timeout:g} s; try again."
            ) from late
        except grpc.RpcError as error:
            raise translate(model, error) from error
        if refusal is not None:
            await _read_out(call)
            raise self._died(refusal) or from_wire(_detail(refusal)) or translate(model, refusal)
        return result

    async def _death(self, model: str, deaths: int, probe: Tensors | None) -> NoReturn:
        """Waits for the model's process to die, and raises when it has."""
        while self._deaths[model] == deaths:
            await asyncio.sleep(SILENCE_SECONDS)
            if probe is not None and self._deaths[model] == deaths:
                with contextlib.suppress(LumenException):  # it lives, or has died, which is counted
                    async with aclosing(self.stream(model, probe, PROBE_TIMEOUT)) as answers:
                        await anext(answers, None)
        raise _stopped(model)

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
            raise _translate_load(model, error) from error
        except TimeoutError as error:
            raise UpstreamTimeoutException(_LATE.format(model)) from error
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
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def mend_with(self, reload: Reload | None) -> None:
        """Let dead models be loaded anew by somebody else; None: here."""
        self._reload = reload

    def died(self, model: str) -> None:
        """Hear that a model's process has ended: it counts as not loaded, and its streams end; any thread."""
        self._dead.add(model)
        self._deaths[model] += 1

    def reloaded(self, model: str | None = None) -> None:
        """Hear that a model that had died is loaded again, or with None all of Triton; any thread."""
        self._dead -= self._dead.copy() if model is None else {model}

    def _died(self, error: Any) -> ServiceUnavailableException | None:
        """The exception for an error that says that a model's process has died; None for another."""
        found = _DEAD_PROCESS.fullmatch(_detail(error))
        if found is None:
            return None
        log.error("The process of model %s has died; the next request loads it anew", found[1])
        self.died(found[1])
        return _stopped(found[1])

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
            self._client = InferenceServerClient(self.url, channel_args=CHANNEL_OPTIONS)
        return self._client


def text_tensor(text: str) -> npt.NDArray[np.object_]:
    """Encode a string as Triton's BYTES [1]."""
    return np.array([text.encode()], dtype=np.object_)


def translate(model: str, error: Any) -> LumenException:
    """The exception of LUMEN's tree for a gRPC or Triton error of ``model``.

    What the caller did wrong keeps the model's message. Any other failure is logged in full, and
    the caller learns only which model failed.
    """
    code, detail = _code(error), _detail(error)
    if detail.startswith(_STOPPING):
        return ServiceUnavailableException(f"Triton stops{_at(model)}; start it, or try again.")
    if detail.startswith(_UNLOADED):
        return ServiceUnavailableException(f"The model {model!r} is not loaded in Triton; try again.")
    if code in _REFUSALS:
        return _REFUSALS[code](detail)
    if code == "UNAVAILABLE":
        log.warning("Triton is unavailable: %s", detail)
        return ServiceUnavailableException(f"Triton does not answer{_at(model)}; start it, or try again.")
    if code in ("DEADLINE_EXCEEDED", "CANCELLED"):
        return UpstreamTimeoutException(f"Triton did not finish in time{_at(model)}; try again.")
    log.error("Triton failed%s: %s %s", _at(model), code, detail)
    return GenerationException(f"Triton failed{_at(model)}; the server's log says why.")


_DEAD_PROCESS: Final = re.compile(
    r"(?:\w+: )*(?:The model '\w+' is not there: )?"
    r"(?:Failed to process the request\(s\) for model instance '\w+', message: )?"
    r"Stub process '(\w+)_\d+_\d+' is not healthy\.?(?:; try again\.)?"
)
"""Message of Triton's Python backend about a model instance without a process, also through another model."""

_LATE: Final = "The model {!r} was not loaded in time; try again."
_STOPPING: Final = "Server is stopping"
_UNLOADED: Final = ("Request for unknown model", "Model version not ready")
"""Beginnings of those errors of Triton of which its streams drop the code."""

_DIED: Final = ("UNLOADED", "its process has died; the next request loads it anew")

_REFUSALS: Final[dict[str, type[LumenException]]] = {
    "INVALID_ARGUMENT": InvalidInputException,
    "NOT_FOUND": NotFoundException,
    "UNIMPLEMENTED": UnsupportedMediaException,
}
"""gRPC codes that models answer to a caller's mistakes."""


def _stopped(model: str) -> ServiceUnavailableException:
    return ServiceUnavailableException(f"The model {model!r} has stopped; try again to load it anew.")


def _translate_load(model: str, error: Any) -> LumenException:
    code, detail = _code(error), _detail(error)
    if code == "DEADLINE_EXCEEDED":
        return UpstreamTimeoutException(_LATE.format(model))
    if code == "UNAVAILABLE" and "load" not in detail:
        return translate(model, error)
    return ModelLoadException(f"The model {model!r} did not load: {_first_line(detail)}")


def _code(error: Any) -> str:
    """The name of the gRPC status, such as UNAVAILABLE."""
    if isinstance(error, InferenceServerException):
        return str(error.status()).rpartition(".")[2]
    return str(error.code().name)


def _detail(error: Any) -> str:
    text = error.message() if isinstance(error, InferenceServerException) else error.details()
    return str(text or "")


def _at(model: str) -> str:
    return f" (model {model!r})" if model else ""


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _state(model: Any) -> tuple[str, str]:
    """State and reason; Triton calls a model that was never loaded "", and an unloaded one UNAVAILABLE."""
    unloaded = not model.state or model.reason == "unloaded"
    return ("UNLOADED", "") if unloaded else (model.state, _first_line(model.reason))


async def _read_out(call: Any) -> None:
    """Read a refused stream to its end: Triton 2.51 keeps a request that is cancelled after its error."""

    async def rest() -> None:
        async for _ in call:
            pass

    with contextlib.suppress(TimeoutError, grpc.RpcError):
        await with_timeout(PROBE_TIMEOUT, rest())


async def _once(request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield request


def _wire(inputs: Tensors) -> list[Any]:
    return [_input(name, np.ascontiguousarray(array)) for name, array in inputs.items()]


def _input(name: str, array: npt.NDArray[Any]) -> Any:
    tensor = InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array)
    return tensor


def _unwire(result: Any) -> dict[str, npt.NDArray[Any]]:
    names = [output.name for output in result.get_response().outputs]
    return {name: result.as_numpy(name) for name in names}
