"""The error tree of LUMEN, in one place.

    LumenException
    ├── InvalidInputException        400  the caller's request cannot be served as it is
    │   ├── ContentRefusedException  403  the operator's moderation refuses a text, a picture or a name
    │   ├── NotFoundException        404  it names something that is not there
    │   ├── NotAcceptableException   406  it asks for a form in which the answer cannot be given
    │   ├── TooLargeException        413  it is over a limit of size
    │   ├── TooSlowException         408  its body did not arrive in time
    │   └── UnsupportedMediaException 415 it carries a kind of file that is not taken
    ├── RateLimitException           429  too many requests; ``retry_after`` says when
    ├── BusyException                429  a model has no room for one more request now
    ├── GenerationException          500  a stage failed
    │   ├── UpstreamTimeoutException 504  Gemini or Triton did not answer in time
    │   └── ContentBlockedException  400  the writer refused the prompt
    ├── ModelLoadException           500  a model did not load
    ├── ServiceUnavailableException  503  Triton or Gemini is not there, or not ready
    └── StorageException             507  a file cannot be written: the disk is full, for one

Every class has one HTTP status and one Triton code (the names of
``triton_python_backend_utils.TritonError``). The class's name is what API clients see in
``{"error": ...}``, so names are part of the API.
"""

from typing import ClassVar


class LumenException(Exception):  # noqa: N818 - the names are part of the API
    """Root of the tree. ``message`` says what came, what was expected and what to do."""

    status: ClassVar[int] = 500
    triton_code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInputException(LumenException):
    status = 400
    triton_code = "INVALID_ARG"


class ContentRefusedException(InvalidInputException):
    status = 403


class NotFoundException(InvalidInputException):
    status = 404
    triton_code = "NOT_FOUND"


class NotAcceptableException(InvalidInputException):
    status = 406


class TooLargeException(InvalidInputException):
    status = 413


class TooSlowException(InvalidInputException):
    status = 408


class UnsupportedMediaException(InvalidInputException):
    status = 415
    triton_code = "UNSUPPORTED"


class RateLimitException(LumenException):
    """``retry_after``: seconds until the next request is welcome."""

    status = 429
    triton_code = "UNAVAILABLE"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BusyException(LumenException):
    """``retry_after``: seconds after which room is likely."""

    status = 429
    triton_code = "UNAVAILABLE"
    retry_after: ClassVar[int] = 2


class GenerationException(LumenException):
    pass


class UpstreamTimeoutException(GenerationException):
    status = 504
    triton_code = "CANCELLED"


class ContentBlockedException(GenerationException):
    status = 400
    triton_code = "INVALID_ARG"


class ModelLoadException(LumenException):
    pass


class ServiceUnavailableException(LumenException):
    """``retry_after``: seconds after which it is worth trying again."""

    status = 503
    triton_code = "UNAVAILABLE"
    retry_after: ClassVar[int] = 5


class StorageException(LumenException):
    status = 507


def to_wire(error: LumenException) -> str:
    """Text of a decoupled model's error, with its class: Triton's streams drop the code.

    (The header ``triton_grpc_error`` would keep it, but Triton 2.51 crashes in a race when a
    refused stream ends: seen after 40 to 250 refusals.)
    """
    return f"{type(error).__name__}: {error.message}"


def from_wire(text: str) -> LumenException | None:
    """The exception whose text :func:`to_wire` made; None when the text is somebody else's."""
    name, separator, message = text.partition(": ")
    kind = _by_name(LumenException).get(name)
    return kind(message) if separator and kind is not None else None


def names() -> list[str]:
    """Names of all classes of the tree that are raised."""
    found = {**_by_name(LumenException), RateLimitException.__name__: RateLimitException}
    return sorted(name for name in found if name != LumenException.__name__)


def _by_name(root: type[LumenException]) -> dict[str, type[LumenException]]:
    """The tree under ``root``; the one that needs more than a message never crosses Triton."""
    found = {} if root is RateLimitException else {root.__name__: root}
    for child in root.__subclasses__():
        found |= _by_name(child)
    return found
