"""Logging: one format on the console and in ``lumen.log``, with the request's id in every line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from orchestrator.core.log_lines import JsonLines
from orchestrator.messages import printable_line, without_tokens
from orchestrator.request_context import request_id

FORMAT: Final = "%(asctime)s - lumen - %(levelname)s - [%(request_id)s] %(message)s"
DATE_FORMAT: Final = "%Y-%m-%d %H:%M:%S"

LogFormat: TypeAlias = Literal["text", "json"]

FILE_BYTES: Final = 10 * 2**20
"""Size at which ``lumen.log`` is put aside; ``FILES_KEPT`` older ones stay."""
FILES_KEPT: Final = 5

CLIENTS_FAULTS: Final = ("Invalid UTF-8 sequence received from client.",)
"""Messages of Uvicorn about what clients do wrong; it adds tracebacks, with which strangers fill a log."""

LOGGERS: Final = ("lumen", "uvicorn", "uvicorn.error", "asyncio")
"""Loggers that write here. ``uvicorn.access`` is silenced: the middleware logs every request."""


@contextmanager
def logging_to(folder: Path, form: LogFormat = "text") -> Iterator[None]:
    """Log to the console from INFO and to ``folder/lumen.log`` everything, until the block ends.

    The console is the standard error; for JSON the standard output, which collectors read.

    Inside of another such block this does nothing. A folder that cannot be written costs the file,
    not the service.
    """
    root = logging.getLogger(LOGGERS[0])
    if any(isinstance(handler, _Console) for handler in root.handlers):
        yield
        return
    handlers = _handlers(folder, form)
    before = [(logging.getLogger(name), _state(logging.getLogger(name))) for name in _all_names()]
    _attach(handlers)
    try:
        yield
    finally:
        for logger, (level, propagate, disabled, old) in before:
            logger.setLevel(level)
            logger.propagate, logger.disabled, logger.handlers = propagate, disabled, old
        for handler in handlers:
            with suppress(OSError):  # what a full disk does not take
                handler.close()


class _Console(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Marks that logging is set up."""


class _Plain(logging.Formatter):
    """Leaves no control character of anybody's in a line: none moves a terminal's cursor or forges a line.

    No token of an address is written down either.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable_line(without_tokens(super().formatMessage(record)))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(map(printable_line, super().formatException(ei).splitlines()))


class _File(RotatingFileHandler):
    """Says once that the disk takes no more lines, where logging's own way is a traceback for each."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not self._failed:
            self._failed = True
            logging.getLogger("lumen").error("Log lines are lost: %s cannot be written", self.baseFilename)


def _handlers(folder: Path, form: LogFormat) -> list[logging.Handler]:
    console = _Console(sys.stdout if form == "json" else sys.stderr)
    console.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [console, *_file_handler(folder)]
    for handler in handlers:
        handler.setFormatter(JsonLines() if form == "json" else _Plain(FORMAT, DATE_FORMAT))
        handler.addFilter(_add_request_id)
        handler.addFilter(_calm_clients_faults)
    return handlers


def _file_handler(folder: Path) -> list[logging.Handler]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = _File(folder / "lumen.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    except OSError as error:
        logging.getLogger("lumen").warning("No log file: %s cannot be written (%s)", folder, error)
        return []
    handler.setLevel(logging.DEBUG)
    return [handler]


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _calm_clients_faults(record: logging.LogRecord) -> bool:
    if record.msg in CLIENTS_FAULTS:
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = record.exc_text = None
    return True


def _attach(handlers: list[logging.Handler]) -> None:
    for name in _all_names():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], False
    for name in ("lumen", "uvicorn", "asyncio"):
        logging.getLogger(name).handlers = list(handlers)
    logging.getLogger("lumen").setLevel(logging.DEBUG)
    logging.getLogger("uvicorn").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").propagate = True
    logging.getLogger("uvicorn.access").disabled = True


def _all_names() -> tuple[str, ...]:
    return (*LOGGERS, "uvicorn.access")


def _state(logger: logging.Logger) -> tuple[int, bool, bool, list[logging.Handler]]:
    return logger.level, logger.propagate, logger.disabled, logger.handlers
