"""Lines of JSON for collectors of logs."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.observability.tracing import trace_id
from orchestrator.request_context import client, job, owner, request_id, route

NOTHING: Final = ("", "-")
"""Values of what there is not; left out."""

CONTEXT: Final[Mapping[str, ContextVar[str]]] = {
    "request": request_id,
    "client": client,
    "owner": owner,
    "job": job,
    "route": route,
}

EXTRAS: Final = ("status", "seconds")
"""Fields that a record may bring along."""


class JsonLines(logging.Formatter):
    """Formats a record as one line: time, level, message, and what it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = {name: variable.get() for name, variable in CONTEXT.items()} | {"trace": trace_id()}
        fields |= {name: value for name, value in context.items() if value not in NOTHING}
        fields |= {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=True)
