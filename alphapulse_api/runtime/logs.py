"""The logging set-up of the command line; a host configures logging itself."""

from __future__ import annotations

import logging
import sys
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pythonjsonlogger.json import JsonFormatter

from alphapulse_api.config import LoggingConfig

QUOTING: Final = (HttpProcessingError, web.RequestPayloadError)
TEXT_EXTRAS: Final = ("duration_ms", "remote", "caller", "request_id")


def configure_logging(config: LoggingConfig) -> None:
    """Write our log to standard error, as text or as one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )
        if config.format == "json"
        else _TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    )
    handler.addFilter(_without_quotes)
    for name in ("alphapulse_api", "aiohttp"):
        root = logging.getLogger(name)
        root.handlers[:] = [handler]
        root.setLevel(config.level.upper())
        root.propagate = False


class _TextFormatter(logging.Formatter):
    """A line for people, with the other fields of a record appended as key=value."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        extras = ((name, getattr(record, name, None)) for name in TEXT_EXTRAS)
        return line + "".join(f" {name}={value}" for name, value in extras if value is not None)


def _without_quotes(record: logging.LogRecord) -> bool:
    """Log malformed requests in one line: a traceback would quote their bytes."""
    if record.exc_info and isinstance(record.exc_info[1], QUOTING):
        record.exc_info = record.exc_text = None
    return True
