"""Errors of a command, as a person sees them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError
from rich.console import Console

from lumen.errors import LumenException

console = Console(stderr=True)


@contextmanager
def reported() -> Iterator[None]:
    """Errors that a person can act on become one line each and exit status 1."""
    try:
        yield
    except ValidationError as error:
        _fail(*(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()))
    except (LumenException, OSError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _fail(*lines: str) -> None:
    for line in lines:
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    raise SystemExit(1)
